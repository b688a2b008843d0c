package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static io.ztunnel.xds.FakeControlPlane.AUTHORIZATION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.WireMesh;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import io.ztunnel.xds.FakeControlPlane.Entry;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Daemons that know the mesh from a control plane, which is not always well. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ControlPlaneIT {
  private static final int PORT = 8080;
  private static final int OTHER_PORT = 8081;
  private static final String CALLER = "spiffe://cluster.local/ns/shop/sa/client";
  private static final String REPLY = "hello worldhello world";

  private final ControlPlanePki pki = ControlPlanePki.create("lab control plane");
  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod wanderer;
  private FakeControlPlane control;
  private FakeControlPlane restless;
  private FakeControlPlane sparing;
  private Daemon daemon;
  private Daemon ofRestless;
  private Daemon onDemand;
  private String whileAway;
  private String dumpWhileAway;
  private String metricsWhileAway;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("xds");
    Lab.Node node = scene.lab().addNode();
    Lab.Node restlessNode = scene.lab().addNode();
    Lab.Node sparingNode = scene.lab().addNode();
    client = node.addPod("client");
    server = node.addPod("server");
    wanderer = restlessNode.addPod("wanderer");
    Lab.Pod miser = sparingNode.addPod("miser");
    called = sparingNode.addPod("called");
    outsider = sparingNode.addPod("outsider", Lab.Without.REDIRECTION);
    scene.app(called, PORT, App.ECHO_TWICE);
    for (int port : List.of(PORT, OTHER_PORT)) {
      scene.app(server, port, App.ECHO_TWICE);
    }
    Entry[] mesh = {
      WireWorkload.of(client).entry(),
      WireWorkload.of(server).under("deny-other").entry(),
      WireWorkload.of(wanderer).entry(),
      WireWorkload.of(miser).entry()
    };

    LabControlPlane ofNode = controlPlane(node, FakeControlPlane.options());
    control = ofNode.server();
    control.put(ADDRESS, mesh);
    control.put(AUTHORIZATION, WireMesh.denyPort("deny-other", OTHER_PORT));
    control.stopListening();
    CompletableFuture<Daemon> starting =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return scene.daemon(node, environment(ofNode), client, server);
              } catch (IOException e) {
                throw new CompletionException(e);
              }
            });
    awaitFailedAttempts(scene.lab().directory().resolve("node-" + node.index() + ".log"));
    assertFalse(starting.isDone(), "no pod is taken before the policies are known");
    whileAway = Http.ask(node, Http.READINESS, "GET /healthz/ready").toString();
    metricsWhileAway = Http.ask(node, Http.STATS, "GET /metrics").text();
    dumpWhileAway = Http.ask(node, Http.ADMIN, "GET /config_dump").text();
    control.listen();
    daemon = starting.get(60, TimeUnit.SECONDS);

    LabControlPlane ofRestlessNode =
        controlPlane(restlessNode, FakeControlPlane.options().connectionAge(Duration.ofSeconds(1)));
    restless = ofRestlessNode.server();
    restless.put(ADDRESS, mesh);
    ofRestless = scene.daemon(restlessNode, environment(ofRestlessNode), wanderer);

    LabControlPlane ofSparingNode = controlPlane(sparingNode, FakeControlPlane.options());
    sparing = ofSparingNode.server();
    sparing.put(ADDRESS, mesh);
    Map<String, String> variables = environment(ofSparingNode);
    variables.put("XDS_ON_DEMAND", "true");
    variables.put("ISTIO_META_DNS_CAPTURE", "false");
    onDemand = scene.daemon(sparingNode, variables);
    onDemandPod = miser;
  }

  private Lab.Pod onDemandPod;
  private Lab.Pod called;
  private Lab.Pod outsider;

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private LabControlPlane controlPlane(Lab.Node node, FakeControlPlane.Options options)
      throws IOException {
    LabControlPlane started = LabControlPlane.startForNode(scene.lab(), node, pki, options);
    scene.closeLater(started);
    return started;
  }

  private static Map<String, String> environment(LabControlPlane of) {
    Map<String, String> variables = new TreeMap<>(of.environment());
    variables.put("RUST_LOG", "info,ztunnel::xds=debug");
    return variables;
  }

  private static void awaitFailedAttempts(Path log) throws IOException {
    Await.until(
        "three attempts failed",
        () ->
            Files.exists(log)
                && Files.readAllLines(log).stream()
                        .filter(line -> line.contains("XDS client connection error"))
                        .count()
                    >= 3);
  }

  private String call() throws IOException {
    return PodSockets.exchange(client, server.ipv4(), PORT, "hello world");
  }

  @Test
  void whatIsAwaitedIsShownBeforeTheMeshIsKnown() {
    assertEquals("500 not ready, pending: state manager, workload proxy manager\n", whileAway);
    assertTrue(
        metricsWhileAway.contains("\nworkload_manager_active_proxy_count 0\n"), metricsWhileAway);
    assertTrue(dumpWhileAway.contains("\"workloadState\": {}"), dumpWhileAway);
  }

  @Test
  void trafficAndPoliciesAreThoseOfTheControlPlane() throws Exception {
    Journal log = Journal.now(daemon);
    assertEquals(REPLY, call());
    String line = log.awaitAny("access", "direction=\"inbound\"");
    assertTrue(
        line.contains("src.identity=\"" + io.ztunnel.bench.scenarios.Entry.identity(client)), line);
    PodSockets.isReset(client, server.ipv4(), OTHER_PORT);

    Map<String, Double> counters = Counters.read(daemon);
    assertTrue(Counters.sum(counters, "istio_xds_message_total") >= 2, counters::toString);
    assertTrue(Counters.sum(counters, "istio_xds_message_bytes_total") > 100, counters::toString);
    assertTrue(
        Counters.sum(counters, "istio_xds_connection_terminations_total") >= 3, counters::toString);
    Journal whole = Journal.whole(daemon);
    assertTrue(
        whole
            .awaitAny("Stream established")
            .matches(".*\txds::client:xds\\{id=\\d+}\tStream established\t"));
    assertTrue(
        whole
            .awaitAny("handling RBAC update deny-other")
            .matches(".*\txds:xds\\{id=\\d+}\thandling RBAC update deny-other\t"));
    control.put(AUTHORIZATION, WireMesh.denyPort("deny-nothing", 9));
    control.remove(AUTHORIZATION, List.of("shop/deny-nothing"));
    whole.awaitAny("handling RBAC delete shop/deny-nothing");
  }

  @Test
  void theLastKnownStateGoesOnWhileTheControlPlaneIsAway() throws Exception {
    control.stopListening();
    assertEquals(REPLY, call());
    PodSockets.isReset(client, server.ipv4(), OTHER_PORT);
    control.put(AUTHORIZATION, WireMesh.denyPort("deny-other", PORT));
    assertEquals(REPLY, call());
    control.listen();
    Await.until("the new policy holds", () -> isRefused(PORT));
    assertEquals(REPLY, PodSockets.exchange(client, server.ipv4(), OTHER_PORT, "hello world"));

    control.put(AUTHORIZATION, WireMesh.denyPort("deny-other", OTHER_PORT));
    Await.until("the old policy holds again", () -> isRefused(OTHER_PORT));
    assertEquals(REPLY, call());
  }

  private boolean isRefused(int port) {
    try {
      return !PodSockets.exchange(client, server.ipv4(), port, "hello world").equals(REPLY);
    } catch (IOException _) {
      return true;
    }
  }

  @Test
  void aStreamThatDiesIsOpenedAgainWithWhatIsHeld() throws Exception {
    int stream = control.streamCount();
    control.endStreams(Status.INTERNAL.withDescription("planned by the test"));
    Map<String, String> echo =
        control.awaitFirst(stream + 1, ADDRESS).getInitialResourceVersionsMap();
    assertTrue(echo.containsKey("lab//Pod/shop/server"), echo::toString);
    assertEquals(REPLY, call());
    assertTrue(
        control.headers().getLast().toString().contains("Bearer a-token"),
        () -> control.headers().getLast().toString());
  }

  @Test
  void aBrokenResourceAmongGoodOnesIsRejectedAlone() throws Exception {
    Journal log = Journal.now(daemon);
    control.put(
        ADDRESS,
        WireWorkload.named("good-1").at(InetAddress.ofLiteral("10.99.0.1")).entry(),
        WireMesh.broken("lab//Pod/shop/broken"),
        Entry.of("", WireWorkload.named("nameless").entry().payload()),
        WireWorkload.named("good-2").at(InetAddress.ofLiteral("10.99.0.2")).entry());
    String reason =
        control
            .await(
                "NACK of the broken resource",
                one -> one.request().getErrorDetail().getMessage().contains("/broken: "))
            .request()
            .getErrorDetail()
            .getMessage();
    assertTrue(reason.contains("; : name: empty"), reason);
    log.awaitAny("resource rejected", "name=\"lab//Pod/shop/broken\"");
    String dump = daemon.configDump();
    assertTrue(dump.contains("lab//Pod/shop/good-1") && dump.contains("lab//Pod/shop/good-2"));
    assertFalse(dump.contains("nameless"));
    assertEquals(REPLY, call());
    control.remove(ADDRESS, List.of("", "lab//Pod/shop/broken"));
  }

  @Test
  void anUnknownTypeIsLeftAlone() throws Exception {
    Journal log = Journal.now(daemon);
    String type = "type.googleapis.com/istio.workload.Unheard";
    control.sendUnasked(type, List.of(WireWorkload.named("other").entry()));
    control.await(
        "ACK of the unknown type",
        one -> one.request().getTypeUrl().equals(type) && !one.request().hasErrorDetail());
    log.awaitAny("unknown type", type);
    assertEquals(REPLY, call());
  }

  @Test
  void fiftyThousandWorkloadsComeAndGoWhileConnectionsAreMade() throws Exception {
    List<Entry> many =
        IntStream.range(0, 50_000)
            .mapToObj(
                i ->
                    WireWorkload.named("many-" + i)
                        .at(
                            InetAddress.ofLiteral(
                                "10.%d.%d.%d".formatted(100 + i / 65536, i / 256 % 256, i % 256)))
                        .entry())
            .toList();
    control.put(ADDRESS, many);
    for (int i = 0; i < 20; i++) {
      assertEquals(REPLY, call());
    }
    Await.until("all are there", () -> daemon.configDump().contains("many-49999\""));
    control.remove(ADDRESS, many.stream().map(Entry::name).toList());
    for (int i = 0; i < 20; i++) {
      assertEquals(REPLY, call());
    }
    Await.until("all are gone", () -> !daemon.configDump().contains("/many-"));
  }

  @Test
  void aResponseOfAHundredMebibytesIsTaken() throws Exception {
    Journal log = Journal.now(daemon);
    List<Entry> heavy =
        IntStream.range(0, 400)
            .mapToObj(i -> WireWorkload.named("heavy-" + i).weighing(256 << 10).entry())
            .toList();
    control.put(ADDRESS, heavy);
    log.awaitAny("received response", "size=400");
    assertEquals(REPLY, call());
    Await.until("all are there", () -> daemon.configDump().contains("/heavy-399\""));
    control.remove(ADDRESS, heavy.stream().map(Entry::name).toList());
    Await.until("all are gone", () -> !daemon.configDump().contains("/heavy-"));
  }

  @Test
  void aControlPlaneThatGivesConnectionsBackEverySecondIsFollowed() throws Exception {
    int stream = restless.streamCount();
    for (int i = 0; i < 4; i++) {
      String name = "restless-" + i;
      restless.put(
          ADDRESS,
          WireWorkload.named(name).at(InetAddress.ofLiteral("10.98.0." + (i + 1))).entry());
      Await.until(name + " is known", () -> ofRestless.configDump().contains("/" + name + "\""));
      int before = restless.streamCount();
      Await.until("the next stream", () -> restless.streamCount() > before);
    }
    assertTrue(restless.streamCount() >= stream + 4);
    assertEquals(
        List.of(),
        ofRestless.logLines().stream().filter(line -> line.contains("XDS client error")).toList(),
        "an orderly end is no error");
  }

  @Test
  void onDemandOnlyWhatConnectionsNeedIsAskedFor() throws Exception {
    onDemand.add(onDemandPod, "shop", onDemandPod.name());
    sparing.put(ADDRESS, WireWorkload.of(onDemandPod).entry()); // of its node, so told unasked
    sparing.awaitAnswers();
    assertFalse(onDemand.configDump().contains("/shop/server\""));

    assertEquals(REPLY, PodSockets.exchange(onDemandPod, server.ipv4(), PORT, "hello world"));
    sparing.await(
        "the demand",
        one ->
            one.request()
                .getResourceNamesSubscribeList()
                .contains("/" + server.ipv4().getHostAddress()));
    assertTrue(onDemand.configDump().contains("/shop/server\""));
    assertFalse(onDemand.configDump().contains("/shop/wanderer\""));
    assertThrows(
        IOException.class,
        () -> PodSockets.exchange(onDemandPod, server.ipv4(), PORT + 10, "nobody listens"));
  }

  @Test
  void onDemandTheServiceThatATunnelNamesIsAskedFor() throws Exception {
    WireWorkload pod = WireWorkload.of(called).serving("named", 80, PORT);
    InetAddress vip = InetAddress.ofLiteral("10.96.0.80");
    sparing.put(ADDRESS, pod.entry(), WireMesh.service("named", vip, 80, PORT));
    onDemand.add(called, "shop", called.name());
    sparing.awaitAnswers();
    assertFalse(onDemand.configDump().contains(vip.getHostAddress()), "not asked for yet");

    try (MeshClient peer = new MeshClient(scene.lab(), outsider, CALLER)) {
      ConnectRequest byName =
          new ConnectRequest("named.shop.svc.cluster.local:80", null, null, null, "elsewhere");
      assertEquals(REPLY, peer.connect(called, byName).exchange("hello world"));
      ConnectRequest unknown =
          new ConnectRequest("other.shop.svc.cluster.local:80", null, null, null, "elsewhere");
      assertEquals(503, peer.connect(called, unknown).status());
    }
    assertTrue(onDemand.configDump().contains(vip.getHostAddress()));
  }

  /** A call to a service has the control plane asked for what takes its tunnels, and dials that. */
  private void assertAskedForAndDialled(
      String key, InetAddress service, InetAddress address, String uid) throws Exception {
    onDemand.add(onDemandPod, "shop", onDemandPod.name());
    Journal log = Journal.now(onDemand);
    assertThrows(
        IOException.class, () -> PodSockets.exchange(onDemandPod, service, 80, "nobody listens"));
    sparing.await("the demand", one -> one.request().getResourceNamesSubscribeList().contains(key));
    String line = log.awaitAny("access", address.getHostAddress() + ":15008");
    assertTrue(line.contains(uid), line);
  }

  @Test
  void onDemandTheGatewayIntoTheNetworkOfAnEndpointIsAskedFor() throws Exception {
    InetAddress vip = InetAddress.ofLiteral("10.96.0.81");
    InetAddress gateway = onDemandPod.node().ipv4(); // where nobody takes tunnels
    sparing.put(
        ADDRESS,
        WireWorkload.of(onDemandPod).entry(),
        WireMesh.service("abroad", vip, 80, PORT),
        WireWorkload.gateway("far", gateway).entry(),
        WireWorkload.behind(gateway, "far", "far-cluster", "abroad", 3)
            .serving("abroad", 80, PORT)
            .entry());
    assertAskedForAndDialled(
        "far/" + gateway.getHostAddress(), vip, gateway, "NetworkGateway/far/");
  }

  @Test
  void onDemandTheWaypointOfAServiceIsAskedFor() throws Exception {
    InetAddress vip = InetAddress.ofLiteral("10.96.0.82");
    InetAddress nobody = onDemandPod.node().ipv4(); // takes no tunnels
    sparing.put(
        ADDRESS,
        WireWorkload.of(onDemandPod).entry(),
        WireMesh.guardedService("guarded", vip, 80, PORT, "gate"),
        WireMesh.service("gate", InetAddress.ofLiteral("10.96.0.83"), 15008, 15008),
        WireWorkload.named("gate-pod").at(nobody).serving("gate", 15008, 15008).entry());
    assertAskedForAndDialled("shop/gate.shop.svc.cluster.local", vip, nobody, "gate-pod");
  }
}
