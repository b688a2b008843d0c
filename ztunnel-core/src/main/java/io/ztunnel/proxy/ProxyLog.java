package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.util.NetUtil;
import io.ztunnel.hbone.TraceParent;
import io.ztunnel.hbone.TunnelProgress;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogEvent;
import io.ztunnel.log.LogLevel;
import io.ztunnel.log.Span;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.policy.PolicyNote;
import io.ztunnel.redirection.PodInfo;
import io.ztunnel.routing.Candidate;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The lines of the data path besides the access log; targets are the reference's. Stateless. */
final class ProxyLog {
  private static final Log INBOUND = Log.target("ztunnel::proxy::inbound");
  private static final Log PASSTHROUGH = Log.target("ztunnel::proxy::inbound_passthrough");
  private static final Log OUTBOUND = Log.target("ztunnel::proxy::outbound");
  private static final Log SOCKS = Log.target("ztunnel::proxy::socks5");
  private static final Log GATEWAY = Log.target("ztunnel::proxy::gateway");
  private static final Log RBAC = Log.target("ztunnel::state");
  private static final Log TRACKER = Log.target("ztunnel::proxy::connection_manager");
  private static final Log PODS = Log.target("ztunnel::inpod::statemanager");
  private static final Log DRAIN = Log.target("ztunnel::drain");

  /** How many connections a line names. */
  private static final int MAX_NAMED = 10;

  private ProxyLog() {}

  static void listening(String component, Channel listener, boolean transparent) {
    Log log =
        switch (component) {
          case "inbound" -> INBOUND;
          case "inbound plaintext" -> PASSTHROUGH;
          case "outbound" -> OUTBOUND;
          case "gateway passthrough" -> GATEWAY;
          default -> SOCKS;
        };
    log.at(LogLevel.INFO, "listener established")
        .display(
            "address", NetUtil.toSocketAddressString((InetSocketAddress) listener.localAddress()))
        .string("component", component)
        .flag("transparent", transparent)
        .log();
  }

  /**
   * What a decision has to say: dry runs, the policy that matched, policies that are missing.
   *
   * @param span whose it is; asked for only if there is a line
   */
  static void decided(Supplier<Span> span, Decision decision, boolean atInfo) {
    LogLevel level = atInfo ? LogLevel.INFO : LogLevel.DEBUG;
    for (PolicyNote note : decision.notes()) {
      String message = note.kind().message();
      switch (note.kind()) {
        case UNKNOWN_POLICY ->
            RBAC.at(LogLevel.WARN, span, message + " " + Log.oneLine(note.policy())).log();
        case NO_ALLOW_POLICIES, NO_ALLOW_MATCH, DRY_RUN_NO_ALLOW_MATCH ->
            RBAC.at(level, span, message).log();
        case DRY_RUN_DENY_MATCH, DENY_MATCH, DRY_RUN_ALLOW_MATCH, ALLOW_MATCH ->
            RBAC.at(level, span, message).display("policy", note.policy()).log();
      }
    }
  }

  /** What belongs to a pod: {@code proxy{wl="shop/cart-0"}} (Istio). */
  static Span span(WorkloadInfo info) {
    return Span.of("proxy", new Span.Field("wl", info.namespace() + "/" + info.name()));
  }

  /** What belongs to a request for a tunnel to a pod; a client that gave no id is given one. */
  static Span span(WorkloadInfo info, @Nullable String traceParent, InetSocketAddress peer) {
    TraceParent trace =
        Optional.ofNullable(traceParent)
            .flatMap(TraceParent::parse)
            .orElseGet(() -> TraceParent.random(ThreadLocalRandom.current()));
    return span(info)
        .child(
            "inbound",
            Span.Field.display("id", trace.traceId()),
            Span.Field.display("peer", NetUtil.toSocketAddressString(peer)));
  }

  static void noLongerAllowed(Connection connection, Workload local) {
    TRACKER.info(
        "connection %s(%s)->%s (%s) closed because it's no longer allowed after a policy update"
            .formatted(
                NetUtil.toSocketAddressString(connection.source()),
                connection.identity() == null ? "None" : connection.identity(),
                NetUtil.toSocketAddressString(connection.destination()),
                Log.oneLine(local.uid())));
  }

  static void podReceived(String uid, PodInfo pod) {
    PODS.at(LogLevel.INFO, "pod received, starting proxy")
        .string("uid", uid)
        .string("name", pod.name())
        .string("namespace", pod.namespace())
        .log();
  }

  static void podDeleted(String uid) {
    PODS.at(LogLevel.INFO, "pod delete request, shutting down proxy").string("uid", uid).log();
  }

  static void retrying(InetSocketAddress source, Candidate failed, ConnectionFailure failure) {
    retrying(source, failed.workload().uid(), failure);
  }

