package io.ztunnel.telemetry;

import java.util.List;

/**
 * Why a proxied connection failed or was refused: the one list that the access log, the metrics and
 * the answer to the peer are three views of. What leaves and decisions report in their own words is
 * translated into this at the edge. Immutable.
 *
 * <p>{@link #message} is the reference's text (Istio ztunnel, {@code error} field of the access
 * log), because people search for it; {@link #reason} is ours, and there is one for each thing an
 * operator would do something different about.
 */
public sealed interface ConnectionFailure {
  /** A short name in snake case, from a fixed list: a metric label, a field of the access log. */
  String reason();

  /** What happened, in one line, for the log only: a peer learns at most {@link #peerStatus}. */
  String message();

  /** More than the reference's message says, or empty. */
  default String detail() {
    return "";
  }

  /** The {@code response_flags} label; {@code -} does not count as failed. */
  default String responseFlag() {
    return "CONNECT";
  }

  /** The HTTP status if the peer waits for the answer to a CONNECT. */
  default int peerStatus() {
    return 503;
  }

  // What was asked for cannot be served.

  /** The destination is the proxy itself. */
  record SelfCall() implements ConnectionFailure {
    @Override
    public String reason() {
      return "self_call";
    }

    @Override
    public String message() {
      return "attempted recursive call to ourselves";
    }
  }

  /** The destination is a port of the pod that the proxy itself listens on. */
  record ProxyPort(int port) implements ConnectionFailure {
    @Override
    public String reason() {
      return "proxy_port";
    }

    @Override
    public String message() {
      return "attempted recursive call to ourselves";
    }

    @Override
    public String detail() {
      return "port " + port + " is the proxy's own";
    }
  }

  /** The request was not a CONNECT. */
  record MethodNotConnect(String method) implements ConnectionFailure {
    @Override
    public String reason() {
      return "method_not_connect";
    }

    @Override
    public String message() {
      return "expected method CONNECT, got " + method;
    }

    @Override
    public int peerStatus() {
      return 400;
    }
  }

  /** The CONNECT named no host and port. */
  record AuthorityInvalid(String authority) implements ConnectionFailure {
    @Override
    public String reason() {
      return "authority_invalid";
    }

    @Override
    public String message() {
      return "no valid authority pseudo header: " + authority;
    }

    @Override
    public int peerStatus() {
      return 400;
    }
  }

  /** The CONNECT named an address that is not the pod's, nor one it serves. */
  record AddressMismatch(String localIp, String authorityIp) implements ConnectionFailure {
    @Override
    public String reason() {
      return "address_mismatch";
    }

    @Override
    public String message() {
      return "ip mismatch: " + localIp + " != " + authorityIp;
    }

    @Override
    public int peerStatus() {
      return 400;
    }
  }

  /**
   * The CONNECT, or a gateway's configuration, named a host that leads nowhere.
   *
   * @param message which of its parts is missing
   */
  record HostnameUnresolved(String message) implements ConnectionFailure {
    /** No service or workload has this name. */
    public static HostnameUnresolved unknown(String hostname) {
      return new HostnameUnresolved("no service or workload for hostname: " + hostname);
    }

    /** The service has no such port. */
    public static HostnameUnresolved withoutPort(String hostname, int port) {
      return new HostnameUnresolved(
          "requested service " + hostname + ":" + port + " found, but cannot resolve port");
    }

    /** The service has no address. */
    public static HostnameUnresolved withoutAddress(String hostname) {
      return new HostnameUnresolved(
          "requested service " + hostname + " found, but has no IP addresses");
    }

    /** The name service has no address for it. */
    public static HostnameUnresolved byNameService(String hostname, String answer) {
      return new HostnameUnresolved("no address for hostname: " + hostname + ": " + answer);
    }

    @Override
    public String reason() {
      return "hostname_unresolved";
    }
  }

  /** The CONNECT named a service that a gateway does not know. */
  record ServiceUnknown(String authority) implements ConnectionFailure {
    @Override
    public String reason() {
      return "service_unknown";
    }

    @Override
    public String message() {
      return "no service for authority: " + authority;
    }

    @Override
    public int peerStatus() {
      return 404;
    }
  }

  /** The CONNECT named a service that a gateway does not serve to other networks. */
  record NotExported(String namespace, String hostname) implements ConnectionFailure {
    @Override
    public String reason() {
      return "not_exported";
    }

    @Override
    public String message() {
      return "service is not exported to other networks: " + namespace + "/" + hostname;
    }

    @Override
    public int peerStatus() {
      return 403;
    }
  }

  /** The CONNECT named a port that the service does not have. */
  record ServicePortUnknown(String hostname, int port) implements ConnectionFailure {
    @Override
    public String reason() {
      return "service_port_unknown";
    }

