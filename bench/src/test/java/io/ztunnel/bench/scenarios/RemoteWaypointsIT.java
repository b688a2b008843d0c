package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * Services whose waypoint is in another network, behind a gateway that is a daemon: the inner
 * tunnel ends at the waypoint. A waypoint here answers each call with its own name.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RemoteWaypointsIT {
  private static final int PORT = 8080;
  private static final String PORTS = "80: 8080";
  private static final String WAYPOINT_PORTS = "15008: 15008";
  private static final String FAR_AWAY = "10.96.0.1";
  private static final String SHARED = "10.96.0.2";
  private static final String IMPOSTOR = "10.96.0.3";

  private Scene scene;
  private FakeControlPlane control;
  private Cluster western;
  private Cluster eastern;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod gatewayPod;
  private Lab.Pod nearPod;
  private Lab.Pod farPod;
  private Gateway near;
  private Gateway far;
  private Daemon west;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("farwaypoints");
    Lab.Node node1 = scene.lab().addNode();
    Lab.Node node2 = scene.lab().addNode();
    client = node1.addPod("client");
    nearPod = node1.addPod("near", Lab.Without.REDIRECTION);
    server = node2.addPod("server", Lab.Without.REDIRECTION);
    farPod = node2.addPod("far", Lab.Without.REDIRECTION);
    gatewayPod = node2.addPod("gateway", Lab.Without.REDIRECTION);
    LabControlPlane controlPlane =
        LabControlPlane.startForAll(
            scene.lab(), node1, ControlPlanePki.create("lab control plane"));
    scene.closeLater(controlPlane);
    control = controlPlane.server();

    western = new Cluster(scene, "west", 1);
    eastern = new Cluster(scene, "east", 2);
    western.workload(western.pod(client));
    western.gateway(eastern, gatewayPod);
    eastern.workload(eastern.pod(farPod).serving("faraway-way", WAYPOINT_PORTS));
    Lab.Pod farShared = node2.addPod("far-shared", Lab.Without.REDIRECTION);
    eastern.workload(eastern.pod(farShared).serving("shared-way", WAYPOINT_PORTS));
    Lab.Pod impostor = node2.addPod("impostor", Lab.Without.REDIRECTION);
    eastern.workload(eastern.pod(impostor).serving("impostor-way", WAYPOINT_PORTS));
    eastern.workload(
        eastern
            .pod(server)
            .serving("faraway", PORTS)
            .serving("shared", PORTS)
            .serving("impostor", PORTS));
    guarded("faraway", FAR_AWAY, farPod);
    guarded("shared", SHARED, farShared);
    guarded("impostor", IMPOSTOR, impostor);
    near = waypoint(nearPod, identity(nearPod));
    far = waypoint(farPod, identity(farPod));
    Gateway _ = waypoint(farShared, identity(farShared));
    Gateway _ = waypoint(impostor, identity(server)); // as whom one would expect without a waypoint
    for (Lab.Pod pod : List.of(nearPod, farPod, farShared, impostor)) {
      scene.app(pod, PORT, App.saying(pod.name()));
    }
    Daemon _ = eastern.gatewayDaemon(gatewayPod, Map.of("GATEWAY_EXPORTS", "shop/*"));
    west = western.daemon(node1, controlPlane.environment(), client);
  }

  /** Has both clusters know a service, its waypoint, and the waypoint's pod in the east. */
  private void guarded(String service, String vip, Lab.Pod pod) {
    String way = service + "-way";
    String reference = "shop/" + Entry.hostname(way);
    Cluster.Entrance gateway = eastern.entrance(gatewayPod);
    western.service(western.global(service, vip, PORTS, sans(server)).waypoint(reference));
    western.share(eastern, service, PORTS, 1, gateway);
    western.service(
        western.global(way, "10.96.1." + lastOf(vip), WAYPOINT_PORTS, sans(pod)).preferClose());
    western.share(eastern, way, WAYPOINT_PORTS, 1, gateway);
    eastern.service(
        eastern.global(service, "10.97.0." + lastOf(vip), PORTS, "[]").waypoint(reference));
    eastern.service(way, "10.97.1." + lastOf(vip), WAYPOINT_PORTS);
  }

  private static int lastOf(String vip) {
    return InetAddress.ofLiteral(vip).getAddress()[3];
  }

  private static String sans(Lab.Pod pod) {
    return "[\"%s\"]".formatted(Entry.identity(pod));
  }

  private static SpiffeId identity(Lab.Pod pod) {
    return SpiffeId.parse(Entry.identity(pod)).orElseThrow();
  }

  private Gateway waypoint(Lab.Pod pod, SpiffeId identity) throws IOException {
    Gateway made =
        Gateway.asWaypoint(scene.lab(), pod, identity, new InetSocketAddress(pod.ipv4(), PORT));
    scene.closeLater(made);
    return made;
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private String call(String vip) throws IOException {
    return PodSockets.exchange(client, InetAddress.ofLiteral(vip), 80, "who?");
  }

  private void allReach(String name, String vip) throws IOException {
    for (int i = 0; i < 10; i++) {
      assertEquals(name, call(vip));
    }
  }

  @Test
  void theInnerTunnelEndsAtTheWaypointAndIsAskedForTheService() throws Exception {
    Journal log = Journal.of(west);

    assertEquals("far", call(FAR_AWAY));

    InboundConnect inner = far.connects().getLast();
    assertEquals(Entry.hostname("faraway") + ":80", inner.request().authority());
    assertEquals("net-west", inner.request().forwardedNetwork());
    assertEquals(identity(client), inner.peer().identity().orElseThrow());
    String line = log.await("direction=\"outbound\"");
    assertTrue(
        line.contains(
            "dst.addr=%s:15008 dst.hbone_addr=%2$s:80 dst.service=\"%2$s\" "
                .formatted(gatewayPod.ipv4().getHostAddress(), Entry.hostname("faraway"))),
        line);
    assertTrue(line.contains(" dst.identity=\"%s\" ".formatted(Entry.identity(farPod))), line);
  }

  /** The identities of the service's pods are not the waypoint's. */
  @Test
  void oneThatShowsTheIdentityOfThePodsBehindItIsNoWaypoint() throws Exception {
    Journal log = Journal.of(west);
    PodSockets.isReset(client, InetAddress.ofLiteral(IMPOSTOR), 80);
    String line = log.await("direction=\"outbound\"");
    assertTrue(
        line.contains(
            "peer did not present the expected SAN (spiffe://cluster.local/ns/shop/sa/impostor),"
                + " got "
                + Entry.identity(server)),
        line);
  }

  private FakeControlPlane.Entry nearWaypoint() {
    return WireWorkload.of(nearPod)
        .in("net-west", "west")
        .serving("shared-way", 15008, 15008)
        .entry();
  }

  private void tell(boolean nearIsThere) {
    if (nearIsThere) {
      control.put(ADDRESS, nearWaypoint());
    } else {
      control.remove(ADDRESS, List.of(nearWaypoint().name()));
    }
    control.awaitAnswers();
  }

  @Test
  void theRemoteWaypointServesWhileTheOneHereIsAway() throws Exception {
    tell(true);
    allReach("near", SHARED);
    InboundConnect single = near.connects().getLast();
    assertEquals(SHARED + ":80", single.request().authority());
    assertEquals(null, single.request().forwardedNetwork());

    near.close(); // and nobody has told
    allReach("far-shared", SHARED);
    near = waypoint(nearPod, identity(nearPod));
    Await.until("the near one is used again", () -> call(SHARED).equals("near"));

    tell(false);
    allReach("far-shared", SHARED);
    tell(true);
    allReach("near", SHARED);
  }
}
