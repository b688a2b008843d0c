package io.ztunnel.bench.scenarios;

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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * One network whose gateways are daemons: they are told to end, are killed, and reach pods that
 * hang. The client's cluster sees it as several networks, one for each test, so that each has the
 * gateways it wants; one of them is steady.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayDaemonsIT {
  private static final String PORTS = "80: 8080";
  private static final List<String> SERVICES = List.of("ended", "killed", "deaf", "mute", "halved");
  private static final Duration SOON = Duration.ofSeconds(15);

  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod lost;
  private Lab.Pod steady;
  private Lab.Pod ending;
  private Lab.Pod killed;
  private Cluster eastern;
  private Daemon west;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gwdaemons");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = near.addPod("client");
    server = far.addPod("server");
    lost = far.addPod("lost");
    steady = far.addPod("steady", Lab.Without.REDIRECTION);
    ending = far.addPod("ending", Lab.Without.REDIRECTION);
    killed = far.addPod("killed", Lab.Without.REDIRECTION);

    Cluster western = new Cluster(scene, "west", 1);
    western.workload(western.pod(client));
    eastern = new Cluster(scene, "east", 2);
    eastern.workload(
        eastern
            .pod(server)
            .serving("ended", PORTS)
            .serving("killed", PORTS)
            .serving("halved", PORTS));
    eastern.workload(eastern.pod(lost).serving("halved", PORTS));
    reaches(western, "ended", server, ending, steady);
    reaches(western, "killed", server, killed, steady);
    reaches(western, "halved", List.of(server, lost), steady);
    scene.app(server, 8080, App.ECHO_TWICE);
    scene.app(lost, 8080, App.ECHO_TWICE);

    Lab.Pod deaf = far.addPod("deaf", Lab.Without.REDIRECTION);
    eastern.workload(eastern.pod(deaf).serving("deaf", PORTS));
    reaches(western, "deaf", deaf, steady);
    scene.app(deaf, 15008, peer -> peer.getInputStream().readAllBytes()); // and no word
    Lab.Pod mute = far.addPod("mute", Lab.Without.REDIRECTION);
    eastern.workload(eastern.pod(mute).serving("mute", PORTS));
    reaches(western, "mute", mute, steady);
    Gateway muteServer =
        new Gateway(scene.lab(), mute, new SpiffeId("cluster.local", "shop", "mute"), server);
    scene.closeLater(muteServer);
    muteServer.delay(Duration.ofHours(1)); // until it answers

    Daemon _ = eastern.daemon(far, Map.of(), server, lost);
    Daemon _ = gateway(steady);
    west =
        western.daemon(
            near,
            Map.of("ZTUNNEL_HANDSHAKE_TIMEOUT", "4s", "ZTUNNEL_HBONE_ANSWER_TIMEOUT", "4s"),
            client);
  }

  /** Has the west know a service of the east, and the gateways to it, by a network of its own. */
  private void reaches(Cluster western, String service, Lab.Pod backend, Lab.Pod... gateways) {
    reaches(western, service, List.of(backend), gateways);
  }

  private void reaches(
      Cluster western, String service, List<Lab.Pod> backends, Lab.Pod... gateways) {
    String sans =
        backends.stream()
            .map(backend -> "\"%s\"".formatted(Entry.identity(backend)))
            .collect(Collectors.joining(", ", "[", "]"));
    Cluster network = new Cluster(scene, "east", network(service), 2);
    for (Lab.Pod gateway : gateways) {
      western.gateway(network, gateway);
    }
    String vip = vip(service).getHostAddress();
    western.remote(network, service, vip, PORTS, sans, gateways[0]);
    eastern.service(service, "10.97.0." + number(service), PORTS);
  }

  private static int number(String service) {
    return 1 + SERVICES.indexOf(service);
  }

  private static String network(String service) {
    return "net-" + service;
  }

  private static InetAddress vip(String service) {
    return InetAddress.ofLiteral("10.96.0." + number(service));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Daemon gateway(Lab.Pod pod) throws IOException {
    return eastern.gatewayDaemon(
        pod,
        Map.of(
            "GATEWAY_EXPORTS", "shop/*",
            "CONNECTION_TERMINATION_DEADLINE", "60s",
            "ZTUNNEL_HANDOVER_WAIT", "1s"));
  }

  private void calls(int count, String service) throws IOException {
    new QuickCalls(client).succeed(count, vip(service));
  }

  /** Connections that stay open, some of them through this gateway. */
  private List<Socket> openSomeThrough(Daemon gateway, String service) throws IOException {
    Await.until(
        "it carries calls",
        () -> {
          calls(1, service);
          return Counters.sum(Counters.read(gateway), "ztunnel_gateway_tunnels_open") > 0;
        });
    List<Socket> open = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      open.add(PodSockets.connect(client, vip(service), 80));
    }
    assertEquals(40, going(open));
    return open;
  }

  /** How many of these answer. */
  private static int going(List<Socket> open) {
    int going = 0;
    for (Socket socket : open) {
      try {
        PodSockets.say(socket, "ab");
        going += PodSockets.hear(socket, 4).equals("abab") ? 1 : 0;
      } catch (IOException e) {
        // It was cut.
      }
    }
    return going;
  }

  private static String address(Lab.Pod gateway) {
    return gateway.ipv4().getHostAddress() + ":15008";
  }

  @Test
  void aGatewayThatIsToldToEndCutsNothingAndIsGoneWhenItsCallsAre() throws Exception {
    Daemon leaving = gateway(ending);
    List<Socket> open = openSomeThrough(leaving, "ended");
    Journal log = Journal.now(west);

    leaving.signal("TERM");
    calls(30, "ended");
    Journal.whole(leaving).awaitAny("accepting no more");
    calls(30, "ended");
    assertEquals(open.size(), going(open));
    assertTrue(leaving.isAlive());

    for (Socket socket : open) {
      socket.close();
    }
    assertEquals(0, leaving.awaitExit(SOON), "long before its deadline");
    calls(10, "ended");
    assertEquals(List.of(), log.access("error="));
  }

  @Test
  void aGatewayThatIsKilledTakesItsCallsWithItAndNoNewOne() throws Exception {
    Daemon victim = gateway(killed);
    List<Socket> open = openSomeThrough(victim, "killed");
    Journal log = Journal.now(west);

    victim.signal("KILL");
    calls(30, "killed");
    int going = going(open);
    assertTrue(going > 0 && going < open.size(), going + " of " + open.size() + " go on");
    log.awaitAny("gateway set aside", "address=" + address(killed));
    for (Socket socket : open) {
      socket.close();
    }

    Daemon back = gateway(killed);
    log.awaitAny("gateway is used again", "address=" + address(killed));
    for (Socket socket : openSomeThrough(back, "killed")) {
      socket.close();
    }
  }

  @Test
  void aPodThatIsLostWithoutAWordHoldsNoNewCallUp() throws Exception {
    Journal log = Journal.now(west);
    calls(60, "halved"); // so that each loop has its connections to both
    log.awaitAny("direction=\"outbound\"", Entry.hostname("halved"), Entry.identity(server));
    log.awaitAny("direction=\"outbound\"", Entry.hostname("halved"), Entry.identity(lost));
    lost.dropPort(15008);
    calls(60, "halved");
    assertEquals(List.of(), log.access("error=", Entry.hostname("halved")));
  }

  /** One says nothing, not even of TLS; one does not answer the CONNECT. */
  @ParameterizedTest
  @CsvSource({"deaf, h2_handshake_timed_out", "mute, h2_answer_timed_out"})
  void aPodThatHangsIsNotTheGatewaysFault(String service, String reason) throws Exception {
    Journal log = Journal.now(west);
    PodSockets.isReset(client, vip(service), 80);
    log.awaitAny(
        "direction=\"outbound\"",
        Entry.hostname(service),
        "reason=\"" + reason + "\" detail=\"beyond gateway " + address(steady));
    calls(5, "killed"); // through the same gateway
    assertFalse(
        log.lines().stream().anyMatch(line -> line.contains("address=" + address(steady))),
        "it is not set aside");
  }
}
