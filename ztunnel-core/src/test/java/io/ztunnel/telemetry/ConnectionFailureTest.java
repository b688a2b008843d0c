package io.ztunnel.telemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.telemetry.ConnectionFailure.Awaited;
import io.ztunnel.telemetry.ConnectionFailure.ConnectFailed;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import io.ztunnel.telemetry.ConnectionFailure.DialOutcome;
import io.ztunnel.telemetry.ConnectionFailure.Half;
import io.ztunnel.telemetry.ConnectionFailure.Http2Failure;
import io.ztunnel.telemetry.ConnectionFailure.TlsRole;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ConnectionFailureTest {
  private static final String IO = "Connection refused (os error 111)";

  private static Arguments row(
      ConnectionFailure failure, String reason, String flag, int status, String message) {
    return Arguments.of(failure, reason, flag, status, message);
  }

  static List<Arguments> failures() {
    return List.of(
        row(
            new ConnectionFailure.SelfCall(),
            "self_call",
            "CONNECT",
            503,
            "attempted recursive call to ourselves"),
        row(
            new ConnectionFailure.ProxyPort(15001),
            "proxy_port",
            "CONNECT",
            503,
            "attempted recursive call to ourselves"),
        row(
            new ConnectionFailure.MethodNotConnect("GET"),
            "method_not_connect",
            "CONNECT",
            400,
            "expected method CONNECT, got GET"),
        row(
            new ConnectionFailure.AuthorityInvalid("x"),
            "authority_invalid",
            "CONNECT",
            400,
            "no valid authority pseudo header: x"),
        row(
            new ConnectionFailure.AddressMismatch("10.0.0.1", "10.0.0.2"),
            "address_mismatch",
            "CONNECT",
            400,
            "ip mismatch: 10.0.0.1 != 10.0.0.2"),
        row(
            ConnectionFailure.HostnameUnresolved.unknown("a.b"),
            "hostname_unresolved",
            "CONNECT",
            503,
            "no service or workload for hostname: a.b"),
        row(
            ConnectionFailure.HostnameUnresolved.withoutPort("a.b", 80),
            "hostname_unresolved",
            "CONNECT",
            503,
            "requested service a.b:80 found, but cannot resolve port"),
        row(
            ConnectionFailure.HostnameUnresolved.withoutAddress("a.b"),
            "hostname_unresolved",
            "CONNECT",
            503,
            "requested service a.b found, but has no IP addresses"),
        row(
            ConnectionFailure.HostnameUnresolved.byNameService("a.b", "no addresses"),
            "hostname_unresolved",
            "CONNECT",
            503,
            "no address for hostname: a.b: no addresses"),
        row(
            new ConnectionFailure.ServerNameUnknown("a.b"),
            "server_name_unknown",
            "CONNECT",
            503,
            "no server of this name: a.b"),
        row(
            new ConnectionFailure.ServerNameUnknown(""),
            "server_name_unknown",
            "CONNECT",
            503,
            "no TLS server name was given"),
        row(
            new ConnectionFailure.LocalWorkloadUnknown("cart-0", "shop", "cart"),
            "local_workload_unknown",
            "CONNECT",
            503,
            "failed to fetch information about local workload: cart.shop (cart-0)"),
        row(
            new ConnectionFailure.NoHealthyUpstream("10.0.0.1:80"),
            "no_healthy_upstream",
            "CONNECT",
            503,
            "no healthy upstream: 10.0.0.1:80"),
        row(
            new ConnectionFailure.UnknownWaypoint("w"),
            "unknown_waypoint",
            "CONNECT",
            503,
            "unknown waypoint: w"),
        row(
            new ConnectionFailure.UnknownGateway("g"),
            "unknown_gateway",
            "CONNECT",
            503,
            "unknown network gateway: g"),
        row(
            new ConnectionFailure.NoValidDestination("n", "u", "HBONE"),
            "no_valid_destination",
            "CONNECT",
            503,
            "no valid routing destination for workload: Workload{n with uid u (HBONE)}"),
        row(
            new ConnectionFailure.NoService("10.0.0.1:80"),
            "no_service",
            "CONNECT",
            503,
            "no service for target address: 10.0.0.1:80"),
        row(
            new ConnectionFailure.DnsFailed("u", false, "timeout"),
            "dns_failed",
            "CONNECT",
            503,
            "no ip addresses were resolved for workload: u"),
        row(
            new ConnectionFailure.DnsFailed("u", true, ""),
            "dns_failed",
            "CONNECT",
            503,
            "ip addresses were resolved for workload u, but valid dns response had no A/AAAA records"),
        row(
            new ConnectFailed(Dial.LOCAL, DialOutcome.REFUSED, "10.0.0.1:80", IO),
            "connect_refused",
            "CONNECT",
            503,
            "connection failed: " + IO),
        row(
            new ConnectFailed(Dial.PLAIN, DialOutcome.TIMED_OUT, "10.0.0.1:80", "timed out"),
            "connect_timed_out",
            "CONNECT",
            503,
            "io error: timed out"),
        row(
            new ConnectFailed(Dial.PLAIN, DialOutcome.FAILED, "10.0.0.1:80", "no route"),
            "connect_failed",
            "CONNECT",
            503,
            "io error: no route"),
        row(
            new ConnectFailed(Dial.HBONE, DialOutcome.REFUSED, "10.0.0.1:15008", IO),
            "hbone_connect_refused",
            "CONNECT",
            503,
            "io error: " + IO),
        row(
            new ConnectFailed(Dial.HBONE, DialOutcome.FAILED, "10.0.0.1:15008", IO),
            "hbone_connect_failed",
            "CONNECT",
            503,
            "io error: " + IO),
        row(
            new ConnectFailed(Dial.HBONE, DialOutcome.TIMED_OUT, "10.0.0.1:15008", "timed out"),
            "hbone_connect_timed_out",
            "NETWORK_POLICY",
            503,
            "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: timed out"),
        row(
            new ConnectionFailure.InnerConnectionsLimit("all 7 are in use"),
            "inner_connections_limit",
            "CONNECT",
            503,
            "all 7 are in use"),
        row(
            new ConnectionFailure.OutOfDescriptors("Too many open files"),
            "out_of_descriptors",
            "CONNECT",
            503,
            "io error: Too many open files"),
        row(
            new ConnectionFailure.Overloaded(),
            "overloaded",
            "CONNECT",
            503,
            "memory is scarce, and the pod has many connections"),
        row(
            new ConnectionFailure.TlsFailed(TlsRole.CLIENT, "bad certificate"),
            "tls_failed",
            "CONNECT",
            503,
            "io error: bad certificate"),
        row(
            new ConnectionFailure.TlsFailed(TlsRole.SERVER, "expired"),
            "tls_failed",
            "CONNECT",
            503,
            "tls handshake error: expired"),
        row(
            new ConnectionFailure.WrongPeerIdentity(List.of("A", "B"), List.of("C")),
            "wrong_peer_identity",
            "CONNECT",
            503,
            "io error: identity verification error: peer did not present the expected SAN (A,B), got C"),
        row(
            new ConnectionFailure.WrongTrustDomain("td", "C"),
            "wrong_trust_domain",
            "CONNECT",
            503,
            "tls handshake error: identity verification error: peer did not present the expected trustdomain (td), got C"),
        row(
            new ConnectionFailure.PeerRevoked(
                ConnectionFailure.TlsRole.CLIENT, "serial 7 of CN=root"),
            "peer_revoked",
            "CONNECT",
            503,
            "io error: peer certificate revoked: serial 7 of CN=root"),
        row(
            new ConnectionFailure.IdentityUnavailable("no CA"),
            "identity_unavailable",
            "IDENTITY_ERROR",
            503,
            "identity error: no CA"),
        row(
            new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE, "e"),
            "h2_handshake_failed",
            "H2_HANDSHAKE_FAILURE",
            503,
            "http2 handshake failed: e"),
        row(
            new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE_TIMED_OUT, "e"),
            "h2_handshake_timed_out",
            "H2_HANDSHAKE_FAILURE",
            503,
            "http2 handshake failed: e"),
        row(
            new ConnectionFailure.Http2Failed(Http2Failure.RESET, "e"),
            "h2_reset",
            "H2_HANDSHAKE_FAILURE",
            503,
            "h2 failed: e"),
        row(
            new ConnectionFailure.Http2Failed(Http2Failure.GOAWAY, "e"),
            "h2_goaway",
            "H2_HANDSHAKE_FAILURE",
            503,
            "h2 failed: e"),
        row(
            new ConnectionFailure.Http2Failed(Http2Failure.ANSWER_TIMED_OUT, "e"),
            "h2_answer_timed_out",
            "H2_HANDSHAKE_FAILURE",
            503,
            "h2 failed: e"),
        row(
            new ConnectionFailure.Http2Failed(Http2Failure.CONNECTION_LOST, "e"),
            "h2_failed",
            "H2_HANDSHAKE_FAILURE",
            503,
            "h2 failed: e"),
        row(
            new ConnectionFailure.TunnelRejected(503, "Service Unavailable"),
            "http_status",
            "CONNECT",
            503,
            "http status: 503 Service Unavailable"),
        row(
            new ConnectionFailure.TunnelRejected(299, ""),
            "http_status",
            "CONNECT",
            503,
            "http status: 299"),
        row(new ConnectionFailure.PoolDraining(), "pool_draining", "CONNECT", 503, "pool draining"),
        row(
            new ConnectionFailure.ClientWentAway(Awaited.APPLICATION, "tunnel lost: reset"),
            "client_went_away",
            "CONNECT",
            503,
            "client went away before the application answered"),
        row(
            new ConnectionFailure.ClientWentAway(Awaited.ENDPOINT, ""),
            "client_went_away",
            "CONNECT",
            503,
            "client went away before the endpoint answered"),
        row(
            new ConnectionFailure.ClientWentAway(Awaited.CONTROL_PLANE, ""),
            "client_went_away",
            "CONNECT",
            503,
            "client went away before the control plane answered"),
        row(
            new ConnectionFailure.PolicyDenied("explicitly denied by: shop/no", "rule 1"),
            "policy_denied",
            "DENY",
            401,
            "connection closed due to policy rejection: explicitly denied by: shop/no"),
        row(
            new ConnectionFailure.PolicyDenied("allow policies exist, but none allowed", ""),
            "policy_denied",
            "DENY",
            401,
            "connection closed due to policy rejection: allow policies exist, but none allowed"),
        row(
            new ConnectionFailure.PolicyChanged("rule 1"),
            "policy_changed",
            "DENY",
            401,
            "connection closed due to policy change"),
        row(
            new ConnectionFailure.Revoked("serial 7"),
            "revoked",
            "CERT_REVOKED",
            503,
            "connection closed: peer certificate revoked by CRL"),
        row(
            new ConnectionFailure.ServiceUnknown("h:80"),
            "service_unknown",
            "CONNECT",
            404,
            "no service for authority: h:80"),
        row(
            new ConnectionFailure.NotExported("n", "h"),
            "not_exported",
            "CONNECT",
            403,
            "service is not exported to other networks: n/h"),
        row(
            new ConnectionFailure.ServicePortUnknown("h", 81),
            "service_port_unknown",
            "CONNECT",
            404,
            "service h has no port 81"),
        row(
            new ConnectionFailure.SourceLimitReached(
                ConnectionFailure.SourceLimit.CONNECTIONS, "i", 2),
            "source_connections_limit",
            "CONNECT",
            429,
            "too many connections of one source: i has 2"),
        row(
            new ConnectionFailure.SourceLimitReached(ConnectionFailure.SourceLimit.TUNNELS, "i", 3),
            "source_tunnels_limit",
            "CONNECT",
            429,
            "too many tunnels of one source: i has 3"),
        row(
            new ConnectionFailure.Drained(),
            "drained",
            "-",
            503,
            "connection closed due to connection drain"),
        row(
            new ConnectionFailure.CopyFailed(Half.SEND, "e"),
            "copy_send_failed",
            "CONNECT",
            503,
            "send: e"),
        row(
            new ConnectionFailure.CopyFailed(Half.RECEIVE, "e"),
            "copy_receive_failed",
            "CONNECT",
            503,
            "receive: e"),
        row(
            new ConnectionFailure.HalfClosedAbandoned("downstream: gone"),
            "half_closed_abandoned",
            "CONNECT",
            503,
            "connection closed: one side ended and the other was abandoned"),
        row(
            new ConnectionFailure.BeyondGateway(
                new ConnectionFailure.TunnelRejected(401, "Unauthorized"), "10.2.3.1:15008"),
            "http_status",
            "CONNECT",
            503,
            "http status: 401 Unauthorized"));
  }

  @ParameterizedTest(name = "{1}: {4}")
  @MethodSource("failures")
  void oneValueHasFourViews(
      ConnectionFailure failure, String reason, String flag, int status, String message) {
    assertEquals(reason, failure.reason());
    assertEquals(flag, failure.responseFlag());
    assertEquals(status, failure.peerStatus());
    assertEquals(message, failure.message());
  }

  @Test
  void theTableAboveHasEveryKind() {
    Set<Class<?>> rows =
        failures().stream().map(r -> (Class<?>) r.get()[0].getClass()).collect(Collectors.toSet());
    assertEquals(Set.of(ConnectionFailure.class.getPermittedSubclasses()), rows);
  }

  @Test
  void reasonsAreShortNamesFitForALabel() {
    Pattern name = Pattern.compile("[a-z][a-z0-9_]{2,30}");
    Stream<String> reasons =
        failures().stream().map(r -> ((ConnectionFailure) r.get()[0]).reason());
    assertTrue(reasons.allMatch(r -> name.matcher(r).matches()));
  }

  @Test
  void differentKindsHaveDifferentReasons() {
    var pairs = new HashSet<List<Object>>();
    failures().stream()
        .filter(r -> !(r.get()[0] instanceof ConnectionFailure.BeyondGateway)) // has its cause's
        .forEach(
            r ->
                pairs.add(
                    Arrays.asList(
                        r.get()[0].getClass(), ((ConnectionFailure) r.get()[0]).reason())));
    assertEquals(pairs.size(), pairs.stream().map(List::getLast).distinct().count());
  }

  @Test
  void theDocumentListsExactlyTheseReasonsWithTheirFlags() throws Exception {
    Pattern row = Pattern.compile("\\| `([a-z0-9_]+)` \\| ([A-Z0-9_]+|-) \\| .*");
    Set<String> documented =
        Files.readAllLines(Path.of("../docs/metrics.md")).stream()
            .map(row::matcher)
            .filter(Matcher::matches)
            .map(m -> m.group(1) + " " + m.group(2))
            .collect(Collectors.toSet());
    Set<String> reasons =
        failures().stream()
            .map(r -> (ConnectionFailure) r.get()[0])
            .map(f -> f.reason() + " " + f.responseFlag())
            .collect(Collectors.toSet());
    assertEquals(new TreeSet<>(reasons), new TreeSet<>(documented));
  }
}
