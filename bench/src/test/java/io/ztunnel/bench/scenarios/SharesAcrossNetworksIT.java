package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * Services with two pods in the caller's network and three behind the gateway of another one, which
 * is a daemon: which share of the calls each network has, and which while the pods here are not
 * ready. Beside them a cluster of its own in the caller's network. A pod answers with its name.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SharesAcrossNetworksIT {
  private static final int PORT = 8080;
  private static final String PORTS = "80: 8080";
  private static final String SPREAD = "10.96.0.1";
  private static final String CLOSE = "10.96.0.2";
  private static final String STRICT = "10.96.0.3";
  private static final String FLAT = "10.96.0.4";
  private static final List<String> ACROSS = List.of("spread", "close", "strict");
  private static final Set<String> HERE = Set.of("here-1", "here-2");
  private static final Set<String> THERE = Set.of("there-1", "there-2", "there-3");
  private static final String STAY_IN_NETWORK =
      "{routingPreferences: [Network], mode: Strict, healthPolicy: OnlyHealthy}";

  private final List<Lab.Pod> here = new ArrayList<>();
  private Scene scene;
  private FakeControlPlane control;
  private Lab.Pod client;
  private Lab.Pod flatPod;
  private Daemon west;
  private Daemon flat;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("shares");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    Lab.Node beside = scene.lab().addNode();
    client = near.addPod("client");
    flatPod = beside.addPod("flat");
    Lab.Pod gatewayPod = far.addPod("gateway", Lab.Without.REDIRECTION);
    for (String name : new TreeSet<>(HERE)) {
      here.add(near.addPod(name));
    }
    List<Lab.Pod> there = new ArrayList<>();
    for (String name : new TreeSet<>(THERE)) {
      there.add(far.addPod(name));
    }
    LabControlPlane controlPlane =
        LabControlPlane.startForAll(scene.lab(), near, ControlPlanePki.create("lab control plane"));
    scene.closeLater(controlPlane);
    control = controlPlane.server();

    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    Cluster flatOne = new Cluster(scene, "flat", "net-west", 3);
    western.workload(western.pod(client));
    western.gateway(eastern, gatewayPod);
    String sans =
        there.stream()
            .map(pod -> '"' + Entry.identity(pod) + '"')
            .collect(Collectors.joining(", ", "[", "]"));
    western.service(western.global("spread", SPREAD, PORTS, sans));
    western.service(western.global("close", CLOSE, PORTS, sans).preferClose());
    western.service(
        western.global("strict", STRICT, PORTS, sans).with("loadBalancer", STAY_IN_NETWORK));
    for (int i = 0; i < ACROSS.size(); i++) {
      String service = ACROSS.get(i);
      western.share(eastern, service, PORTS, there.size(), eastern.entrance(gatewayPod));
      eastern.service(service, "10.97.0." + (i + 1), PORTS);
    }
    for (Lab.Pod pod : there) {
      Entry entry = eastern.pod(pod);
      ACROSS.forEach(service -> entry.serving(service, PORTS));
      eastern.workload(entry);
    }
    for (Cluster each : List.of(western, flatOne)) {
      each.service("flat", FLAT, PORTS);
      each.workload(flatOne.pod(flatPod).serving("flat", PORTS));
    }
    flatOne.workload(western.pod(client));

    List<Lab.Pod> all = new ArrayList<>(here);
    all.addAll(there);
    all.add(flatPod);
    for (Lab.Pod pod : all) {
      scene.app(pod, PORT, App.saying(pod.name()));
    }
    tellReady(true);
    west =
        western.daemon(near, controlPlane.environment(), client, here.getFirst(), here.getLast());
    Daemon _ = eastern.daemon(far, Map.of(), there.toArray(Lab.Pod[]::new));
    flat = flatOne.daemon(beside, Map.of(), flatPod);
    Daemon _ = eastern.gatewayDaemon(gatewayPod, Map.of("GATEWAY_EXPORTS", "shop/*"));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @BeforeEach
  void allAreReady() {
    tellReady(true);
  }

  /** Tells of the pods here. */
  private void tellReady(boolean ready) {
    List<FakeControlPlane.Entry> entries = new ArrayList<>();
    for (Lab.Pod pod : here) {
      WireWorkload workload = WireWorkload.of(pod).in("net-west", "west").healthy(ready);
      ACROSS.forEach(service -> workload.serving(service, 80, PORT));
      entries.add(workload.entry());
    }
    control.put(ADDRESS, entries);
    control.awaitAnswers();
  }

  private String call(InetAddress address, int port) throws IOException {
    return PodSockets.exchange(client, address, port, "who?");
  }

  /** Who answered, how often. */
  private Map<String, Integer> calls(int count, String vip) throws IOException {
    Map<String, Integer> answers = new TreeMap<>();
    for (int i = 0; i < count; i++) {
      answers.merge(call(InetAddress.ofLiteral(vip), 80), 1, Integer::sum);
    }
    return answers;
  }

  /** By chance a bound is missed in one of ten thousand runs at most. */
  @Test
  void eachNetworkHasAShareByTheNumberOfItsPods() throws Exception {
    Map<String, Integer> answers = calls(200, SPREAD);

    int remote = THERE.stream().mapToInt(name -> answers.getOrDefault(name, 0)).sum();
    assertTrue(remote > 90 && remote < 150, () -> "3/5 of 200 are " + remote + ": " + answers);
    for (String name : HERE) {
      int own = answers.getOrDefault(name, 0);
      assertTrue(own > 15 && own < 65, () -> "1/5 of 200 are " + own + ": " + answers);
    }
    Set<String> all = new TreeSet<>(HERE);
    all.addAll(THERE);
    assertEquals(all, answers.keySet(), "and all pods there have some");
  }

  @Test
  void callsLeaveTheNetworkWhileItsPodsAreNotReady() throws Exception {
    assertEquals(HERE, calls(40, CLOSE).keySet());
    tellReady(false);
    assertEquals(THERE, calls(40, CLOSE).keySet());
    tellReady(true);
    assertEquals(HERE, calls(40, CLOSE).keySet());
  }

  @Test
  void strictFailsRatherThanLeaveItsNetwork() throws Exception {
    assertEquals(HERE, calls(40, STRICT).keySet());
    tellReady(false);
    Journal log = Journal.of(west);
    PodSockets.isReset(client, InetAddress.ofLiteral(STRICT), 80);
    log.awaitAny("dst.addr=" + STRICT + ":80", "reason=\"no_healthy_upstream\"");
    tellReady(true);
    assertEquals(HERE, calls(40, STRICT).keySet());
  }

  /** By its own address and by that of its service. */
  @Test
  void aPodOfAnotherClusterInTheSameNetworkIsReachedDirectly() throws Exception {
    Journal westLog = Journal.of(west);
    Journal flatLog = Journal.of(flat);
    Counters westBefore = Counters.of(west);

    assertEquals("flat", call(flatPod.ipv4(), PORT));
    assertEquals("flat", call(InetAddress.ofLiteral(FLAT), 80));

    String address = flatPod.ipv4().getHostAddress();
    Await.equal(2, () -> westLog.access("direction=\"outbound\"").size());
    for (String line : westLog.access()) {
      assertTrue(
          line.contains("dst.addr=%1$s:15008 dst.hbone_addr=%1$s:8080 ".formatted(address)), line);
      assertTrue(line.contains(" dst.cluster=\"flat\" "), line);
    }
    Await.equal(2, () -> flatLog.access("direction=\"inbound\"").size());
    for (String line : flatLog.access()) {
      assertTrue(line.contains("src.addr=" + client.ipv4().getHostAddress() + ":"), line);
      assertTrue(line.contains(" src.identity=\"" + Entry.identity(client) + "\" "), line);
    }
    assertEquals(
        2,
        westBefore.growth(
            "istio_tcp_connections_opened_total",
            "destination_cluster=\"flat\"",
            "connection_security_policy=\"mutual_tls\""));
    assertEquals(
        List.of(),
        Counters.read(west).keySet().stream()
            .filter(series -> series.startsWith("ztunnel_remote_gateway_"))
            .filter(series -> series.contains("\"" + address + ":"))
            .toList(),
        "it is no gateway");
  }
}
