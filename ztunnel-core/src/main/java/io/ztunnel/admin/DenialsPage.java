package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.ztunnel.policy.PolicyNote;
import io.ztunnel.telemetry.Denials;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** {@code /debug/denials}: who was not let in lately, as text or as JSON. Stateless. */
final class DenialsPage {
  private final Denials denials;

  DenialsPage(Denials denials) {
    this.denials = denials;
  }

  HttpReply answer(HttpRequest request) {
    try {
      DebugQuery query = DebugQuery.of(request, Set.of("workload"));
      List<Denials.OfWorkload> wanted = select(query.value("workload"));
      return query.json()
          ? HttpReply.json(wanted.stream().map(DenialsPage::fields))
          : HttpReply.text(HttpResponseStatus.OK, text(wanted));
    } catch (BadQueryException e) {
      return HttpReply.text(HttpResponseStatus.BAD_REQUEST, e.getMessage() + "\n");
    }
  }

  private List<Denials.OfWorkload> select(String workload) {
    return denials.latest().stream()
        .filter(
            one ->
                workload.isEmpty()
                    || one.uid().equals(workload)
                    || (one.namespace() + "/" + one.name()).equals(workload))
        .toList();
  }

  private static String text(List<Denials.OfWorkload> workloads) {
    if (workloads.isEmpty()) {
      return "no connection was denied\n";
    }
    StringBuilder text = new StringBuilder();
    for (Denials.OfWorkload workload : workloads) {
      text.append("%s/%s (%s)\n".formatted(workload.namespace(), workload.name(), workload.uid()));
      for (Denials.Entry entry : workload.entries().reversed()) {
        Denials.Cause cause = entry.cause();
        text.append(
            "  %s %s %s %s -> %s: %s%s\n"
                .formatted(
                    entry.last(),
                    cause.effect().text(),
                    cause.peer(),
                    cause.identity().isEmpty() ? "without identity" : cause.identity(),
                    cause.destination(),
                    reason(entry),
                    entry.count() == 1
                        ? ""
                        : " (%d times since %s)".formatted(entry.count(), entry.first())));
      }
    }
    return text.toString();
  }

  private static String reason(Denials.Entry entry) {
    Denials.Cause cause = entry.cause();
    return switch (cause.effect()) {
      case DENIED -> entry.detail();
      case WOULD_BE_DENIED ->
          cause.policy().isEmpty()
              ? entry.detail()
              : "%s %s rule %d".formatted(entry.detail(), cause.policy(), cause.rule());
    };
  }

  private static Map<String, @Nullable Object> fields(Denials.OfWorkload workload) {
    return new JsonFields()
        .with("uid", workload.uid())
        .with("namespace", workload.namespace())
        .with("name", workload.name())
        .with("denials", workload.entries().reversed().stream().map(DenialsPage::fields).toList())
        .map();
  }

  private static Map<String, @Nullable Object> fields(Denials.Entry entry) {
    Denials.Cause cause = entry.cause();
    return new JsonFields()
        .with("first", entry.first().toString())
        .with("last", entry.last().toString())
        .with("count", entry.count())
        .with("dryRun", cause.effect() == Denials.Effect.WOULD_BE_DENIED)
        .with("peer", cause.peer())
        .known("identity", cause.identity())
        .with("destination", cause.destination())
        .known("policy", cause.policy())
        .set("rule", cause.rule() == PolicyNote.NO_RULE ? null : cause.rule())
        .with("detail", entry.detail())
        .map();
  }
}