    @Override
    public String message() {
      return "service " + hostname + " has no port " + port;
    }

    @Override
    public int peerStatus() {
      return 404;
    }
  }

  /**
   * A TLS client asked a gateway for a server that it does not pass on to on this port.
   *
   * @param name empty: it named none, or did not speak TLS
   */
  record ServerNameUnknown(String name) implements ConnectionFailure {
    @Override
    public String reason() {
      return "server_name_unknown";
    }

    @Override
    public String message() {
      return name.isEmpty() ? "no TLS server name was given" : "no server of this name: " + name;
    }
  }

  /** What a gateway limits for each source. */
  enum SourceLimit {
    CONNECTIONS("connections"),
    TUNNELS("tunnels");

    private final String text;

    SourceLimit(String text) {
      this.text = text;
    }
  }

  /**
   * The client has as much of a gateway as one may have.
   *
   * @param source its identity or, where it showed none, its address
   */
  record SourceLimitReached(SourceLimit limit, String source, int max)
      implements ConnectionFailure {
    @Override
    public String reason() {
      return "source_" + limit.text + "_limit";
    }

    @Override
    public String message() {
      return "too many %s of one source: %s has %d".formatted(limit.text, source, max);
    }

    @Override
    public int peerStatus() {
      return 429;
    }
  }

  // The mesh does not know where to go.

  /** The pod whose traffic this is has no record in the mesh. */
  record LocalWorkloadUnknown(String name, String namespace, String serviceAccount)
      implements ConnectionFailure {
    @Override
    public String reason() {
      return "local_workload_unknown";
    }

    @Override
    public String message() {
      return "failed to fetch information about local workload: "
          + serviceAccount
          + "."
          + namespace
          + " ("
          + name
          + ")";
    }
  }

  /** No endpoint of the destination can be used. */
  record NoHealthyUpstream(String target) implements ConnectionFailure {
    @Override
    public String reason() {
      return "no_healthy_upstream";
    }

    @Override
    public String message() {
      return "no healthy upstream: " + target;
    }
  }

  /** The destination has a waypoint that the mesh does not know. */
  record UnknownWaypoint(String waypoint) implements ConnectionFailure {
    @Override
    public String reason() {
      return "unknown_waypoint";
    }

    @Override
    public String message() {
      return "unknown waypoint: " + waypoint;
    }
  }

  /** The destination's network has a gateway that the mesh does not know. */
  record UnknownGateway(String gateway) implements ConnectionFailure {
    @Override
    public String reason() {
      return "unknown_gateway";
    }

    @Override
    public String message() {
      return "unknown network gateway: " + gateway;
    }
  }

  /** The destination has neither an address nor a name to look up. */
  record NoValidDestination(String name, String uid, String protocol) implements ConnectionFailure {
    @Override
    public String reason() {
      return "no_valid_destination";
    }

    @Override
    public String message() {
      return "no valid routing destination for workload: Workload{"
          + name
          + " with uid "
          + uid
          + " ("
          + protocol
          + ")}";
    }
  }

  /** The destination is in another network and no service leads there. */
  record NoService(String target) implements ConnectionFailure {
    @Override
    public String reason() {
      return "no_service";
    }

    @Override
    public String message() {
      return "no service for target address: " + target;
    }
  }

  /**
   * The host name of a workload has no address.
   *
   * @param answered whether the lookup was answered, without an address in it
   */
  record DnsFailed(String workloadUid, boolean answered, String detail)
      implements ConnectionFailure {
    @Override
    public String reason() {
      return "dns_failed";
    }

    @Override
    public String message() {
      return answered
          ? "ip addresses were resolved for workload "
              + workloadUid
              + ", but valid dns response had no A/AAAA records"
          : "no ip addresses were resolved for workload: " + workloadUid;
    }
  }

  // The way to the upstream.

  /** The process has as many connections through gateways of other networks as it may have. */
  record InnerConnectionsLimit(String message) implements ConnectionFailure {
    @Override
    public String reason() {
      return "inner_connections_limit";
    }
  }

  /** Which connection could not be made. */
  enum Dial {
    /** To the application of this node's pod. */
    LOCAL("connect"),
    /** To a destination outside the mesh, or without HBONE. */
    PLAIN("connect"),
    /** To the HBONE port of a peer. */
    HBONE("hbone_connect");

    private final String prefix;

    Dial(String prefix) {
      this.prefix = prefix;
    }
  }

  /** What became of the SYN. */
  enum DialOutcome {
    REFUSED("_refused"),
    TIMED_OUT("_timed_out"),
    /** No route, no permission, no address of the family. */
    FAILED("_failed");

    private final String suffix;

    DialOutcome(String suffix) {
      this.suffix = suffix;
    }
  }

