package io.ztunnel.dns;

import io.netty.util.NetUtil;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;

/** What the DNS servers log; targets are the reference's. Stateless. */
final class DnsLog {
  private static final Log ACCESS = Log.target("dns");
  private static final Log SERVER = Log.target("ztunnel::dns::server");
  private static final Log FORWARDER = Log.target("ztunnel::dns::forwarder");

  private DnsLog() {}

  static void starting(Object address) {
    SERVER
        .at(LogLevel.INFO, "starting local DNS server")
        .display("address", address)
        .string("component", "dns")
        .log();
  }

  static boolean logsQuestions() {
    return ACCESS.isEnabled(LogLevel.DEBUG);
  }

  /**
   * A question and what became of it.
   *
   * @param endpoints how many addresses the mesh gave, or records a name server
   */
  static void answered(Workload client, Question question, String result, int endpoints) {
    ACCESS
        .at(LogLevel.DEBUG, "")
        .string("src.workload", client.name())
        .string("src.namespace", client.namespace())
        .string("query", RecordType.name(question.type()))
        .string("domain", question.name().toString())
        .string("result", result)
        .number("endpoints", endpoints)
        .log();
  }

  static void unknownClient(Question question, Throwable cause) {
    SERVER
        .at(LogLevel.WARN, "unknown source workload")
        .display("query", RecordType.name(question.type()))
        .display("domain", question.name())
        .string("error", String.valueOf(cause.getMessage()))
        .log();
  }

  /** A datagram that is no answer to what was asked. */
  static void ignored(InetSocketAddress server, MalformedMessageException cause) {
    FORWARDER
        .at(LogLevel.DEBUG, "datagram ignored")
        .display("server", NetUtil.toSocketAddressString(server))
        .string("error", String.valueOf(cause.getMessage()))
        .log();
  }

  static void failed(String what, Throwable cause) {
    SERVER.at(LogLevel.DEBUG, what).string("error", String.valueOf(cause)).log();
  }
}