  /**
   * Another endpoint is tried.
   *
   * @param failed the workload's uid, or an address that the mesh does not know
   */
  static void retrying(InetSocketAddress source, String failed, ConnectionFailure failure) {
    if (OUTBOUND.isEnabled(LogLevel.DEBUG)) {
      OUTBOUND
          .at(LogLevel.DEBUG, "trying another endpoint")
          .display("src.addr", NetUtil.toSocketAddressString(source))
          .string("failed", failed)
          .string("error", failure.message())
          .log();
    }
  }

  /** Name servers do not tell the addresses of a workload's name. */
  static void lastAddressesUsed(String hostname, String why) {
    OUTBOUND
        .at(LogLevel.WARN, "name not resolved, its last addresses are used")
        .string("hostname", hostname)
        .string("error", why)
        .log();
  }

  /** A gateway or name is slow, and another endpoint is tried beside it. */
  static void overtaking(InetSocketAddress source, Candidate slow, TunnelProgress progress) {
    overtaking(source, slow.workload().uid(), progress);
  }

  /**
   * An endpoint is slow, and another one is tried beside it.
   *
   * @param slow the workload's uid, or an address that the mesh does not know
   */
  static void overtaking(InetSocketAddress source, String slow, TunnelProgress progress) {
    if (OUTBOUND.isEnabled(LogLevel.DEBUG)) {
      OUTBOUND
          .at(LogLevel.DEBUG, "trying another endpoint beside")
          .display("src.addr", NetUtil.toSocketAddressString(source))
          .string("slow", slow)
          .string("so far", progress.text())
          .log();
    }
  }

  static void gatewaySetAside(String key, InetSocketAddress address, String pod, String why) {
    gateway(LogLevel.WARN, "gateway set aside until a probe finds it well", key, address, pod)
        .string("error", why)
        .log();
  }

  static void gatewayIsBack(String key, InetSocketAddress address, String pod) {
    gateway(LogLevel.INFO, "gateway is used again", key, address, pod).log();
  }

  /** It has another address or identity by now. */
  static void gatewayHasChanged(String key, InetSocketAddress address, String pod) {
    gateway(LogLevel.INFO, "gateway that was set aside is another by now", key, address, pod).log();
  }

  /** Nobody looks after it any more; the next connection tries it. */
  static void gatewayGivenUp(String key, InetSocketAddress address, String pod, String why) {
    gateway(LogLevel.INFO, "gateway is not probed any more", key, address, pod)
        .string("error", why)
        .log();
  }

  private static LogEvent gateway(
      LogLevel level, String message, String key, InetSocketAddress address, String pod) {
    return OUTBOUND
        .at(level, message)
        .string("gateway", key)
        .display("address", NetUtil.toSocketAddressString(address))
        .string("pod", pod);
  }

  static void socksRefused(SocketAddress client, String reason) {
    SOCKS
        .at(LogLevel.WARN, "failed to negotiate socks connection")
        .display(
            "src.addr",
            client instanceof InetSocketAddress ip ? NetUtil.toSocketAddressString(ip) : client)
        .string("error", reason)
        .log();
  }

  static void applicationClosed(WorkloadInfo info, int port) {
    INBOUND
        .at(LogLevel.INFO, "the application has closed its port, releasing the tunnels to it")
        .display("workload", info)
        .number("port", port)
        .log();
  }

  /** What became of the listeners when the process was told to end. */
  static void handedOver(WorkloadInfo info, Handover.Outcome outcome) {
    switch (outcome) {
      case TAKEN_OVER ->
          DRAIN
              .at(LogLevel.INFO, "another process has taken the listeners over")
              .display("workload", info)
              .log();
      case IDLE -> {} // nobody misses them
      case WAITED_IN_VAIN ->
          DRAIN
              .at(LogLevel.WARN, "no other process has taken the listeners over, accepting no more")
              .display("workload", info)
              .log();
    }
  }

  /** Names some of what is left; each of all has its line in the access log when it is cut. */
  static void drainExpired(WorkloadInfo info, List<ConnectionSummary> left) {
    DRAIN
        .at(
            LogLevel.WARN,
            "drain duration expired with pending connections, forcefully shutting down")
        .display("workload", info)
        .number("connections", left.size())
        .string(
            "left",
            left.stream()
                .limit(MAX_NAMED)
                .map(ProxyLog::name)
                .collect(Collectors.joining(", ", "", left.size() > MAX_NAMED ? ", …" : "")))
        .log();
  }

  private static String name(ConnectionSummary connection) {
    return "%s %s -> %s"
        .formatted(
            connection.direction().name().toLowerCase(Locale.ROOT),
            NetUtil.toSocketAddressString(connection.source()),
            NetUtil.toSocketAddressString(connection.actualDestination()));
  }
}