  /**
   * TCP to the upstream could not be established.
   *
   * @param target address and port
   * @param systemText the operating system's text
   */
  record ConnectFailed(Dial dial, DialOutcome outcome, String target, String systemText)
      implements ConnectionFailure {
    @Override
    public String reason() {
      return dial.prefix + outcome.suffix;
    }

    @Override
    public String message() {
      return switch (dial) {
        case LOCAL -> "connection failed: " + systemText;
        case PLAIN -> "io error: " + systemText;
        case HBONE ->
            outcome == DialOutcome.TIMED_OUT
                ? "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: "
                    + systemText
                : "io error: " + systemText;
      };
    }

    @Override
    public String detail() {
      return target;
    }

    @Override
    public String responseFlag() {
      return dial == Dial.HBONE && outcome == DialOutcome.TIMED_OUT ? "NETWORK_POLICY" : "CONNECT";
    }
  }

  /** The process has no descriptor left for another socket. */
  record OutOfDescriptors(String systemText) implements ConnectionFailure {
    @Override
    public String reason() {
      return "out_of_descriptors";
    }

    @Override
    public String message() {
      return "io error: " + systemText;
    }
  }

  /** The process has too little memory left for another connection of the pod. */
  record Overloaded() implements ConnectionFailure {
    @Override
    public String reason() {
      return "overloaded";
    }

    @Override
    public String message() {
      return "memory is scarce, and the pod has many connections";
    }
  }

  /** Which end of a TLS handshake is ours. */
  enum TlsRole {
    CLIENT("io error: "),
    SERVER("tls handshake error: ");

    private final String prefix;

    TlsRole(String prefix) {
      this.prefix = prefix;
    }
  }

  /** The handshake failed, or the certificate did not verify. */
  record TlsFailed(TlsRole role, String cause) implements ConnectionFailure {
    @Override
    public String reason() {
      return "tls_failed";
    }

    @Override
    public String message() {
      return role.prefix + cause;
    }
  }

  /** The peer's certificate is valid, but for another identity than was dialled. */
  record WrongPeerIdentity(List<String> expected, List<String> presented)
      implements ConnectionFailure {
    public WrongPeerIdentity {
      expected = List.copyOf(expected);
      presented = List.copyOf(presented);
    }

    @Override
    public String reason() {
      return "wrong_peer_identity";
    }

    @Override
    public String message() {
      return TlsRole.CLIENT.prefix
          + "identity verification error: peer did not present the expected SAN ("
          + String.join(",", expected)
          + "), got "
          + String.join(",", presented);
    }
  }

  /** The client's certificate is of another trust domain. */
  record WrongTrustDomain(String expected, String presented) implements ConnectionFailure {
    @Override
    public String reason() {
      return "wrong_trust_domain";
    }

    @Override
    public String message() {
      return TlsRole.SERVER.prefix
          + "identity verification error: peer did not present the expected trustdomain ("
          + expected
          + "), got "
          + presented;
    }
  }

  /**
   * The peer's certificate, or an authority's above it, is revoked: the handshake was refused.
   *
   * @param certificate which one
   */
  record PeerRevoked(TlsRole role, String certificate) implements ConnectionFailure {
    @Override
    public String reason() {
      return "peer_revoked";
    }

    @Override
    public String message() {
      return role.prefix + "peer certificate revoked: " + certificate;
    }
  }

  /** There is no certificate for the workload. */
  record IdentityUnavailable(String cause) implements ConnectionFailure {
    @Override
    public String reason() {
      return "identity_unavailable";
    }

    @Override
    public String message() {
      return "identity error: " + cause;
    }

    @Override
    public String responseFlag() {
      return "IDENTITY_ERROR";
    }
  }

  /** What kind of HTTP/2 failure it was. */
  enum Http2Failure {
    HANDSHAKE("h2_handshake_failed", "http2 handshake failed: "),
    HANDSHAKE_TIMED_OUT("h2_handshake_timed_out", "http2 handshake failed: "),
    RESET("h2_reset", "h2 failed: "),
    GOAWAY("h2_goaway", "h2 failed: "),
    ANSWER_TIMED_OUT("h2_answer_timed_out", "h2 failed: "),
    CONNECTION_LOST("h2_failed", "h2 failed: ");

    private final String reason;
    private final String prefix;

    Http2Failure(String reason, String prefix) {
      this.reason = reason;
      this.prefix = prefix;
    }
  }

  /** HTTP/2 failed before the CONNECT was answered. */
  record Http2Failed(Http2Failure kind, String cause) implements ConnectionFailure {
    @Override
    public String reason() {
      return kind.reason;
    }

    @Override
    public String message() {
      return kind.prefix + cause;
    }

    @Override
    public String responseFlag() {
      return "H2_HANDSHAKE_FAILURE";
    }
  }

