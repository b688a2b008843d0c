package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;

/**
 * Other networks with two gateways each, of which one fails: calls go on, none is lost, and the
 * gateway is used again when it is well. Every test has a network of its own.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class GatewayFailoverIT {
  private static final int PORT = 8080;
  private static final String PORTS = "80: 8080, 81: 8081, 82: 8082";
  private static final int HBONE = 15008;

  /** Whose packets a test drops. */
  private static final int DARK_PORT = 8082;

  private static final List<String> NETWORKS =
      List.of(
          "both", "dead", "dark", "falls", "wrong", "slow", "late", "lost", "drained", "away",
          "named", "several", "mute", "cut", "stale", "denied", "silent", "alone", "moved",
          "private");

  /** Those whose gateways have no addresses in the mesh, but one name. */
  private static final Set<String> NAMED =
      Set.of("named", "several", "mute", "cut", "stale", "alone");

  /** Those whose second gateway is known by its address, and the first by a name. */
  private static final Set<String> MIXED = Set.of("denied", "silent", "moved");

  /** Those whose service has an endpoint in this network too. */
  private static final List<String> SHARED = List.of("alone", "private");

  /** Inner connections of a service through one gateway (ZTUNNEL_INNER_CONNECTIONS). */
  private static final int KEPT_BY_ONE_THREAD = 8;

  /** The two gateways of a network. */
  private record Pair(Lab.Pod one, Lab.Pod two) {}

  private final Map<String, Pair> pairs = new LinkedHashMap<>();
  private final Map<String, List<InetAddress>> names = new ConcurrentHashMap<>();
  private Scene scene;
  private NameServer nameServer;
  private Lab.Node near;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod nobody;
  private Lab.Pod neighbour;
  private Lab.Pod spare;
  private Lab.Pod other;
  private Daemon west;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("failover");
    near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = near.addPod("client");
    other = near.addPod("other");
    server = far.addPod("server");
    spare = far.addPod("spare", Lab.Without.REDIRECTION);
    nobody = far.addPod("nobody", Lab.Without.REDIRECTION);
    neighbour = near.addPod("neighbour", Lab.Without.REDIRECTION);
    nameServer = new NameServer(near, names, 1);
    scene.closeLater(nameServer);
    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    western.workload(Entry.workload(client, client.ipv4()).with("network", "net-west"));
    western.workload(Entry.workload(other, other.ipv4()).with("network", "net-west"));
    Entry backend = Entry.workload(server, server.ipv4()).with("network", "net-east");
    for (String network : NETWORKS) {
      Pair pair =
          new Pair(
              far.addPod(network + "-1", Lab.Without.REDIRECTION),
              far.addPod(network + "-2", Lab.Without.REDIRECTION));
      pairs.put(network, pair);
      addRemote(western, network, pair);
      backend.serving(network, PORTS);
      eastern.service(Entry.service(network, "10.97.0.1", "{" + PORTS + "}").with("vips", "[]"));
    }
    eastern.workload(backend);
    Entry local =
        Entry.workload(neighbour, neighbour.ipv4())
            .with("network", "net-west")
            .with("protocol", "TCP");
    SHARED.forEach(network -> local.serving(network, PORTS));
    western.workload(local);
    scene.app(neighbour, PORT, App.ECHO_TWICE);
    scene.app(other, PORT, App.ECHO_TWICE);
    scene.app(server, PORT, App.ECHO_TWICE);
    scene.app(server, PORT + 1, App.ECHO_AT_THE_END);
    scene.app(server, DARK_PORT, App.ECHO_TWICE);
    west = western.daemon(near, Map.of(), client, other);
    Daemon _ = eastern.daemon(far, Map.of(), server);
    // Early, for the test that waits for a PING on a connection that is there for a while.
    Gateway _ = run(pair("both").one());
    Gateway _ = run(pair("both").two());
    calls(60, "both");
  }

  private void addRemote(Cluster here, String network, Pair pair) {
    boolean mixed = MIXED.contains(network);
    boolean named = mixed || NAMED.contains(network);
    Cluster behind = new Cluster(scene, "east", network, 2);
    here.remote(
        behind,
        network,
        vip(network),
        PORTS,
        "[\"%s\"]".formatted(Entry.identity(server)),
        named
            ? new Cluster.Entrance("istio-system/" + name(network), HBONE)
            : behind.entrance(pair.one()));
    if (named) {
      here.workload(
          behind.gateway(Entry.workload(network), name(network)).with("hostname", name(network)));
    } else {
      here.gateway(behind, pair.one());
    }
    if (mixed || !named) {
      here.gateway(behind, pair.two());
    }
  }

  /** That of its gateways. */
  private static String name(String network) {
    return network + ".example.com";
  }

  private static String vip(String network) {
    return "10.96.1." + (1 + NETWORKS.indexOf(network));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Pair pair(String network) {
    Pair pair = pairs.get(network);
    if (pair == null) {
      throw new AssertionError(network);
    }
    return pair;
  }

  private Gateway run(Lab.Pod place) throws IOException {
    return run(place, Gateway.IDENTITY);
  }

  private Gateway run(Lab.Pod place, SpiffeId identity) throws IOException {
    return run(place, identity, server);
  }

  private Gateway run(Lab.Pod place, SpiffeId identity, Lab.Pod backend) throws IOException {
    Gateway gateway = new Gateway(scene.lab(), place, identity, backend);
    scene.closeLater(gateway);
    return gateway;
  }

  private void call(String network) throws IOException {
    calls(1, network);
  }

  private void calls(int count, String network) throws IOException {
    new QuickCalls(client).succeed(count, InetAddress.ofLiteral(vip(network)));
  }

  private boolean succeeds(String network) {
    try {
      Duration _ = new QuickCalls(client).once(InetAddress.ofLiteral(vip(network)));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private void megabytesArrive(String network) throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    byte[] sent = new byte[2 << 20];
    new Random(seed).nextBytes(sent);
    try (Socket socket = PodSockets.connect(client, InetAddress.ofLiteral(vip(network)), 81)) {
      socket.getOutputStream().write(sent);
      socket.shutdownOutput();
      assertArrayEquals(sent, socket.getInputStream().readAllBytes());
    }
  }

  private static String address(Lab.Pod gateway) {
    return gateway.ipv4().getHostAddress() + ":" + HBONE;
  }

  private double sample(String metric, Lab.Pod gateway) throws IOException {
    return Counters.sum(
        Counters.read(west),
        "ztunnel_remote_gateway_" + metric,
        "gateway=\"" + address(gateway) + "\"");
  }

  private boolean isDarkPortDialled() throws IOException {
    String synSent = ":%04X 02 ".formatted(DARK_PORT); // proc(5)
    return server
        .exec(Duration.ofSeconds(10), "cat", "/proc/net/tcp", "/proc/net/tcp6")
        .out()
        .contains(synSent);
  }

  private String explained(String network) throws IOException {
    return Http.ask(
            near,
            Http.ADMIN,
            "GET /debug/explain?src=shop/client&dst=%s&port=80".formatted(vip(network)))
        .text();
  }

  private static String setAside(Lab.Pod gateway) {
    return "address=" + address(gateway);
  }

  @Test
  @Order(Integer.MAX_VALUE)
  void bothGatewaysCarryCallsAndAreMeasured() throws Exception {
    Pair both = pair("both");
    Journal log = Journal.of(west);
    calls(60, "both");
    Await.until("all calls are logged", () -> log.access("both.shop").size() == 60);
    for (Lab.Pod gateway : List.of(both.one(), both.two())) {
      int share = log.access("dst.addr=" + address(gateway)).size();
      assertTrue(share >= 10, () -> gateway.name() + " has " + share + " of 60");
      Await.until(
          "a round trip is measured",
          () -> {
            call("both");
            return sample("round_trip_seconds", gateway) > 0;
          });
      assertTrue(sample("inner_connections_open", gateway) >= 1);
      assertEquals(1, sample("backends", gateway), "one pod is there");
      assertEquals(0, sample("set_aside_seconds", gateway));
    }
  }

  @Test
  void aGatewayThatIsDeadIsPassedOverUntilItIsBack() throws Exception {
    Pair dead = pair("dead");
    Gateway _ = run(dead.two());
    Journal log = Journal.now(west);
    calls(20, "dead");
    megabytesArrive("dead");
    log.awaitAny("gateway set aside", setAside(dead.one()), "refused");
    String explanation = explained("dead");
    assertTrue(
        explanation.contains(
            "gateway NetworkGateway/dead/%s/0: avoided: it failed lately, set aside for "
                .formatted(dead.one().ipv4().getHostAddress())),
        explanation);
    assertTrue(sample("set_aside_seconds", dead.one()) > 0);

    Gateway back = run(dead.one());
    log.awaitAny("gateway is used again", setAside(dead.one()));
    Await.until(
        "it carries calls",
        () -> {
          call("dead");
          return !back.connects().isEmpty();
        });
  }

  @Test
  void aGatewayThatDropsPacketsIsOvertaken() throws Exception {
    Pair dark = pair("dark");
    Gateway _ = run(dark.one());
    Gateway _ = run(dark.two());
    Journal log = Journal.now(west);
    try (Loss _ = Loss.of(dark.one())) {
      calls(20, "dark");
      log.awaitAny("gateway set aside", setAside(dark.one()), "no connection");
    }
    log.awaitAny("gateway is used again", setAside(dark.one()));
  }

  @Test
  void aGatewayThatFallsSilentUnderOpenTunnelsIsFoundOut() throws Exception {
    Pair falls = pair("falls");
    Gateway _ = run(falls.one());
    Gateway _ = run(falls.two());
    Await.until(
        "every worker thread has connections through both",
        () -> {
          call("falls");
          return sample("inner_connections_open", falls.one()) > KEPT_BY_ONE_THREAD
              && sample("inner_connections_open", falls.two()) > KEPT_BY_ONE_THREAD;
        });
    Journal log = Journal.now(west);
    try (Loss _ = Loss.of(falls.one())) {
      calls(20, "falls");
      log.awaitAny("gateway set aside", setAside(falls.one()), "the connection is silent");
      megabytesArrive("falls");
    }
    log.awaitAny("gateway is used again", setAside(falls.one()));
  }

  @Test
  void aGatewayThatIsSomebodyElseIsPassedOver() throws Exception {
    Pair wrong = pair("wrong");
    Gateway impostor = run(wrong.one(), new SpiffeId("cluster.local", "istio-system", "somebody"));
    Gateway _ = run(wrong.two());
    Journal log = Journal.now(west);
    calls(20, "wrong");
    log.awaitAny("gateway set aside", setAside(wrong.one()), "did not present the expected SAN");
    assertEquals(List.of(), impostor.connects());
  }

  @Test
  void aSlowBackendIsNotTheGatewaysFault() throws Exception {
    Pair slow = pair("slow");
    Gateway late = run(slow.one());
    Gateway _ = run(slow.two());
    late.delay(Duration.ofSeconds(30));
    Journal log = Journal.now(west);
    Await.until(
        "the slow way was tried",
        () -> {
          calls(1, "slow");
          return !late.connects().isEmpty();
        });
    calls(4, "slow");
    assertFalse(
        log.lines().stream().anyMatch(line -> line.contains(setAside(slow.one()))),
        "it answers PINGs");
    String explanation = explained("slow");
    assertFalse(explanation.contains("failed lately"), explanation);
  }

  @Test
  void aSlowGatewayIsOvertakenAndUsedAgain() throws Exception {
    Pair late = pair("late");
    Gateway slow = run(late.one());
    Gateway _ = run(late.two());
    slow.hesitate(Duration.ofSeconds(2));
    Journal log = Journal.now(west);
    calls(20, "late");
    log.awaitAny("gateway set aside", setAside(late.one()));
    slow.hesitate(Duration.ZERO);
    log.awaitAny("gateway is used again", setAside(late.one()));
    Await.until(
        "it carries calls",
        () -> {
          call("late");
          return !slow.connects().isEmpty();
        });
  }

  @Test
  void aGatewayThatReachesNobodyIsNotToBlameForThat() throws Exception {
    Pair lost = pair("lost");
    Gateway isolated = run(lost.one(), Gateway.IDENTITY, nobody);
    Gateway _ = run(lost.two());
    Journal log = Journal.now(west);
    calls(20, "lost");
    assertFalse(isolated.connects().isEmpty());
    assertFalse(
        log.lines().stream().anyMatch(line -> line.contains(setAside(lost.one()))),
        "it said 503 and lives");
  }

  @Test
  void aGatewayThatGoesAwayInOrderLosesNoCall() throws Exception {
    Pair drained = pair("drained");
    Gateway leaving = run(drained.one());
    Gateway _ = run(drained.two());
    Await.until(
        "it carries calls",
        () -> {
          call("drained");
          return !leaving.connects().isEmpty();
        });
    try (Socket open = PodSockets.connect(client, InetAddress.ofLiteral(vip("drained")), 80)) {
      PodSockets.say(open, "ab");
      assertEquals("abab", PodSockets.hear(open, 4));
      leaving.drain();
      calls(10, "drained");
      PodSockets.say(open, "cd");
      assertEquals("cdcd", PodSockets.hear(open, 4), "what it carries goes on");
    }
  }

  @Test
  void theOtherClusterGoesAwayEntirelyAndComesBack() throws Exception {
    Pair away = pair("away");
    Gateway first = run(away.one());
    Gateway second = run(away.two());
    calls(5, "away");
    first.close();
    second.close();
    Await.until("calls fail", () -> !succeeds("away"));
    Journal log = Journal.now(west);
    assertFalse(succeeds("away"));
    String line = log.awaitAny("\taccess\t", "away.shop", "error=");
    assertTrue(line.contains("reason=\"hbone_connect_refused\""), line);
    for (Lab.Pod here : List.of(neighbour, other)) {
      assertEquals(
          "hello worldhello world",
          PodSockets.exchange(client, here.ipv4(), PORT, "hello world"),
          "a pod of this network, by its address");
    }
    Gateway _ = run(away.one());
    Gateway _ = run(away.two());
    Await.until("calls succeed", () -> succeeds("away"));
    calls(10, "away");
  }

  @Test
  void aGatewayByNameIsFollowedToItsNewAddress() throws Exception {
    Pair named = pair("named");
    Gateway before = run(named.one());
    names.put(name("named"), List.of(named.one().ipv4()));
    calls(5, "named");
    assertTrue(sample("inner_connections_open", named.one()) >= 1);

    Gateway after = run(named.two());
    names.put(name("named"), List.of(named.two().ipv4()));
    Await.until(
        "calls go to the new address",
        () -> {
          calls(1, "named");
          return !after.connects().isEmpty();
        });
    Await.until(
        "connections to the old address are over",
        () -> {
          calls(1, "named");
          return sample("inner_connections_open", named.one()) == 0;
        });
    before.close();
    calls(10, "named");
  }

  @Test
  void ofTheAddressesOfANameTheDeadOneIsPassedOver() throws Exception {
    Pair several = pair("several");
    Gateway _ = run(several.two());
    names.put(name("several"), List.of(several.one().ipv4(), several.two().ipv4()));
    Journal log = Journal.now(west);
    calls(30, "several");
    log.awaitAny("gateway set aside", setAside(several.one()), "refused");
    assertFalse(
        log.lines().stream().anyMatch(line -> line.contains(setAside(several.two()))),
        "the other one is well");

    Gateway back = run(several.one());
    log.awaitAny("gateway is used again", setAside(several.one()));
    Await.until(
        "it carries calls",
        () -> {
          call("several");
          return !back.connects().isEmpty();
        });
  }

  @Test
  void aGatewayByNameThatIsSetAsideIsFoundAtItsNewAddress() throws Exception {
    Pair moved = pair("moved");
    Gateway before = run(moved.one());
    Gateway _ = run(moved.two());
    names.put(name("moved"), List.of(moved.one().ipv4()));
    Await.until(
        "it carries calls",
        () -> {
          call("moved");
          return !before.connects().isEmpty();
        });
    Journal log = Journal.now(west);
    before.close();
    Await.until(
        "it is set aside",
        () -> {
          call("moved");
          return log.lines().stream().anyMatch(line -> line.contains(setAside(moved.one())));
        });

    Gateway after = run(spare);
    names.put(name("moved"), List.of(spare.ipv4()));
    Await.until(
        "it carries calls",
        () -> {
          call("moved");
          return !after.connects().isEmpty();
        });
  }

  @Test
  void aGatewayWhoseNameIsDeniedIsPassedOver() throws Exception {
    Gateway _ = run(pair("denied").two());
    calls(20, "denied");

    Gateway found = run(pair("denied").one());
    names.put(name("denied"), List.of(pair("denied").one().ipv4()));
    Await.until(
        "it carries calls",
        () -> {
          call("denied");
          return !found.connects().isEmpty();
        });
  }

  @Test
  void aGatewayWhoseNameServersAreSilentIsOvertaken() throws Exception {
    Gateway _ = run(pair("silent").two());
    nameServer.setAnswering(name("silent"), false);
    calls(20, "silent");
  }

  @Test
  void anEndpointHereIsUsedWhenTheNameOfTheOnlyGatewayIsDenied() throws Exception {
    calls(20, "alone");
  }

  @Test
  void whatOnePodCannotReachOthersUse() throws Exception {
    Lab.Pod place = pair("private").one();
    Gateway gateway = run(place);
    Loss _ = Loss.of(client, "OUTPUT", "-d", place.ipv4().getHostAddress());
    Journal log = Journal.now(west);
    Await.until(
        "it is set aside",
        () -> {
          call("private");
          return log.lines().stream().anyMatch(line -> line.contains(setAside(place)));
        });
    QuickCalls others = new QuickCalls(other);
    Await.until(
        "calls of the other go through it",
        () -> {
          others.succeed(1, InetAddress.ofLiteral(vip("private")));
          return !gateway.connects().isEmpty();
        });
    Journal later = Journal.now(west);
    for (int i = 0; i < 40; i++) {
      call("private");
      others.succeed(1, InetAddress.ofLiteral(vip("private")));
    }
    Await.until(
        "they share the calls", () -> later.access("dst.addr=" + address(place)).size() >= 10);
  }

  @Test
  void theOnlyGatewayThatCutsAConnectionBeforeTheAnswerIsDialledAnew() throws Exception {
    Pair cut = pair("cut");
    Gateway gateway = run(cut.one());
    names.put(name("cut"), List.of(cut.one().ipv4()));
    call("cut");
    Journal log = Journal.now(west);
    server.dropPort(DARK_PORT);
    try (Socket waiting = PodSockets.connect(client, InetAddress.ofLiteral(vip("cut")), 82)) {
      Await.until("the application is dialled", this::isDarkPortDialled);
      gateway.cut();
      server.acceptPort(DARK_PORT);
      PodSockets.say(waiting, "hi");
      assertEquals("hihi", PodSockets.hear(waiting, 4));
    }
    log.awaitAny("gateway set aside", setAside(cut.one()));
    log.awaitAny("gateway is used again", setAside(cut.one()));
  }

  /** As when a NAT forgets the connection: a new one would be let through. */
  @Test
  void theOnlyGatewayWhoseConnectionFallsSilentIsDialledAnew() throws Exception {
    Pair stale = pair("stale");
    Gateway _ = run(stale.one());
    names.put(name("stale"), List.of(stale.one().ipv4()));
    calls(10, "stale"); // on connections of all worker threads
    for (String port : established(stale.one())) {
      Loss _ = Loss.of(stale.one(), "INPUT", "--sport", port);
    }
    Journal log = Journal.now(west);
    calls(10, "stale");
    log.awaitAny("gateway set aside", setAside(stale.one()), "the connection is silent");
    log.awaitAny("gateway is used again", setAside(stale.one()));
  }

  /** The ports from which there are connections to a gateway. */
  private static List<String> established(Lab.Pod gateway) throws IOException {
    String tables =
        gateway.exec(Duration.ofSeconds(10), "cat", "/proc/net/tcp", "/proc/net/tcp6").out();
    // local and remote address with ports in hex, and the state (proc(5))
    Pattern row = Pattern.compile("\\w+:%04X \\w+:(\\w{4}) 01 ".formatted(HBONE));
    List<String> ports =
        row.matcher(tables)
            .results()
            .map(found -> String.valueOf(Integer.parseInt(found.group(1), 16)))
            .toList();
    assertFalse(ports.isEmpty(), tables);
    return ports;
  }

  @Test
  void aNameServerThatFallsSilentStopsNoCall() throws Exception {
    Pair mute = pair("mute");
    Gateway _ = run(mute.one());
    names.put(name("mute"), List.of(mute.one().ipv4()));
    calls(5, "mute");
    nameServer.setAnswering(name("mute"), false);
    Journal log = Journal.now(west);
    Await.until(
        "the answer's time is up",
        () -> {
          call("mute");
          return log.lines().stream().anyMatch(line -> line.contains("last addresses are used"));
        });
    calls(20, "mute");

    Gateway after = run(mute.two());
    names.put(name("mute"), List.of(mute.two().ipv4()));
    nameServer.setAnswering(name("mute"), true);
    Await.until(
        "calls go to the new address",
        () -> {
          call("mute");
          return !after.connects().isEmpty();
        });
  }
}
