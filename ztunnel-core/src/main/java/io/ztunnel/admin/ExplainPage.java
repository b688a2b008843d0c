package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.ztunnel.explain.Client;
import io.ztunnel.explain.Explainer;
import io.ztunnel.explain.Explanation;
import io.ztunnel.explain.GatewayExplainer;
import io.ztunnel.explain.Question;
import io.ztunnel.explain.QuestionException;
import io.ztunnel.explain.TunnelQuestion;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.routing.GatewayCall;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** {@code /debug/explain}: what would become of a connection, as text or as JSON. Stateless. */
final class ExplainPage {
  /** Reads a question, and has it answered later. */
  private interface Reading {
    Supplier<Explanation> of(DebugQuery query) throws BadQueryException;
  }

  private static final String USAGE =
      """
      usage: GET /debug/explain?src=<workload>&dst=<destination>&port=<port>

      src        who opens it: namespace/name, uid or address of a workload
      dst        where it goes: an address, a host name, namespace/hostname, or a workload
      port       the port of the destination
      identity   optional: spiffe://... that the destination is to see, or none for plain TCP
      direction  optional: both (default), outbound (where it goes), inbound (whether dst lets it in)
      format     optional: text (default) or json; also by Accept: application/json
      """;

  private static final Set<String> PARAMETERS =
      Set.of("src", "dst", "port", "identity", "direction");

  private static final String GATEWAY_USAGE =
      """
      usage: GET /debug/explain?src=<identity>&dst=<service>&port=<port>

      src        who opens the tunnel: spiffe://<trust domain>/ns/<namespace>/sa/<account>
      dst        what it asks for: the host name or the address of a service
      port       the port of the service
      caller     optional: node (default), waypoint or gateway: what kind of proxy asks
      address    optional: the client's, for policies that ask for it
      format     optional: text (default) or json; also by Accept: application/json
      """;

  private static final Set<String> GATEWAY_PARAMETERS =
      Set.of("src", "dst", "port", "caller", "address");

  private final String usage;
  private final Set<String> parameters;
  private final Reading reading;
  private final Work work;

  private ExplainPage(String usage, Set<String> parameters, Reading reading, Work work) {
    this.usage = usage;
    this.parameters = parameters;
    this.reading = reading;
    this.work = work;
  }

  /** Of the proxy of a node or of a workload: about connections. */
  static ExplainPage of(Explainer explainer, Work work) {
    return new ExplainPage(
        USAGE,
        PARAMETERS,
        query -> {
          Question question = question(query);
          return () -> explainer.explain(question);
        },
        work);
  }

  /** Of a gateway between networks: about tunnels from others. */
  static ExplainPage of(GatewayExplainer explainer, Work work) {
    return new ExplainPage(
        GATEWAY_USAGE,
        GATEWAY_PARAMETERS,
        query -> {
          TunnelQuestion question = tunnel(query);
          return () -> explainer.explain(question);
        },
        work);
  }

  Answer answer(HttpRequest request) {
    try {
      DebugQuery query = DebugQuery.of(request, parameters);
      Supplier<Explanation> explanation = reading.of(query);
      return work.answer(() -> reply(explanation, query.json()));
    } catch (BadQueryException | QuestionException e) {
      return refused(e);
    }
  }

  private HttpReply reply(Supplier<Explanation> later, boolean json) {
    try {
      Explanation explanation = later.get();
      return json
          ? HttpReply.json(fields(explanation))
          : HttpReply.text(HttpResponseStatus.OK, explanation.text());
    } catch (QuestionException e) {
      return refused(e);
    }
  }

  private HttpReply refused(Exception reason) {
    return HttpReply.text(HttpResponseStatus.BAD_REQUEST, reason.getMessage() + "\n\n" + usage);
  }

  private static TunnelQuestion tunnel(DebugQuery query) throws BadQueryException {
    return TunnelQuestion.of(
        query.value("src"),
        switch (query.value("caller")) {
          case "", "node" -> GatewayCall.Caller.NODE;
          case "waypoint" -> GatewayCall.Caller.WAYPOINT;
          case "gateway" -> GatewayCall.Caller.INGRESS;
          case String other ->
              throw new BadQueryException(
                  "caller: " + other + " (expected: node, waypoint or gateway)");
        },
        query.value("dst"),
        port(query.value("port")),
        query.value("address"));
  }

  private static Question question(DebugQuery query) throws BadQueryException {
    return new Question(
        query.value("src"),
        query.value("dst"),
        port(query.value("port")),
        client(query.value("identity")),
        switch (query.value("direction")) {
          case "", "both" -> Question.Halves.BOTH;
          case "outbound" -> Question.Halves.OUTBOUND;
          case "inbound" -> Question.Halves.INBOUND;
          case String other ->
              throw new BadQueryException(
                  "direction: " + other + " (expected: both, outbound or inbound)");
        });
  }

  private static int port(String text) throws BadQueryException {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException _) {
      throw new BadQueryException(
          "port: " + (text.isEmpty() ? "empty" : text) + " (expected: 1-65535)");
    }
  }

  private static Client client(String text) throws BadQueryException {
    return switch (text) {
      case "" -> new Client.AsKnown();
      case "none" -> new Client.Plain();
      default ->
          new Client.Identified(
              SpiffeId.parse(text)
                  .orElseThrow(
                      () ->
                          new BadQueryException(
                              "identity: %s (expected: spiffe://<trust domain>/ns/<namespace>/sa/<account>, or none)"
                                  .formatted(text))));
    };
  }

  private static Map<String, @Nullable Object> fields(Explanation explanation) {
    Explanation.Verdict verdict = explanation.verdict();
    return new JsonFields()
        .with(
            "steps",
            explanation.steps().stream()
                .map(
                    step ->
                        new JsonFields()
                            .with("place", step.place().text())
                            .with("depth", step.depth())
                            .with("text", step.text())
                            .map()))
        .with(
            "verdict",
            new JsonFields()
                .with("outcome", verdict.outcome().text())
                .with("text", verdict.text())
                .known("reason", verdict.reason())
                .known("policy", verdict.policy())
                .set("rule", verdict.rule() < 0 ? null : verdict.rule())
                .map())
        .map();
  }
}