  /**
   * The peer answered the CONNECT, but not by 200.
   *
   * @param phrase the status line's words ({@code Service Unavailable})
   */
  record TunnelRejected(int status, String phrase) implements ConnectionFailure {
    @Override
    public String reason() {
      return "http_status";
    }

    @Override
    public String message() {
      return "http status: " + status + (phrase.isEmpty() ? "" : " " + phrase);
    }
  }

  /** The tunnels to the peer are being closed. */
  record PoolDraining() implements ConnectionFailure {
    @Override
    public String reason() {
      return "pool_draining";
    }

    @Override
    public String message() {
      return "pool draining";
    }
  }

  // Decisions of the mesh.

  /**
   * A policy forbids the connection.
   *
   * @param rejection the decision in the reference's words
   * @param detail the rule that forbade it, or what was missing to be allowed
   */
  record PolicyDenied(String rejection, String detail) implements ConnectionFailure {
    @Override
    public String reason() {
      return "policy_denied";
    }

    @Override
    public String message() {
      return "connection closed due to policy rejection: " + rejection;
    }

    @Override
    public String responseFlag() {
      return "DENY";
    }

    @Override
    public int peerStatus() {
      return 401;
    }
  }

  /**
   * A policy that came or changed forbids the open connection.
   *
   * @param detail the rule that forbids it, or what is missing to be allowed
   */
  record PolicyChanged(String detail) implements ConnectionFailure {
    @Override
    public String reason() {
      return "policy_changed";
    }

    @Override
    public String message() {
      return "connection closed due to policy change";
    }

    @Override
    public String responseFlag() {
      return "DENY";
    }

    @Override
    public int peerStatus() {
      return 401;
    }
  }

  /**
   * The peer's certificate, or an authority's above it, was revoked while the connection was open.
   *
   * @param detail which certificate
   */
  record Revoked(String detail) implements ConnectionFailure {
    @Override
    public String reason() {
      return "revoked";
    }

    @Override
    public String message() {
      return "connection closed: peer certificate revoked by CRL";
    }

    @Override
    public String responseFlag() {
      return "CERT_REVOKED";
    }
  }

  /** The proxy is ending, or the pod it served is gone. */
  record Drained() implements ConnectionFailure {
    @Override
    public String reason() {
      return "drained";
    }

    @Override
    public String message() {
      return "connection closed due to connection drain";
    }

    @Override
    public String responseFlag() {
      return "-";
    }
  }

  /** Who had still to answer. */
  enum Awaited {
    /** Of this node's pod. */
    APPLICATION("application"),
    /** That a gateway passes tunnels on to. */
    ENDPOINT("endpoint"),
    /** Of which workloads are asked that are not known yet. */
    CONTROL_PLANE("control plane");

    private final String text;

    Awaited(String text) {
      this.text = text;
    }
  }

  /**
   * The client gave its CONNECT up, or was lost, before it was answered.
   *
   * @param detail how
   */
  record ClientWentAway(Awaited awaited, String detail) implements ConnectionFailure {
    @Override
    public String reason() {
      return "client_went_away";
    }

    @Override
    public String message() {
      return "client went away before the " + awaited.text + " answered";
    }
  }

  // The open connection broke.

  /** Which half of a connection broke. */
  enum Half {
    /** From the downstream to the upstream. */
    SEND("send"),
    /** From the upstream to the downstream. */
    RECEIVE("receive");

    private final String text;

    Half(String text) {
      this.text = text;
    }
  }

  /** Copying broke off. */
  record CopyFailed(Half half, String cause) implements ConnectionFailure {
    @Override
    public String reason() {
      return "copy_" + half.text + "_failed";
    }

    @Override
    public String message() {
      return half.text + ": " + cause;
    }
  }

  /**
   * One side ended its half, and then nobody was there any more.
   *
   * @param detail at which end, and what the system said
   */
  record HalfClosedAbandoned(String detail) implements ConnectionFailure {
    @Override
    public String reason() {
      return "half_closed_abandoned";
    }

    @Override
    public String message() {
      return "connection closed: one side ended and the other was abandoned";
    }
  }

  /**
   * What failed is in another network, behind its gateway, to which the tunnel stood.
   *
   * @param gateway address and port
   */
  record BeyondGateway(ConnectionFailure cause, String gateway) implements ConnectionFailure {
    @Override
    public String reason() {
      return cause.reason();
    }

    @Override
    public String message() {
      return cause.message();
    }

    @Override
    public String detail() {
      String where = "beyond gateway " + gateway;
      return cause.detail().isEmpty() ? where : where + ": " + cause.detail();
    }

    @Override
    public String responseFlag() {
      return cause.responseFlag();
    }
  }
}
