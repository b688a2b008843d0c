package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.WireService;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A gateway that is not told what to serve, and that sees a service become global and cease to be,
 * by what its control plane says. Each call from the other network asks for a tunnel of its own.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayExportsIT {
  private static final InetAddress VIP = InetAddress.ofLiteral("10.96.0.1");
  private static final InetAddress VIP_THERE = InetAddress.ofLiteral("10.97.0.1");
  private static final InetAddress OTHER_GATEWAY = InetAddress.ofLiteral("203.0.113.1");
  private static final String ECHO = "echo";
  private static final int PORT = 80;
  private static final int TARGET = 8080;

  private Scene scene;
  private FakeControlPlane control;
  private Lab.Pod client;
  private Lab.Pod gatewayPod;
  private Daemon west;
  private Daemon gateway;

  /** By what the service is seen to be global. */
  enum Sign {
    ADDRESS("it has an address in another network") {
      @Override
      List<FakeControlPlane.Entry> told() {
        return List.of(local().at("net-west", VIP).entry());
      }
    },
    IDENTITY("it has identities of endpoints in another network") {
      @Override
      List<FakeControlPlane.Entry> told() {
        return List.of(local().reaching("cluster.local/ns/shop/sa/remote").entry());
      }
    },
    ENDPOINT("it has endpoints behind another network's gateway") {
      @Override
      List<FakeControlPlane.Entry> told() {
        return List.of(
            local().entry(),
            WireWorkload.behind(OTHER_GATEWAY, "net-west", "west", ECHO, 3)
                .serving(ECHO, PORT, TARGET)
                .entry());
      }
    };

    private final String reason;

    Sign(String reason) {
      this.reason = reason;
    }

    /** What the control plane says of the service with this sign and no other. */
    abstract List<FakeControlPlane.Entry> told();
  }

  /** The service without any sign. */
  private static WireService local() {
    return new WireService(ECHO, PORT, TARGET).at("net-east", VIP_THERE);
  }

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("exports");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = near.addPod("client");
    Lab.Pod server = far.addPod("server");
    gatewayPod = far.addPod("gateway", Lab.Without.REDIRECTION);
    scene.app(server, TARGET, App.ECHO_TWICE);
    LabControlPlane controlPlane =
        LabControlPlane.startForAll(scene.lab(), far, ControlPlanePki.create("lab control plane"));
    scene.closeLater(controlPlane);
    control = controlPlane.server();
    control.put(ADDRESS, local().entry());

    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    String ports = PORT + ": " + TARGET;
    western.workload(western.pod(client));
    western.gateway(eastern, gatewayPod);
    western.remote(
        eastern,
        ECHO,
        VIP.getHostAddress(),
        ports,
        "[\"%s\"]".formatted(Entry.identity(server)),
        gatewayPod);
    eastern.workload(eastern.pod(server).serving(ECHO, ports));
    west = western.daemon(near, Map.of("ZTUNNEL_INNER_CONNECTIONS", "0"), client);
    Daemon _ = eastern.daemon(far, controlPlane.environment(), server);
    gateway = eastern.gatewayDaemon(gatewayPod, controlPlane.environment());
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private void tell(List<FakeControlPlane.Entry> entries) {
    control.put(ADDRESS, entries);
    control.awaitAnswers();
  }

  /** Takes back what was told by a sign, and says of the service that it is there. */
  private void withdraw(Sign sign) {
    control.put(ADDRESS, local().entry());
    control.remove(
        ADDRESS,
        sign.told().stream()
            .map(FakeControlPlane.Entry::name)
            .filter(name -> !name.equals(local().entry().name()))
            .toList());
    control.awaitAnswers();
  }

  private String explained() throws IOException {
    return Http.ask(
            gatewayPod,
            Http.ADMIN,
            "GET /debug/explain?port=%d&dst=%s&src=%s"
                .formatted(PORT, Entry.hostname(ECHO), Entry.identity(client)))
        .text();
  }

  @ParameterizedTest
  @EnumSource(Sign.class)
  void aServiceThatIsNoLongerGlobalTakesNoNewCallsAndItsOpenOnesGoOn(Sign sign) throws Exception {
    isRefused();
    tell(sign.told());
    try (OpenCall open = OpenCall.begin(client, VIP, PORT)) {
      String why = explained();
      assertTrue(why.contains("is exported to other networks: " + sign.reason), why);
      withdraw(sign);
      isRefused();
      open.goesOn();
      tell(sign.told());
      new QuickCalls(client).succeed(2, VIP);
      open.goesOn();
      withdraw(sign);
      open.goesOn();
    }
  }

  /** A call is, in the words of both ends. */
  private void isRefused() throws Exception {
    Journal westLog = Journal.now(west);
    Journal gatewayLog = Journal.now(gateway);
    PodSockets.isReset(client, VIP, PORT);
    westLog.awaitAny(
        "error=\"http status: 403 Forbidden\"", "reason=\"http_status\"", Entry.hostname(ECHO));
    gatewayLog.awaitAny(
        "\taccess\t",
        "src.identity=\"" + Entry.identity(client) + "\"",
        "service is not exported to other networks: shop/" + Entry.hostname(ECHO),
        "reason=\"not_exported\"");
  }
}
