package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static io.ztunnel.xds.FakeControlPlane.AUTHORIZATION;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.bench.lab.WireMesh;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/** A gateway that knows the mesh from a control plane, and what may go wrong around it. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayFaultsIT {
  private static final int HBONE = 15008;
  private static final int PORT = 8080;
  private static final int MAX_TUNNELS = 500;
  private static final String[] ALL_OF_ONE = {"withdrawn", "leaving", "many", "killed"};

  private Scene scene;
  private LabControlPlane controlPlane;
  private FakeControlPlane control;
  private Lab.Pod gatewayPod;
  private Lab.Pod killedPod;
  private Lab.Pod guardedPod;
  private Lab.Pod patientPod;
  private Lab.Pod outside;
  private Lab.Pod one;
  private Lab.Pod dying;
  private Daemon gateway;
  private MeshClient client;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gwfaults");
    Lab.Node node = scene.lab().addNode();
    gatewayPod = node.addPod("gateway", Lab.Without.REDIRECTION);
    killedPod = node.addPod("killed", Lab.Without.REDIRECTION);
    guardedPod = node.addPod("guarded", Lab.Without.REDIRECTION);
    patientPod = node.addPod("patient", Lab.Without.REDIRECTION);
    outside = node.addPod("outside", Lab.Without.REDIRECTION);
    controlPlane =
        LabControlPlane.startForAll(scene.lab(), node, ControlPlanePki.create("lab control plane"));
    scene.closeLater(controlPlane);
    control = controlPlane.server();
    control.put(
        ADDRESS,
        WireWorkload.of(gatewayPod).entry(),
        WireWorkload.of(killedPod).entry(),
        WireWorkload.of(patientPod).entry(),
        WireWorkload.of(guardedPod).under("no-banned").entry());
    one = endpoint(node, "one", ALL_OF_ONE);
    dying = endpoint(node, "dying", "dying");
    Lab.Pod lost = endpoint(node, "lost", "lost", "half");
    lost.dropPort(HBONE);
    scene.app(endpoint(node, "living", "half"), HBONE, App.saying("living"));
    Lab.Pod deaf = endpoint(node, "deaf", "deaf");
    Lab.Pod source = endpoint(node, "source", "source");
    scene.app(one, HBONE, App.saying("one"));
    scene.app(deaf, HBONE, peer -> peer.getInputStream().readAllBytes()); // and no word
    scene.app(source, HBONE, GatewayFaultsIT::asMuchAsIsAskedFor);
    gateway = gateway(gatewayPod);
    client = client("client");
  }

  /** A pod with these services, each of which has no other one. */
  private Lab.Pod endpoint(Lab.Node node, String name, String... services) throws IOException {
    Lab.Pod pod = node.addPod(name, Lab.Without.REDIRECTION);
    control.put(ADDRESS, workload(pod, services).entry());
    for (String service : services) {
      control.put(ADDRESS, service(service));
    }
    return pod;
  }

  private static WireWorkload workload(Lab.Pod pod, String... services) {
    WireWorkload workload = WireWorkload.of(pod);
    for (String service : services) {
      workload.serving(service, 80, PORT);
    }
    return workload;
  }

  private static FakeControlPlane.Entry service(String name) {
    int hash = name.hashCode() & 0xffff;
    return WireMesh.service(
        name, InetAddress.ofLiteral("10.97.%d.%d".formatted(hash >> 8, hash & 0xff)), 80, PORT);
  }

  private Daemon gateway(Lab.Pod pod, String... more) throws IOException {
    Map<String, String> variables = new TreeMap<>(controlPlane.environment());
    variables.put("ZTUNNEL_CONNECT_TIMEOUT", "1s");
    for (int i = 0; i < more.length; i += 2) {
      variables.put(more[i], more[i + 1]);
    }
    variables.put("GATEWAY_EXPORTS", "shop/*");
    variables.put("GATEWAY_MAX_SOURCE_TUNNELS", String.valueOf(MAX_TUNNELS));
    return scene.gateway(pod, variables);
  }

  private MeshClient client(String account) throws IOException {
    MeshClient made =
        new MeshClient(scene.lab(), outside, "spiffe://cluster.local/ns/shop/sa/" + account);
    scene.closeLater(made);
    return made;
  }

  /** The client says a number of bytes and ends its side. */
  private static void asMuchAsIsAskedFor(Socket peer) throws IOException {
    String wanted = new String(peer.getInputStream().readAllBytes(), UTF_8);
    peer.getOutputStream().write("x".repeat(Integer.parseInt(wanted)).getBytes(UTF_8));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private MeshClient.Answer open(String service) {
    return client.connect(gatewayPod, authority(service));
  }

  private static String authority(String service) {
    return Entry.hostname(service) + ":80";
  }

  /** The answer to a tunnel that nobody uses. */
  private int status(MeshClient by, Lab.Pod at, String service) throws IOException {
    MeshClient.Answer answer = by.connect(at, authority(service));
    int status = answer.status();
    if (status == 200) {
      answer.reset();
    }
    return status;
  }

  private int status(String service) throws IOException {
    return status(client, gatewayPod, service);
  }

  private double gauge(String sample) throws IOException {
    return Counters.sum(Counters.read(gateway), sample);
  }

  @Test
  void aServiceThatIsWithdrawnTakesNoMoreTunnelsAndItsOpenOnesGoOn() throws Exception {
    MeshClient.Answer open = open("withdrawn");
    assertEquals(200, open.status());
    control.remove(ADDRESS, List.of("shop/" + Entry.hostname("withdrawn")));
    Await.equal(404, () -> status("withdrawn"));
    assertEquals("one", open.exchange("still here?"));
    control.put(ADDRESS, service("withdrawn")); // and not its workload, which has not changed
    Await.equal(200, () -> status("withdrawn"));
  }

  @Test
  void anEndpointThatLeavesTheMeshTakesNoMoreTunnelsAndItsOpenOnesGoOn() throws Exception {
    Journal log = Journal.now(gateway);
    MeshClient.Answer open = open("leaving");
    assertEquals(200, open.status());
    control.put(ADDRESS, workload(one, "withdrawn", "many", "killed").entry());
    Await.equal(503, () -> status("leaving"));
    log.awaitAny("reason=\"no_healthy_upstream\"", Entry.hostname("leaving"));
    assertEquals("one", open.exchange("still here?"));
    control.put(ADDRESS, workload(one, ALL_OF_ONE).entry());
    Await.equal(200, () -> status("leaving"));
  }

  @Test
  void theControlPlaneMayGoAway() throws Exception {
    control.stopListening();
    assertEquals("one", open("many").exchange(""));
    control.listen();
    control.put(ADDRESS, service("late"));
    Await.equal(503, () -> status("late")); // known, and without endpoints
  }

  @Test
  void anEndpointThatDiesTakesItsTunnelsWithItAndIsFoundAgain() throws Exception {
    Journal log = Journal.now(gateway);
    MeshClient.Answer cut;
    try (App _ = App.start(dying, HBONE, App.saying("dying"))) {
      cut = open("dying");
      assertEquals(200, cut.status());
    }
    cut.finish("anybody there?");
    assertEquals("", ended(cut));
    assertEquals(503, status("dying"));
    log.awaitAny(
        "connection complete", "dst.workload=\"dying\"", "reason=\"hbone_connect_refused\"");
    try (App _ = App.start(dying, HBONE, App.saying("dying"))) {
      assertEquals("dying", open("dying").exchange(""));
    }
  }

  /** What came before the tunnel ended, in whatever way. */
  private static String ended(MeshClient.Answer answer) {
    try {
      return answer.rest();
    } catch (IOException e) {
      return "";
    }
  }

  @Test
  void anEndpointWhosePacketsAreLostIsGivenUpInTime() throws Exception {
    Journal log = Journal.now(gateway);
    assertEquals(503, status("lost"));
    log.awaitAny(
        "connection complete",
        "dst.workload=\"lost\"",
        "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008",
        "reason=\"hbone_connect_timed_out\"");
  }

  @Test
  void anEndpointWhosePacketsAreLostIsReplaced() throws Exception {
    Daemon patient = gateway(patientPod, "ZTUNNEL_CONNECT_TIMEOUT", "10s");
    List<MeshClient.Answer> open = new ArrayList<>();
    for (int i = 0; i < 4; i++) { // after the first, the one that lives has more tunnels
      MeshClient.Answer answer = client.connect(patientPod, authority("half"));
      assertEquals(200, answer.status());
      open.add(answer);
    }
    for (MeshClient.Answer each : open) {
      assertEquals("living", each.exchange(""));
    }
    double retries = Counters.sum(Counters.read(patient), "ztunnel_gateway_retries_total");
    assertTrue(retries >= 1, "nothing was retried");
  }

  @Test
  void anEndpointThatSaysNothingKeepsATunnelAsLongAsTheClientWaits() throws Exception {
    double before = gauge("ztunnel_gateway_tunnels_open");
    MeshClient.Answer waiting = open("deaf");
    assertEquals(200, waiting.status());
    assertEquals(before + 1, gauge("ztunnel_gateway_tunnels_open"));
    waiting.reset();
    Await.equal(before, () -> gauge("ztunnel_gateway_tunnels_open"));
  }

  @Test
  void aGatewayThatIsKilledCutsItsTunnelsAndServesAgainWhenItIsBack() throws Exception {
    Daemon killed = gateway(killedPod);
    MeshClient.Answer cut = client.connect(killedPod, authority("killed"));
    assertEquals(200, cut.status());
    killed.signal("KILL");
    int _ = killed.awaitExit(Duration.ofSeconds(10));
    assertThrows(IOException.class, cut::rest);
    Daemon _ = gateway(killedPod);
    Await.until(
        "the client's next tunnel",
        () -> {
          try {
            return client.connect(killedPod, authority("killed")).exchange("").equals("one");
          } catch (IOException e) {
            return false; // by the connection that is gone
          }
        });
  }

  private static long descriptors(Daemon daemon) throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc/" + daemon.pid() + "/fd"))) {
      return all.count();
    }
  }

  @Test
  @Timeout(180)
  void oneSourceThatOpensTenThousandTunnelsHasItsShareAndNobodyElseNotices() throws Exception {
    MeshClient modest = client("modest");
    MeshClient greedy = client("greedy");
    assertEquals(200, status(modest, gatewayPod, "many"));
    assertEquals(200, status(greedy, gatewayPod, "many"));
    Await.equal(0.0, () -> gauge("ztunnel_gateway_tunnels_open"));
    long descriptorsBefore = descriptors(gateway);
    long residentBefore = ProcessUsage.residentBytes(gateway.pid());

    Map<Integer, Integer> statuses = new TreeMap<>();
    List<MeshClient.Answer> open = new ArrayList<>();
    for (int batch = 0; batch < 20; batch++) {
      List<MeshClient.Answer> asked = new ArrayList<>();
      for (int i = 0; i < 500; i++) {
        asked.add(greedy.connect(gatewayPod, authority("many")));
      }
      for (MeshClient.Answer answer : asked) {
        statuses.merge(answer.status(), 1, Integer::sum);
        if (answer.status() == 200) {
          open.add(answer);
        }
      }
      assertEquals(200, status(modest, gatewayPod, "many"));
    }

    assertEquals(Map.of(200, MAX_TUNNELS, 429, 10_000 - MAX_TUNNELS), statuses);
    // A descriptor for each endpoint's connection, and for the client's: a hundred tunnels each.
    long descriptors = descriptors(gateway) - descriptorsBefore;
    assertTrue(descriptors <= MAX_TUNNELS + 50, descriptors + " more descriptors");
    long resident = ProcessUsage.residentBytes(gateway.pid()) - residentBefore;
    assertTrue(resident < 256L << 20, resident + " more bytes resident");
    for (MeshClient.Answer answer : open) {
      answer.reset();
    }
    Await.equal(0.0, () -> gauge("ztunnel_gateway_tunnels_open"));
    Await.equal(200, () -> status(greedy, gatewayPod, "many"));
    Await.until("descriptors are given back", () -> descriptors(gateway) < descriptorsBefore + 50);
  }

  @Test
  void aReaderThatStallsStopsNobodyOnTheSameConnection() throws Exception {
    MeshClient sharing = client("sharing");
    double before = gauge("ztunnel_hbone_connections_open");
    int much = 8 << 20; // more than the window of a tunnel
    MeshClient.Answer stalled = sharing.connect(gatewayPod, authority("source"));
    stalled.hold();
    stalled.finish(String.valueOf(much));
    List<MeshClient.Answer> others = new ArrayList<>();
    for (int i = 0; i < 99; i++) {
      others.add(sharing.connect(gatewayPod, authority("source")));
    }
    for (MeshClient.Answer other : others) {
      other.finish("100000");
    }
    for (MeshClient.Answer other : others) {
      assertEquals(100_000, other.rest().length());
    }
    assertEquals(before + 1, gauge("ztunnel_hbone_connections_open"), "all on one connection");
    stalled.take();
    assertEquals(much, stalled.rest().length());
  }

  @Test
  void aPolicyOfTheGatewaysPodJudgesTunnelsWhereThatIsWanted() throws Exception {
    FakeControlPlane.Entry policy =
        WireMesh.denyCaller(
            "no-banned", WireMesh.Scope.SELECTED, "cluster.local/ns/shop/sa/banned");
    Daemon guarded = gateway(guardedPod, "GATEWAY_POLICIES", "true");
    MeshClient banned = client("banned");
    MeshClient.Answer open = banned.connect(guardedPod, authority("many"));
    assertEquals(200, open.status());
    Journal log = Journal.now(guarded);

    control.put(AUTHORIZATION, policy);
    assertThrows(IOException.class, open::rest);
    log.awaitAny("connection complete", "/sa/banned\"", "reason=\"policy_changed\"");
    assertEquals(401, status(banned, guardedPod, "many"));
    log.awaitAny("reason=\"policy_denied\"", "explicitly denied by: shop/no-banned");
    assertEquals(200, status(client, guardedPod, "many"));
    assertEquals(200, status(banned, gatewayPod, "many"), "not asked elsewhere");
    String question =
        "GET /debug/explain?port=80&dst=%s&src=spiffe://cluster.local/ns/shop/sa/banned"
            .formatted(Entry.hostname("many"));
    String explained = Http.ask(guardedPod, Http.ADMIN, question).text();
    assertTrue(
        explained.endsWith("verdict: denied: explicitly denied by: shop/no-banned rule 0\n"),
        explained);

    control.remove(AUTHORIZATION, List.of("shop/no-banned"));
    Await.equal(200, () -> status(banned, guardedPod, "many"));
  }
}
