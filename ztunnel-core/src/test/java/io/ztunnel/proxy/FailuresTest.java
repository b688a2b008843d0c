package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.channel.ConnectTimeoutException;
import io.netty.util.NetUtil;
import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.TunnelProgress;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.policy.Decision;
import io.ztunnel.routing.GatewayRefusal;
import io.ztunnel.routing.InboundFailure;
import io.ztunnel.routing.RouteFailure;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Awaited;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import io.ztunnel.telemetry.ConnectionFailure.DialOutcome;
import io.ztunnel.telemetry.ConnectionFailure.Half;
import io.ztunnel.telemetry.ConnectionFailure.Http2Failure;
import io.ztunnel.telemetry.ConnectionFailure.TlsRole;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every failure that a leaf or a decision can report, and what becomes of it. */
class FailuresTest {
  private static final InetSocketAddress V4 = TestMesh.socket("10.0.0.7:15008");
  private static final InetSocketAddress V6 = TestMesh.socket("[fd00::7]:80");

  /** A failure when a tunnel was dialled, and whether another endpoint might do better. */
  record Tunnel(HboneFailure failure, ConnectionFailure expected, EndpointFault fault) {}

  static List<Tunnel> tunnels() {
    return List.of(
        new Tunnel(
            new HboneFailure.ConnectFailed(V4, "connection timed out after 10000 ms", true),
            new ConnectionFailure.ConnectFailed(
                Dial.HBONE,
                DialOutcome.TIMED_OUT,
                "10.0.0.7:15008",
                "connection timed out after 10000 ms"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.ConnectFailed(V6, "Connection refused", false),
            new ConnectionFailure.ConnectFailed(
                Dial.HBONE, DialOutcome.REFUSED, "[fd00::7]:80", "Connection refused"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.ConnectFailed(V4, "No route to host", false),
            new ConnectionFailure.ConnectFailed(
                Dial.HBONE, DialOutcome.FAILED, "10.0.0.7:15008", "No route to host"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.ConnectFailed(V4, "socket: Too many open files", false),
            new ConnectionFailure.OutOfDescriptors("socket: Too many open files"),
            EndpointFault.NO),
        new Tunnel(
            new HboneFailure.TlsFailed(V4, "certificate expired"),
            new ConnectionFailure.TlsFailed(TlsRole.CLIENT, "certificate expired"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.WrongPeer(V4, List.of("a", "b"), List.of("c")),
            new ConnectionFailure.WrongPeerIdentity(List.of("a", "b"), List.of("c")),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.HandshakeTimedOut(V4, "not done within 10 s"),
            new ConnectionFailure.Http2Failed(
                Http2Failure.HANDSHAKE_TIMED_OUT, "not done within 10 s"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.Http2Failed("ping timed out"),
            new ConnectionFailure.Http2Failed(Http2Failure.CONNECTION_LOST, "ping timed out"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.WentAway(0, "bye"),
            new ConnectionFailure.Http2Failed(
                Http2Failure.GOAWAY, "connection going away: NO_ERROR (bye)"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.StreamReset(7),
            new ConnectionFailure.Http2Failed(
                Http2Failure.RESET, "stream error received: REFUSED_STREAM"),
            EndpointFault.APPLICATION),
        new Tunnel(
            new HboneFailure.StreamReset(0x99),
            new ConnectionFailure.Http2Failed(Http2Failure.RESET, "stream error received: 0x99"),
            EndpointFault.APPLICATION),
        new Tunnel(
            new HboneFailure.Rejected(401, "said no"),
            new ConnectionFailure.TunnelRejected(401, "Unauthorized"),
            EndpointFault.NO),
        new Tunnel(
            new HboneFailure.Rejected(400, ""),
            new ConnectionFailure.TunnelRejected(400, "Bad Request"),
            EndpointFault.NO),
        new Tunnel(
            new HboneFailure.Rejected(503, ""),
            new ConnectionFailure.TunnelRejected(503, "Service Unavailable"),
            EndpointFault.APPLICATION),
        new Tunnel(
            new HboneFailure.AnswerTimedOut("no answer within 20 s"),
            new ConnectionFailure.Http2Failed(
                Http2Failure.ANSWER_TIMED_OUT, "no answer within 20 s"),
            EndpointFault.APPLICATION),
        new Tunnel(
            new HboneFailure.IdentityUnavailable("CA is down"),
            new ConnectionFailure.IdentityUnavailable("CA is down"),
            EndpointFault.NO),
        new Tunnel(
            new HboneFailure.WrongTrustDomain(V4, "a", List.of("b")),
            new ConnectionFailure.TlsFailed(
                TlsRole.CLIENT,
                "identity verification error: peer did not present the expected trustdomain (a), got b"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.PeerRevoked(V4, "serial 7 of CN=root"),
            new ConnectionFailure.PeerRevoked(TlsRole.CLIENT, "serial 7 of CN=root"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.OuterFailed(new HboneFailure.Rejected(404, "")),
            new ConnectionFailure.TunnelRejected(404, "Not Found"),
            EndpointFault.NO),
        new Tunnel(
            new HboneFailure.OuterFailed(new HboneFailure.StreamReset(7)),
            new ConnectionFailure.Http2Failed(
                Http2Failure.RESET, "stream error received: REFUSED_STREAM"),
            EndpointFault.YES),
        new Tunnel(
            new HboneFailure.InnerLimitReached(7),
            new ConnectionFailure.InnerConnectionsLimit(
                "all 7 inner connections that the process may have are in use"),
            EndpointFault.NO),
        new Tunnel(
            new HboneFailure.PoolClosed(), new ConnectionFailure.PoolDraining(), EndpointFault.NO));
  }

  @ParameterizedTest
  @MethodSource("tunnels")
  void aTunnelThatWasNotOpened(Tunnel row) {
    assertEquals(row.expected(), Failures.ofTunnel(row.failure()));
    assertEquals(row.fault(), Failures.faultOfTunnel(row.failure()));
  }

  record Handshake(HboneFailure failure, ConnectionFailure expected) {}

  static List<Handshake> handshakes() {
    return List.of(
        new Handshake(
            new HboneFailure.IdentityUnavailable("CA is down"),
            new ConnectionFailure.IdentityUnavailable("CA is down")),
        new Handshake(
            new HboneFailure.TlsFailed(V4, "unknown ca"),
            new ConnectionFailure.TlsFailed(TlsRole.SERVER, "unknown ca")),
        new Handshake(
            new HboneFailure.HandshakeTimedOut(V4, "too slow"),
            new ConnectionFailure.TlsFailed(TlsRole.SERVER, "too slow")),
        new Handshake(
            new HboneFailure.ConnectFailed(V4, "gone", false),
            new ConnectionFailure.TlsFailed(TlsRole.SERVER, "gone")),
        new Handshake(
            new HboneFailure.WrongPeer(V4, List.of("a"), List.of("b", "c")),
            new ConnectionFailure.TlsFailed(
                TlsRole.SERVER,
                "identity verification error: peer did not present the expected SAN (a), got b,c")),
        new Handshake(
            new HboneFailure.WrongTrustDomain(V4, "cluster.local", List.of("spiffe://a/ns/b/sa/c")),
            new ConnectionFailure.WrongTrustDomain("cluster.local", "spiffe://a/ns/b/sa/c")),
        new Handshake(
            new HboneFailure.PeerRevoked(V4, "serial 7 of CN=root"),
            new ConnectionFailure.PeerRevoked(TlsRole.SERVER, "serial 7 of CN=root")),
        new Handshake(
            new HboneFailure.Http2Failed("no preface"),
            new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE, "no preface")),
        new Handshake(
            new HboneFailure.WentAway(0, ""),
            new ConnectionFailure.Http2Failed(
                Http2Failure.HANDSHAKE, "connection going away: NO_ERROR")),
        new Handshake(
            new HboneFailure.StreamReset(8),
            new ConnectionFailure.Http2Failed(
                Http2Failure.HANDSHAKE, "stream error received: CANCEL")),
        new Handshake(
            new HboneFailure.Rejected(503, "no"),
            new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE, "no")),
        new Handshake(
            new HboneFailure.AnswerTimedOut("late"),
            new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE, "late")),
        new Handshake(
            new HboneFailure.OuterFailed(new HboneFailure.PoolClosed()),
            new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE, "pool draining")),
        new Handshake(
            new HboneFailure.InnerLimitReached(7),
            new ConnectionFailure.Http2Failed(
                Http2Failure.HANDSHAKE,
                "all 7 inner connections that the process may have are in use")),
        new Handshake(
            new HboneFailure.PoolClosed(),
            new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE, "pool draining")));
  }

  @ParameterizedTest
  @MethodSource("tunnels")
  void aTunnelWithinATunnelTellsWhetherItPassedTheGateway(Tunnel row) {
    ConnectionFailure told = Failures.ofNestedTunnel(row.failure(), V4);
    boolean ours =
        row.failure() instanceof HboneFailure.OuterFailed
            || row.failure() instanceof HboneFailure.IdentityUnavailable
            || row.failure() instanceof HboneFailure.InnerLimitReached
            || row.failure() instanceof HboneFailure.PoolClosed;
    assertEquals(
        ours
            ? row.expected()
            : new ConnectionFailure.BeyondGateway(
                row.expected(), NetUtil.toSocketAddressString(V4)),
        told);
  }

  /** Whose fault the failure of a tunnel within a tunnel is. */
  record Fault(HboneFailure failure, EndpointFault expected) {}

  static List<Fault> faults() {
    HboneFailure refused = new HboneFailure.ConnectFailed(V4, "Connection refused", false);
    HboneFailure wrong = new HboneFailure.WrongPeer(V4, List.of("a"), List.of("b"));
    HboneFailure late = new HboneFailure.AnswerTimedOut("no answer within 20 s");
    return List.of(
        new Fault(new HboneFailure.OuterFailed(refused), EndpointFault.YES),
        new Fault(new HboneFailure.OuterFailed(wrong), EndpointFault.YES),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.HandshakeTimedOut(V4, "late")),
            EndpointFault.YES),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.WentAway(0, "")), EndpointFault.YES),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.Http2Failed("lost")), EndpointFault.YES),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.Rejected(503, "")),
            EndpointFault.ONE_OF_MANY),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.Rejected(504, "")),
            EndpointFault.ONE_OF_MANY),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.StreamReset(8)),
            EndpointFault.ONE_OF_MANY),
        new Fault(new HboneFailure.OuterFailed(late), EndpointFault.ONE_OF_MANY),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.Rejected(404, "")),
            EndpointFault.ONE_OF_MANY),
        new Fault(
            new HboneFailure.OuterFailed(new HboneFailure.IdentityUnavailable("CA is down")),
            EndpointFault.NO),
        new Fault(wrong, EndpointFault.ONE_OF_MANY),
        new Fault(late, EndpointFault.ONE_OF_MANY),
        new Fault(new HboneFailure.Rejected(503, ""), EndpointFault.ONE_OF_MANY),
        new Fault(new HboneFailure.Rejected(401, ""), EndpointFault.NO),
        new Fault(new HboneFailure.InnerLimitReached(7), EndpointFault.OWN));
  }

  @ParameterizedTest
  @MethodSource("faults")
  void aGatewayIsToBlameForWhatIsOnThisSideOfItOnly(Fault row) {
    assertEquals(row.expected(), Failures.faultOfNestedTunnel(row.failure()));
  }

  @ParameterizedTest(name = "{0}: {1}, behind a gateway {2}")
  @CsvSource({
    "CERTIFICATE,      NO,          NO",
    "DIALLING,         YES,         YES",
    "SECURING,         YES,         YES",
    "SILENT,           YES,         YES",
    "UNANSWERED,       APPLICATION, ONE_OF_MANY",
    "INNER_HANDSHAKE,  ONE_OF_MANY, ONE_OF_MANY",
    "INNER_UNANSWERED, ONE_OF_MANY, ONE_OF_MANY",
  })
  void whoeverAnAttemptWasLostAtIsToBlame(
      TunnelProgress lostAt, EndpointFault plain, EndpointFault behindGateway) {
    assertEquals(plain, Failures.faultOf(lostAt));
    assertEquals(behindGateway, Failures.faultBehindGateway(lostAt));
  }

  /** What an attempt that took too long is told as, by how far it came. */
  record Late(TunnelProgress lostAt, ConnectionFailure expected) {}

  static List<Late> late() {
    String answer = "no answer from 10.0.0.7:15008 within 2000 ms: ";
    return List.of(
        new Late(
            TunnelProgress.DIALLING,
            new ConnectionFailure.ConnectFailed(
                Dial.HBONE,
                DialOutcome.TIMED_OUT,
                "10.0.0.7:15008",
                "connection timed out after 2000 ms")),
        new Late(
            TunnelProgress.SECURING,
            new ConnectionFailure.Http2Failed(
                Http2Failure.HANDSHAKE_TIMED_OUT, answer + "TLS is not done")),
        new Late(
            TunnelProgress.SILENT,
            new ConnectionFailure.Http2Failed(
                Http2Failure.ANSWER_TIMED_OUT, answer + "the connection is silent")),
        new Late(
            TunnelProgress.UNANSWERED,
            new ConnectionFailure.Http2Failed(
                Http2Failure.ANSWER_TIMED_OUT, answer + "CONNECT is not answered")));
  }

  @ParameterizedTest
  @MethodSource("late")
  void anAttemptThatTookTooLongIsToldByWhatItWaitedFor(Late row) {
    assertEquals(row.expected(), Failures.ofLate(row.lostAt(), V4, Duration.ofSeconds(2)));
  }

  @Test
  void anAttemptWithoutATunnelThatTookTooLongIsADialThatDid() {
    assertEquals(
        new ConnectionFailure.ConnectFailed(
            Dial.PLAIN,
            DialOutcome.TIMED_OUT,
            "10.0.0.7:15008",
            "connection timed out after 2000 ms"),
        Failures.ofLateDial(Dial.PLAIN, V4, Duration.ofSeconds(2)));
  }

  @ParameterizedTest
  @MethodSource("handshakes")
  void aClientsConnectionThatCameToNothing(Handshake row) {
    assertEquals(row.expected(), Failures.ofHandshake(row.failure()));
  }

  record Outbound(RouteFailure failure, ConnectionFailure expected) {}

  static List<Outbound> routes() {
    return List.of(
        new Outbound(new RouteFailure.SelfCall(), new ConnectionFailure.SelfCall()),
        new Outbound(
            new RouteFailure.NoHealthyUpstream(V4),
            new ConnectionFailure.NoHealthyUpstream("10.0.0.7:15008")),
        new Outbound(
            new RouteFailure.NoService(V6), new ConnectionFailure.NoService("[fd00::7]:80")),
        new Outbound(
            new RouteFailure.NoValidDestination(
                TestMesh.workload(
                    TestMesh.view(
                        "workloads: [{uid: u, name: n, namespace: ns, services: {}, workloadIps: [], protocol: HBONE}]"),
                    "u")),
            new ConnectionFailure.NoValidDestination("n", "u", "HBONE")),
        new Outbound(
            new RouteFailure.UnknownWaypoint(TestMesh.key("shop/waypoint.mesh.local")),
            new ConnectionFailure.UnknownWaypoint("waypoint shop/waypoint.mesh.local not found")),
        new Outbound(
            new RouteFailure.UnknownNetworkGateway(TestMesh.address("east/10.9.9.9")),
            new ConnectionFailure.UnknownGateway("network gateway east/10.9.9.9 not found")),
        new Outbound(
            new RouteFailure.EmptyResolvedAddresses("u"),
            new ConnectionFailure.DnsFailed("u", true, "")),
        new Outbound(
            new RouteFailure.NoResolvedAddresses("u"),
            new ConnectionFailure.DnsFailed("u", false, "")));
  }

  @ParameterizedTest
  @MethodSource("routes")
  void anOutboundConnectionThatGoesNowhere(Outbound row) {
    assertEquals(row.expected(), Failures.of(row.failure()));
  }

  @Test
  void aTunnelThatAGatewayDoesNotPassOn() {
    Service db = Service.builder(new ServiceName("db", "shop", "db.host")).build();
    Authority authority = new Authority.Host("nobody", 80);
    Map<GatewayRefusal, ConnectionFailure> expected =
        Map.of(
            new GatewayRefusal.UnknownService(authority),
            new ConnectionFailure.ServiceUnknown("nobody:80"),
            new GatewayRefusal.NotExported(db),
            new ConnectionFailure.NotExported("shop", "db.host"),
            new GatewayRefusal.UnknownPort(db, 81),
            new ConnectionFailure.ServicePortUnknown("db.host", 81),
            new GatewayRefusal.UnknownWaypoint(db, TestMesh.key("shop/way")),
            new ConnectionFailure.UnknownWaypoint("waypoint shop/way not found"),
            new GatewayRefusal.NoEndpoint(db, db),
            new ConnectionFailure.NoHealthyUpstream("db.host"));
    expected.forEach((refusal, failure) -> assertEquals(failure, Failures.of(refusal)));
  }

  record Inbound(InboundFailure failure, ConnectionFailure expected, String message) {}

  static List<Inbound> inbound() {
    return List.of(
        new Inbound(
            new InboundFailure.IpMismatch(TestMesh.ip("fd00::7"), TestMesh.ip("10.0.0.8")),
            new ConnectionFailure.AddressMismatch("fd00::7", "10.0.0.8"),
            "ip mismatch: fd00::7 != 10.0.0.8"),
        new Inbound(
            new InboundFailure.UnknownHostname("db"),
            ConnectionFailure.HostnameUnresolved.unknown("db"),
            "no service or workload for hostname: db"),
        new Inbound(
            new InboundFailure.NoPort(new Authority.Host("db", 81)),
            ConnectionFailure.HostnameUnresolved.withoutPort("db", 81),
            "requested service db:81 found, but cannot resolve port"),
        new Inbound(
            new InboundFailure.NoServiceAddress("db"),
            ConnectionFailure.HostnameUnresolved.withoutAddress("db"),
            "requested service db found, but has no IP addresses"),
        new Inbound(
            new InboundFailure.SelfCall(),
            new ConnectionFailure.SelfCall(),
            "attempted recursive call to ourselves"),
        new Inbound(
            new InboundFailure.ProxyPort(15006),
            new ConnectionFailure.ProxyPort(15006),
            "attempted recursive call to ourselves"));
  }

  @ParameterizedTest
  @MethodSource("inbound")
  void anInboundConnectionThatEndsNowhere(Inbound row) {
    assertEquals(row.expected(), Failures.of(row.failure()));
    assertEquals(row.message(), row.expected().message());
  }

  record Abandoned(TunnelTermination cause, ConnectionFailure expected) {}

  static List<Abandoned> abandoned() {
    return List.of(
        new Abandoned(
            new TunnelTermination.Reset(Http2Errors.CANCEL),
            new ConnectionFailure.ClientWentAway(
                Awaited.APPLICATION, "stream error received: CANCEL")),
        new Abandoned(
            new TunnelTermination.ConnectionLost("ping timed out"),
            new ConnectionFailure.ClientWentAway(
                Awaited.APPLICATION, "tunnel lost: ping timed out")),
        new Abandoned(
            new TunnelTermination.PeerClosed(),
            new ConnectionFailure.ClientWentAway(
                Awaited.APPLICATION, "tunnel lost: TLS closed by peer")),
        new Abandoned(
            new TunnelTermination.GoAway(Http2Errors.NO_ERROR, ""),
            new ConnectionFailure.ClientWentAway(
                Awaited.APPLICATION, "connection going away: NO_ERROR")),
        new Abandoned(
            new TunnelTermination.ReaderTooSlow(65_536),
            new ConnectionFailure.ClientWentAway(
                Awaited.APPLICATION,
                "too slow: 65536 bytes were not read, and slow readers have all the memory there is"
                    + " for them")),
        new Abandoned(
            new TunnelTermination.PeerRevoked("serial 7"),
            new ConnectionFailure.Revoked("serial 7")));
  }

  @ParameterizedTest
  @MethodSource("abandoned")
  void aRequestWhoseClientWentAway(Abandoned row) {
    assertEquals(row.expected(), Failures.ofAbandoned(Awaited.APPLICATION, row.cause()));
  }

  @Test
  void theTablesHaveEveryCase() {
    assertHasEveryCase(
        TunnelTermination.class, abandoned().stream().map(Abandoned::cause).toList());
    assertHasEveryCase(HboneFailure.class, tunnels().stream().map(Tunnel::failure).toList());
    assertHasEveryCase(HboneFailure.class, handshakes().stream().map(Handshake::failure).toList());
    assertHasEveryCase(RouteFailure.class, routes().stream().map(Outbound::failure).toList());
    assertHasEveryCase(InboundFailure.class, inbound().stream().map(Inbound::failure).toList());
  }

  private static void assertHasEveryCase(Class<?> kind, Collection<?> rows) {
    Set<Object> classes = rows.stream().map(Object::getClass).collect(Collectors.toSet());
    assertEquals(Set.copyOf(Arrays.asList(kind.getPermittedSubclasses())), classes);
  }

  record Connect(Throwable cause, ConnectionFailure expected) {}

  static List<Connect> connects() {
    return List.of(
        new Connect(
            new ConnectTimeoutException("connection timed out after 5 s"),
            new ConnectionFailure.ConnectFailed(
                Dial.LOCAL,
                DialOutcome.TIMED_OUT,
                "[fd00::7]:80",
                "connection timed out after 5 s")),
        new Connect(
            new ConnectException("Connection refused"),
            new ConnectionFailure.ConnectFailed(
                Dial.LOCAL, DialOutcome.REFUSED, "[fd00::7]:80", "Connection refused")),
        new Connect(
            new IOException("connect(..) failed: Connection refused"),
            new ConnectionFailure.ConnectFailed(
                Dial.LOCAL,
                DialOutcome.REFUSED,
                "[fd00::7]:80",
                "connect(..) failed: Connection refused")),
        new Connect(
            new NoRouteToHostException("null: /[fd00::7]:80"), // as Netty has it
            new ConnectionFailure.ConnectFailed(
                Dial.LOCAL, DialOutcome.FAILED, "[fd00::7]:80", "No route to host: /[fd00::7]:80")),
        new Connect(
            new ConnectException(),
            new ConnectionFailure.ConnectFailed(
                Dial.LOCAL, DialOutcome.FAILED, "[fd00::7]:80", "ConnectException")),
        new Connect(
            new IOException("cannot open a socket: Too many open files"),
            new ConnectionFailure.OutOfDescriptors("cannot open a socket: Too many open files")));
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    "finishConnect(..) failed with error(-111): Connection refused,        APPLICATION, YES",
    "No route to host,                                                     APPLICATION, YES",
    "cannot open a socket: Too many open files,                            NO,          NO",
    "connect(..) failed with error(-99): Cannot assign requested address,  OWN,         OWN",
    "io_uring connect(..) failed with error(-99): Cannot assign requested address, OWN, OWN",
    "connect(..) failed with error(-1): Operation not permitted,           OWN,         OWN",
    "connect(..) failed with error(-13): Permission denied,                OWN,         OWN",
    "connect(..) failed with error(-105): No buffer space available,       OWN,         OWN",
    "Network is unreachable: /192.0.2.1:9,                                 OWN,         OWN",
  })
  void anEndpointIsNotToBlameForWhatThisProcessLacks(
      String why, EndpointFault plain, EndpointFault tunnel) {
    assertEquals(
        plain, Failures.faultOfDial(Failures.ofConnect(Dial.PLAIN, V4, new IOException(why))));
    assertEquals(tunnel, Failures.faultOfTunnel(new HboneFailure.ConnectFailed(V4, why, false)));
  }

  /** Which Netty does not tell apart: both are an exception without a text. */
  @Test
  void noRouteOfOursAndNoneToTheHostAreAlike() {
    assertEquals(
        EndpointFault.APPLICATION,
        Failures.faultOfDial(Failures.ofConnect(Dial.PLAIN, V4, new NoRouteToHostException())));
  }

  @ParameterizedTest
  @MethodSource("connects")
  void aConnectionToTheApplicationThatWasNotMade(Connect row) {
    assertEquals(row.expected(), Failures.ofConnect(Dial.LOCAL, V6, row.cause()));
  }

  @Test
  void theLocalWorkloadIsUnknown() {
    assertEquals(
        "failed to fetch information about local workload: web.shop (web-0)",
        Failures.unknown(new WorkloadInfo("web-0", "shop", "web")).message());
  }

  @Test
  void aDenialTellsTheLogMoreThanItsReason() {
    assertEquals(
        new ConnectionFailure.PolicyDenied(
            "explicitly denied by: shop/no", "explicitly denied by: shop/no rule 2"),
        Failures.denied(new Decision.ExplicitlyDenied("shop/no", 2, List.of())));
    assertEquals(
        new ConnectionFailure.PolicyDenied(
            "allow policies exist, but none allowed", "allow policies exist, but none allowed"),
        Failures.denied(new Decision.NotAllowed(List.of(), List.of())));
  }

  @Test
  void aRelayThatBreaksTellsWhichHalf() {
    assertEquals(
        new ConnectionFailure.CopyFailed(Half.SEND, "timed out"),
        Failures.of(new RelayEnd.Broken(RelayEnd.Direction.SEND, "timed out")));
    assertEquals(
        new ConnectionFailure.CopyFailed(Half.RECEIVE, "timed out"),
        Failures.of(new RelayEnd.Broken(RelayEnd.Direction.RECEIVE, "timed out")));
  }
}
