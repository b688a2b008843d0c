package io.ztunnel.telemetry;

import io.netty.util.NetUtil;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogEvent;
import io.ztunnel.log.LogLevel;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.metrics.TrafficLabels;
import io.ztunnel.metrics.TrafficLabels.SecurityPolicy;
import java.net.InetSocketAddress;

/**
 * The lines about connections, of target {@code access}: their fields and the order of fields are
 * the reference's. After {@code error} we add {@code reason} and, where there is more to say,
 * {@code detail}. Stateless; any thread.
 */
final class AccessLog {
  private static final Log LOG = Log.target("access");

  private AccessLog() {}

  static void opened(ConnectionFacts facts) {
    if (LOG.isEnabled(LogLevel.DEBUG)) {
      describe(LOG.at(LogLevel.DEBUG, "connection opened"), facts).log();
    }
  }

  static void complete(
      ConnectionFacts facts, long bytesToUpstream, long bytesToDownstream, long millis) {
    if (LOG.isEnabled(LogLevel.INFO)) {
      ended(LogLevel.INFO, facts, bytesToUpstream, bytesToDownstream, millis).log();
    }
  }

  static void failed(
      ConnectionFacts facts,
      long bytesToUpstream,
      long bytesToDownstream,
      long millis,
      ConnectionFailure failure) {
    if (LOG.isEnabled(LogLevel.ERROR)) {
      LogEvent line = ended(LogLevel.ERROR, facts, bytesToUpstream, bytesToDownstream, millis);
      failure(line, failure).log();
    }
  }

  /** A connection that was refused before anything was known of it but its addresses. */
  static void refused(
      Reporter reporter,
      InetSocketAddress source,
      InetSocketAddress destination,
      ConnectionFailure failure) {
    if (LOG.isEnabled(LogLevel.WARN)) {
      LogEvent line =
          LOG.at(LogLevel.WARN, "connection failed")
              .display("src.addr", NetUtil.toSocketAddressString(source))
              .display("dst.addr", NetUtil.toSocketAddressString(destination))
              .string("direction", direction(reporter));
      failure(line, failure).log();
    }
  }

  private static LogEvent ended(
      LogLevel level,
      ConnectionFacts facts,
      long bytesToUpstream,
      long bytesToDownstream,
      long millis) {
    // Sent and received as the pod of this node sees it; a gateway stands for the server.
    boolean outbound = facts.labels().reporter() == Reporter.SOURCE;
    return describe(LOG.at(level, "connection complete"), facts)
        .number("bytes_sent", outbound ? bytesToUpstream : bytesToDownstream)
        .number("bytes_recv", outbound ? bytesToDownstream : bytesToUpstream)
        .string("duration", millis + "ms");
  }

  private static LogEvent failure(LogEvent line, ConnectionFailure failure) {
    LogEvent named = line.string("error", failure.message()).string("reason", failure.reason());
    return known(named, "detail", failure.detail());
  }

  private static LogEvent describe(LogEvent event, ConnectionFacts facts) {
    TrafficLabels labels = facts.labels();
    boolean mutualTls = labels.securityPolicy() == SecurityPolicy.MUTUAL_TLS;
    LogEvent line = event.display("src.addr", NetUtil.toSocketAddressString(facts.source()));
    line = peer(line, Side.SOURCE, facts.sourceName(), labels.source(), mutualTls);
    line = line.display("dst.addr", NetUtil.toSocketAddressString(facts.destination()));
    if (!facts.authority().isEmpty()) {
      line = line.display("dst.hbone_addr", facts.authority());
    }
    line = known(line, "dst.service", labels.destinationService().hostname());
    line = peer(line, Side.DESTINATION, facts.destinationName(), labels.destination(), mutualTls);
    return line.string("direction", direction(labels.reporter()));
  }

  private enum Side {
    SOURCE("src"),
    DESTINATION("dst");

    final String workload;
    final String namespace;
    final String identity;
    final String cluster;

    Side(String prefix) {
      workload = prefix + ".workload";
      namespace = prefix + ".namespace";
      identity = prefix + ".identity";
      cluster = prefix + ".cluster";
    }
  }

  private static LogEvent peer(
      LogEvent event, Side side, String name, TrafficLabels.Peer peer, boolean mutualTls) {
    LogEvent line = known(event, side.workload, name.isEmpty() ? peer.canonicalService() : name);
    line = known(line, side.namespace, peer.namespace());
    if (mutualTls) {
      line = known(line, side.identity, peer.principal());
    }
    return known(line, side.cluster, peer.cluster());
  }

  private static LogEvent known(LogEvent line, String field, String value) {
    return value.isEmpty() ? line : line.string(field, value);
  }

  private static String direction(Reporter reporter) {
    return switch (reporter) {
      case SOURCE -> "outbound";
      case DESTINATION, GATEWAY -> "inbound";
    };
  }
}
