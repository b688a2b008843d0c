package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.TestMesh;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class InboundRouterTest {
  /**
   * Pods plain, wp (waypoint, plain port), tunnel (waypoint, PROXY) and none (tunnel without
   * header); services behind the waypoints, and pods of their own behind them.
   */
  private static final MeshView VIEW =
      TestMesh.view(
          """
          workloads:
          - {uid: plain, namespace: ns, workloadIps: [10.0.0.1, "fd00::1"], network: n, services: {ns/svc: {80: 8081}, ns/other: {}}}
          - {uid: wp, namespace: ns, workloadIps: [10.0.0.2], network: n, services: {ns/wp: {15008: 15008}}}
          - {uid: tunnel, namespace: ns, workloadIps: [10.0.0.3, "fd00::3"], network: n, services: {ns/svc: {}, ns/headless: {}},
             applicationTunnel: {protocol: PROXY, port: 15088}}
          - {uid: none, namespace: ns, workloadIps: [10.0.0.4], network: n, services: {ns/headless: {}},
             applicationTunnel: {protocol: NONE}}
          - {uid: same-port, namespace: ns, workloadIps: [10.0.0.5], network: n, services: {},
             applicationTunnel: {protocol: PROXY}}
          - {uid: behind-by-name, namespace: ns, workloadIps: [10.0.1.1], network: n, services: {},
             waypoint: {destination: ns/wp, hboneMtlsPort: 15008}}
          - {uid: behind-by-pod-address, namespace: ns, workloadIps: [10.0.1.2], network: n, services: {},
             waypoint: {destination: n/10.0.0.2, hboneMtlsPort: 15008}}
          - {uid: behind-by-vip, namespace: ns, workloadIps: [10.0.1.3], network: n, services: {},
             waypoint: {destination: n/10.1.0.9, hboneMtlsPort: 15008}}
          - {uid: behind-another, namespace: ns, workloadIps: [10.0.1.4], network: n, services: {},
             waypoint: {destination: ns/svc, hboneMtlsPort: 15008}}
          - {uid: behind-nobody, namespace: ns, workloadIps: [10.0.1.5], network: n, services: {},
             waypoint: {destination: ns/nobody, hboneMtlsPort: 15008}}
          services:
          - {name: svc, namespace: ns, hostname: svc.host, vips: [x/10.1.9.1, "n/fd00::a", n/10.1.0.1], ports: {80: 8080, 81: 0, 82: 15008}}
          - {name: svc, namespace: far, hostname: svc.host, vips: [], ports: {80: 7070}}
          - {name: other, namespace: ns, hostname: other, vips: [], ports: {90: 9090}}
          - {name: headless, namespace: ns, hostname: headless, vips: [], ports: {80: 8080}}
          - {name: hidden, namespace: far, hostname: hidden, vips: [], ports: {80: 8080}, visibility: Namespace}
          - {name: wp, namespace: ns, hostname: wp, vips: [n/10.1.0.9], ports: {15008: 15008}}
          - {name: behind, namespace: ns, hostname: behind, vips: [n/10.1.1.1], ports: {80: 80},
             waypoint: {destination: ns/wp, hboneMtlsPort: 15008}}
          - {name: weighted, namespace: ns, hostname: weighted, vips: [n/10.1.1.2], ports: {80: 80},
             weightedWaypoints: [{destination: {destination: ns/nobody, hboneMtlsPort: 15008}, weight: 1},
                                 {destination: {destination: ns/wp, hboneMtlsPort: 15008}, weight: 1}]}
          - {name: private, namespace: ns, hostname: private, vips: [n/10.1.1.3], ports: {80: 80}, visibility: Namespace,
             waypoint: {destination: ns/wp, hboneMtlsPort: 15008}}
          """
              .replace("ns/svc: {", "ns/svc.host: {")
              .replace("destination: ns/svc,", "destination: ns/svc.host,"));

  private static final InboundSettings SETTINGS =
      new InboundSettings(
          "n",
          new ReservedPorts(Set.of(15001, 15006, 15008)),
          InboundSettings.TunnelDelivery.LOOPBACK);

  @ParameterizedTest(name = "{0} at {1} is asked for {2}: {4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          plain  | 10.0.0.1 | 10.0.0.1:80   | 10.0.0.1:80 | its own address
          plain  | fd00::1  | [fd00::1]:80  | [fd00::1]:80 | its own address
          plain  | 10.0.0.1 | [fd00::1]:80  | mismatch 10.0.0.1 != fd00::1 | not the address of this connection
          plain  | 10.0.0.1 | 10.0.0.2:80   | mismatch 10.0.0.1 != 10.0.0.2 | the address of another pod
          plain  | 10.0.0.1 | 10.9.9.9:80   | mismatch 10.0.0.1 != 10.9.9.9 | an address that is not known
          plain  | 10.0.0.1 | 10.0.0.1:15008 | self call | a port of the proxy
          plain  | 10.0.0.1 | 10.0.0.1:15001 | self call | a port of the proxy
          plain  | 10.0.0.1 | svc.host:80   | 10.0.0.1:8081 | the endpoint's own port
          tunnel | 10.0.0.3 | svc.host:80   | 10.0.0.3:15088 dial 127.0.0.1:15088 announce 10.1.0.1:80 | the service's address of this network, IPv4 first
          tunnel | fd00::3  | svc.host:80   | [fd00::3]:15088 dial [::1]:15088 announce 10.1.0.1:80 | loopback of the pod's family
          wp     | 10.0.0.2 | svc.host:80   | 10.0.0.2:8080 | the service's port where the pod has none of its own
          plain  | 10.0.0.1 | svc.host:81   | no port svc.host:81 | a port that each endpoint names itself
          plain  | 10.0.0.1 | svc.host:83   | no port svc.host:83 | a port that the service does not have
          plain  | 10.0.0.1 | svc.host:82   | self call | a port of the proxy behind a service's
          plain  | 10.0.0.1 | nobody:80     | unknown nobody | an unknown hostname
          plain  | 10.0.0.1 | hidden:80     | unknown hidden | a hostname that this namespace may not see
          plain  | 10.0.0.1 | headless:80   | 10.0.0.1:8080 | a service without address is enough without tunnel
          tunnel | 10.0.0.3 | headless:80   | no address headless | nothing to announce
          none   | 10.0.0.4 | headless:80   | no address headless | even where nothing is announced
          tunnel | 10.0.0.3 | headless:79   | no port headless:79 | the port comes first
          tunnel | 10.0.0.3 | 10.9.9.9:80   | 10.0.0.3:15088 dial 127.0.0.1:15088 announce 10.9.9.9:80 | a tunnel takes any address
          tunnel | fd00::3  | [fd00::99]:80 | [fd00::3]:15088 dial [::1]:15088 announce [fd00::99]:80 | a tunnel takes any address
          tunnel | 10.0.0.3 | 10.9.9.9:15008 | self call | the port that was asked for counts
          none   | 10.0.0.4 | 10.9.9.9:80   | 10.0.0.4:80 | a tunnel without header
          same-port | 10.0.0.5 | 10.9.9.9:80 | 10.0.0.5:80 dial 127.0.0.1:80 announce 10.9.9.9:80 | a tunnel without port of its own
          wp     | 10.0.0.2 | 10.0.1.1:80   | 10.0.0.2:80 | a pod's waypoint, by the hostname of its service
          wp     | 10.0.0.2 | 10.0.1.2:80   | 10.0.0.2:80 | a pod's waypoint, by its address
          wp     | 10.0.0.2 | 10.0.1.3:80   | 10.0.0.2:80 | a pod's waypoint, by the address of its service
          wp     | 10.0.0.2 | 10.0.1.4:80   | mismatch 10.0.0.2 != 10.0.1.4 | another pod's waypoint
          wp     | 10.0.0.2 | 10.0.1.5:80   | mismatch 10.0.0.2 != 10.0.1.5 | a waypoint that is not known
          wp     | 10.0.0.2 | 10.1.1.1:80   | 10.0.0.2:80 | a service's waypoint
          wp     | 10.0.0.2 | 10.1.1.2:80   | 10.0.0.2:80 | one of a service's weighted waypoints
          wp     | 10.0.0.2 | 10.1.0.1:80   | mismatch 10.0.0.2 != 10.1.0.1 | a service without waypoint
          plain  | 10.0.0.1 | 10.1.0.1:80   | mismatch 10.0.0.1 != 10.1.0.1 | an endpoint is not the service's waypoint
          plain  | 10.0.0.1 | 10.1.1.1:80   | mismatch 10.0.0.1 != 10.1.1.1 | not this service's waypoint
          """)
  void aConnectEndsAtTheLocalAddress(
      String uid, String local, String authority, String expected, String why) {
    assertEquals(expected, text(route(uid, local, authority, null, SETTINGS)), why);
  }

  @ParameterizedTest(name = "from {0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ns  | 10.0.0.2:80
          far | mismatch 10.0.0.2 != 10.1.1.3
          """)
  void aServiceHiddenFromThePeerIsNotServedToIt(String namespace, String expected) {
    assertEquals(
        expected,
        text(
            route("wp", "10.0.0.2", "10.1.1.3:80", new SpiffeId("td", namespace, "sa"), SETTINGS)));
  }

  @Test
  void aTunnelMayBeDeliveredAtThePodsAddress() {
    InboundSettings settings =
        new InboundSettings(
            "n", SETTINGS.reservedPorts(), InboundSettings.TunnelDelivery.POD_ADDRESS);
    assertEquals(
        "10.0.0.3:15088 announce 10.9.9.9:80",
        text(route("tunnel", "10.0.0.3", "10.9.9.9:80", null, settings)));
  }

  @ParameterizedTest(name = "{0} asked for {1}, forwarded {2}: {3}")
  @CsvSource({
    "plain, 10.0.0.1:9090, ,         other",
    "plain, 10.0.0.1:8080, ,         svc",
    "plain, 10.0.0.1:8081, ,         svc",
    "plain, 10.0.0.1:80,   ,         ",
    "plain, 10.0.0.1:80,   svc.host, svc",
    "plain, 10.0.0.1:9090, svc.host, svc",
    "plain, 10.0.0.1:9090, nobody,   other",
    "plain, other:90,      ,         other",
    "plain, other:90,      svc.host, other",
  })
  void theServiceThatWasMeantIsGuessed(
      String uid, String authority, @Nullable String forwarded, @Nullable String service) {
    if (route(uid, "10.0.0.1", authority, null, SETTINGS) instanceof InboundRoute route) {
      ServiceName name = route.destinationService(forwarded);
      assertEquals(service, name == null ? null : name.name());
    } else {
      throw new AssertionError("no route");
    }
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          10.0.0.1:8080  | 10.0.0.1:8080
          10.9.9.9:80    | 10.9.9.9:80
          10.9.9.9:15006 | proxy port 15006
          """)
  void aPlainConnectionEndsWhereItWasGoing(String destination, String expected) {
    InboundResult result =
        new InboundRouter(SETTINGS)
            .passthrough(TestMesh.workload(VIEW, "plain"), TestMesh.socket(destination), VIEW);
    assertEquals(expected, text(result));
  }

  @ParameterizedTest
  @CsvSource({"n, false", "N, false", "other, true", "'', true", ", false"})
  void aPeerOfAnotherNetworkCameThroughAGateway(@Nullable String network, boolean gateway) {
    assertEquals(gateway, new InboundRouter(SETTINGS).isFromGateway(network));
  }

  private static InboundResult route(
      String uid,
      String local,
      String authority,
      @Nullable SpiffeId peer,
      InboundSettings settings) {
    InboundCall call =
        new InboundCall(
            TestMesh.workload(VIEW, uid),
            TestMesh.ip(local),
            Authority.parse(authority).orElseThrow(),
            peer);
    return new InboundRouter(settings).route(call, VIEW);
  }

  private static String text(InboundResult result) {
    return switch (result) {
      case InboundFailure.IpMismatch mismatch ->
          "mismatch %s != %s"
              .formatted(IpText.of(mismatch.local()), IpText.of(mismatch.requested()));
      case InboundFailure.UnknownHostname unknown -> "unknown " + unknown.hostname();
      case InboundFailure.NoPort(Authority.Host requested) -> "no port " + requested;
      case InboundFailure.NoServiceAddress none -> "no address " + none.hostname();
      case InboundFailure.SelfCall _ -> "self call";
      case InboundFailure.ProxyPort(int port) -> "proxy port " + port;
      case InboundRoute route ->
          IpText.of(route.destination())
              + (route.isLoopback() ? " dial " + IpText.of(route.dial()) : "")
              + (route.announced() == null ? "" : " announce " + IpText.of(route.announced()));
    };
  }
}
