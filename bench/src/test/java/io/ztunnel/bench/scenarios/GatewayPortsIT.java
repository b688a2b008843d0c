package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Border;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Gateways that are daemons and are not found at their own address and port 15008: behind ports of
 * their node, and behind a service. The client's cluster sees the network that they lead to as
 * several, one for each service, so that each has the gateways it wants.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayPortsIT {
  private static final String PORTS = "80: 8080";
  private static final int HBONE = 15008;

  /** That of the gateway that stays. */
  private static final int STEADY_PORT = 31508;

  /** That of the gateway that is killed. */
  private static final int KILLED_PORT = 31509;

  /** That of the gateways' service, which gateways themselves do not listen at. */
  private static final int SERVICE_PORT = 15009;

  private static final String GATEWAYS = "eastwest";
  private static final String GATEWAYS_VIP = "10.98.0.1";

  /** Each is the only one of its network. */
  private static final List<String> SERVICES = List.of("one", "two", "byname", "byvip");

  private static final Duration SOON = Duration.ofSeconds(15);

  private Scene scene;
  private Lab.Node far;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod steadyPod;
  private Lab.Pod killedPod;
  private Cluster eastern;
  private Daemon steady;
  private Daemon killed;
  private Daemon west;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gwports");
    Lab.Node near = scene.lab().addNode();
    far = scene.lab().addNode();
    client = near.addPod("client");
    server = far.addPod("server");
    steadyPod = far.addPod("steady", Lab.Without.REDIRECTION);
    killedPod = far.addPod("killed", Lab.Without.REDIRECTION);
    Border.publish(steadyPod, HBONE, STEADY_PORT);
    Border.publish(killedPod, HBONE, KILLED_PORT);
    scene.app(server, 8080, App.ECHO_TWICE);

    Cluster western = new Cluster(scene, "west", 1);
    western.workload(western.pod(client));
    reaches(western, "one", behind("one").entrance(far, STEADY_PORT));
    western.gateway(behind("one"), far, STEADY_PORT);
    reaches(western, "two", behind("two").entrance(far, STEADY_PORT));
    western.gateway(behind("two"), far, STEADY_PORT);
    western.gateway(behind("two"), far, KILLED_PORT);
    reaches(
        western, "byname", new Cluster.Entrance("shop/" + Entry.hostname(GATEWAYS), SERVICE_PORT));
    reaches(western, "byvip", new Cluster.Entrance("net-byvip/" + GATEWAYS_VIP, SERVICE_PORT));
    String mapped = SERVICE_PORT + ": " + HBONE;
    western.service(
        Entry.service(GATEWAYS, GATEWAYS_VIP, "{" + mapped + "}")
            .with("vips", "[\"net-byvip/" + GATEWAYS_VIP + "\"]"));
    western.workload(
        Entry.workload(steadyPod, steadyPod.ipv4())
            .with("namespace", Gateway.IDENTITY.namespace())
            .with("serviceAccount", Gateway.IDENTITY.serviceAccount())
            .with("network", "net-byvip")
            .with("protocol", "TCP")
            .serving(GATEWAYS, mapped));

    eastern = new Cluster(scene, "east", 2);
    Entry backend = eastern.pod(server);
    SERVICES.forEach(service -> backend.serving(service, PORTS));
    eastern.workload(backend);
    for (String service : SERVICES) {
      eastern.service(service, "10.97.0." + number(service), PORTS);
    }
    Daemon _ = eastern.daemon(far, Map.of(), server);
    steady = gateway(steadyPod);
    killed = gateway(killedPod);
    west = western.daemon(near, Map.of(), client);
  }

  private void reaches(Cluster western, String service, Cluster.Entrance gateway) {
    western.remote(
        behind(service),
        service,
        vip(service).getHostAddress(),
        PORTS,
        "[\"%s\"]".formatted(Entry.identity(server)),
        gateway);
  }

  /** What the west knows of the east for one service: as a network. */
  private Cluster behind(String service) {
    return new Cluster(scene, "east", "net-" + service, 2);
  }

  private static int number(String service) {
    return 1 + SERVICES.indexOf(service);
  }

  private static InetAddress vip(String service) {
    return InetAddress.ofLiteral("10.96.0." + number(service));
  }

  private Daemon gateway(Lab.Pod pod) throws IOException {
    return eastern.gatewayDaemon(pod, Map.of("GATEWAY_EXPORTS", "shop/*"));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private void calls(int count, String service) throws IOException {
    new QuickCalls(client).succeed(count, vip(service));
  }

  private String address(int nodePort) {
    return far.ipv4().getHostAddress() + ":" + nodePort;
  }

  private static double tunnels(Daemon gateway) throws IOException {
    return Counters.sum(Counters.read(gateway), "ztunnel_gateway_tunnels_open");
  }

  /** Whether calls of a journal went through the gateway at a port of the node. */
  private boolean areThrough(int nodePort, Journal log) throws IOException {
    return !log.access("dst.addr=" + address(nodePort) + " ").isEmpty();
  }

  @Test
  void callsGoThroughThePortOfTheNode() throws Exception {
    Journal log = Journal.of(west);
    calls(1, "one");
    String line = log.await("direction=\"outbound\"");
    assertTrue(
        line.contains(
            "dst.addr=%s dst.hbone_addr=%s:80 "
                .formatted(address(STEADY_PORT), Entry.hostname("one"))),
        line);
    assertTrue(tunnels(steady) > 0, "the gateway behind it carries them");
  }

  /** It is killed, and found again by probes alone. */
  @Test
  void ofTwoGatewaysAtPortsOfOneAddressTheDeadOneIsPassedOverUntilItIsBack() throws Exception {
    Journal before = Journal.now(west);
    Await.until(
        "calls go through both",
        () -> {
          calls(1, "two");
          return areThrough(STEADY_PORT, before) && areThrough(KILLED_PORT, before);
        });

    Journal log = Journal.now(west);
    killed.signal("KILL");
    int _ = killed.awaitExit(SOON);
    calls(20, "two");
    log.awaitAny("gateway set aside", "address=" + address(KILLED_PORT));
    Journal after = Journal.of(west);
    calls(20, "two");
    Await.equal(20, () -> after.access("dst.addr=" + address(STEADY_PORT) + " ").size());
    assertFalse(
        log.lines().stream()
            .anyMatch(line -> line.contains("set aside") && line.contains(address(STEADY_PORT))),
        "the one beside it is well");

    Daemon back = gateway(killedPod);
    log.awaitAny("gateway is used again", "address=" + address(KILLED_PORT));
    assertFalse(areThrough(KILLED_PORT, after), "no call has tried it");
    Await.until(
        "it carries calls",
        () -> {
          calls(1, "two");
          return tunnels(back) > 0;
        });
  }

  /** The port is one of the service; its endpoints have another one. */
  @ParameterizedTest
  @ValueSource(strings = {"byname", "byvip"})
  void aServiceMayStandForTheGateways(String service) throws Exception {
    Journal log = Journal.of(west);
    calls(1, service);
    String line = log.await("direction=\"outbound\"");
    assertTrue(
        line.contains(
            "dst.addr=%s:15008 dst.hbone_addr=%s:80 "
                .formatted(steadyPod.ipv4().getHostAddress(), Entry.hostname(service))),
        line);
    assertTrue(line.contains("dst.identity=\"%s\"".formatted(Entry.identity(server))), line);
  }
}
