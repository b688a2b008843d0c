package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Names;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.bench.lab.UpstreamNameServer;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.PortUnreachableException;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Questions of pods, which go to whatever name server, and are answered by the daemon. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DnsIT {
  /** Where the pods' own configuration sends them; nobody is there. */
  private static final InetAddress NOBODY = InetAddress.ofLiteral("10.96.0.10");

  private static final InetAddress NOBODY_V6 = InetAddress.ofLiteral("fd00:96::10");
  private static final InetAddress OUTSIDE = InetAddress.ofLiteral("192.0.2.1");
  private static final Duration DIG_DEADLINE = Duration.ofSeconds(20);
  private static final Map<String, String> SETTINGS =
      Map.of("RUST_LOG", "info,dns=debug", "UNSTABLE_ENABLE_SOCKS5", "true");

  private Scene scene;
  private UpstreamNameServer upstream;
  private UpstreamNameServer upstreamOfLeaving;
  private Lab.Node leavingNode;
  private Lab.Pod client;
  private Lab.Pod ipv4Only;
  private Lab.Pod server;
  private Lab.Pod leaving;
  private Daemon daemon;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("dns");
    Lab.Node node = scene.lab().addNode();
    leavingNode = scene.lab().addNode();
    client = scene.pod(node, "client");
    server = scene.pod(node, "server");
    ipv4Only = node.addPod("small", Lab.Without.IPV6);
    scene.workload(Entry.workload(ipv4Only, ipv4Only.ipv4()));
    leaving = scene.pod(leavingNode, "leaving");
    scene.service(
        Entry.service("web", "10.96.1.1", "{80: 8080}")
            .with("vips", "[\"/10.96.1.1\", \"/fd00:96::1:1\"]"));
    scene.service(Entry.service("direct", "", "{8080: 8080}").with("vips", "[]"));
    scene.workload(
        Entry.workload(server, server.ipv4(), server.ipv6()).serving("direct", 8080, 8080));
    scene.app(server, 8080, App.saying("found"));
    upstream = upstream(node);
    upstreamOfLeaving = upstream(leavingNode);
    daemon = scene.daemon(node, SETTINGS, client, server, ipv4Only);
  }

  private UpstreamNameServer upstream(Lab.Node node) throws IOException {
    UpstreamNameServer made = new UpstreamNameServer(node);
    scene.closeLater(made);
    made.on("www.example.com.", OUTSIDE);
    made.on("silent.example.com.", (_, _) -> List.of());
    made.on(
        "long.example.com.",
        (question, way) ->
            List.of(
                switch (way) {
                  case UDP -> question.truncated();
                  case TCP -> question.answer(0, List.of(OUTSIDE));
                }));
    made.on(
        "liar.example.com.",
        (question, _) -> {
          byte[] lie = question.answer(0, List.of(InetAddress.ofLiteral("6.6.6.6")));
          lie[1] ^= 1;
          return List.of(lie, question.answer(0, List.of(OUTSIDE)));
        });
    return made;
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private static Names.Answer mesh(String... records) {
    return new Names.Answer(0, true, List.of(records));
  }

  private static Names.Answer forwarded(String... records) {
    return new Names.Answer(0, false, List.of(records));
  }

  @ParameterizedTest
  @CsvSource({"UDP, false", "UDP, true", "TCP, false", "TCP, true"})
  void aServiceIsAnsweredByEveryWay(Names.Way way, boolean ipv6) throws Exception {
    InetAddress asked = ipv6 ? NOBODY_V6 : NOBODY;
    assertEquals(mesh("10.96.1.1"), Names.ask(client, asked, way, "web.shop", Names.A));
    assertEquals(
        mesh("fd00:96:0:0:0:0:1:1"), Names.ask(client, asked, way, "web.shop", Names.AAAA));
    assertEquals(
        mesh("-> web.shop.", "10.96.1.1"),
        Names.ask(client, asked, way, "web.shop.shop.svc.cluster.local", Names.A));
  }

  @Test
  void aHeadlessServiceIsItsPods() throws Exception {
    assertEquals(
        mesh(server.ipv4().getHostAddress()),
        Names.ask(client, NOBODY, Names.Way.UDP, "direct", Names.A));
  }

  @Test
  void aPodWithoutIpv6IsServedOnIpv4() throws Exception {
    assertEquals(mesh("10.96.1.1"), Names.ask(ipv4Only, NOBODY, Names.Way.UDP, "web", Names.A));
  }

  @ParameterizedTest
  @EnumSource(Names.Way.class)
  void otherNamesAreAskedForFromThePodItself(Names.Way way) throws Exception {
    assertEquals(
        forwarded(OUTSIDE.getHostAddress()),
        Names.ask(client, NOBODY, way, "www.example.com", Names.A));
    assertEquals(
        new Names.Answer(3, false, List.of()),
        Names.ask(client, NOBODY, way, "unknown.example.com", Names.A));
    Set<InetAddress> asking = upstream.clients();
    assertTrue(asking.contains(client.ipv4()), asking::toString);
    assertFalse(asking.contains(client.node().ipv4()), asking::toString);
  }

  @Test
  void aTruncatedAnswerIsFetchedByTcp() throws Exception {
    assertEquals(
        forwarded(OUTSIDE.getHostAddress()),
        Names.ask(client, NOBODY, Names.Way.UDP, "long.example.com", Names.A));
    assertTrue(
        upstream.questions().contains("TCP long.example.com."), upstream.questions()::toString);
  }

  @Test
  void aLieIsNotPassedOn() throws Exception {
    assertEquals(
        forwarded(OUTSIDE.getHostAddress()),
        Names.ask(client, NOBODY, Names.Way.UDP, "liar.example.com", Names.A));
  }

  @Test
  void aSilentNameServerHarmsItsQuestionOnly() throws Exception {
    FutureTask<Names.Answer> silent =
        new FutureTask<>(
            () -> Names.ask(client, NOBODY, Names.Way.UDP, "silent.example.com", Names.A));
    Thread.ofPlatform().daemon().start(silent);
    Await.until(
        "the question is forwarded",
        () -> upstream.questions().contains("UDP silent.example.com."));
    assertEquals(
        forwarded(OUTSIDE.getHostAddress()),
        Names.ask(client, NOBODY, Names.Way.UDP, "www.example.com", Names.A));
    assertFalse(silent.isDone(), "answered before two seconds have passed");
    assertEquals(new Names.Answer(2, false, List.of()), silent.get(10, TimeUnit.SECONDS));
  }

  @Test
  void questionsAreCountedAndLogged() throws Exception {
    Journal log = Journal.now(daemon);
    Counters before = Counters.of(daemon);
    Names.ask(server, NOBODY, Names.Way.UDP, "WEB", Names.A);
    Names.ask(server, NOBODY, Names.Way.TCP, "www.example.com", Names.AAAA);
    Names.ask(server, NOBODY, Names.Way.UDP, "missing.example.com", Names.A);
    String labels =
        "{request_query_type=\"%s\",request_protocol=\"%s\",source_canonical_service=\"server-name\",source_canonical_revision=\"v1\"}";
    assertEquals(
        Map.of(
            "istio_dns_requests_total" + labels.formatted("a", "udp"), 2.0,
            "istio_dns_requests_total" + labels.formatted("aaaa", "tcp"), 1.0),
        before.growth("istio_dns_requests_total"));
    assertEquals(2, before.growth("istio_dns_upstream_requests_total", "server-name"));
    assertEquals(
        2, before.growth("istio_dns_upstream_request_duration_seconds_count", "server-name"));
    for (String line :
        List.of(
            "src.workload=\"server\" src.namespace=\"shop\" query=\"A\" domain=\"web.\" result=\"success\" endpoints=1",
            "src.workload=\"server\" src.namespace=\"shop\" query=\"AAAA\" domain=\"www.example.com.\" result=\"forwarded\" endpoints=1",
            "src.workload=\"server\" src.namespace=\"shop\" query=\"A\" domain=\"missing.example.com.\" result=\"forwarding failed (NXDOMAIN)\" endpoints=0")) {
      assertTrue(log.awaitAny(line).contains("\tdebug\tdns\tsrc.workload"), line);
    }
  }

  @Test
  void aRealResolverAgrees() throws Exception {
    Requirements.assumeLabWith("dig");
    for (List<String> options :
        List.of(List.<String>of(), List.of("+tcp"), List.of("+noedns"), List.of("+dnssec"))) {
      List<String> command =
          new ArrayList<>(List.of("dig", "@" + NOBODY.getHostAddress(), "+short", "+tries=1"));
      command.addAll(options);
      command.addAll(List.of("web.shop.svc.cluster.local", "www.example.com"));
      Lab.Output output = client.exec(DIG_DEADLINE, command.toArray(String[]::new));
      assertEquals("10.96.1.1\n192.0.2.1\n", output.out(), () -> options + ": " + output);
    }
  }

  @Test
  void aNameIsTakenBySocks() throws Exception {
    assertEquals("05000001000000000000" + hex("found"), socks("direct.shop", 8080));
  }

  @ParameterizedTest
  @CsvSource({"unknown.example.com", "silent.example.com"})
  void aNameThatLeadsNowhereIsAnswered4BySocks(String name) throws Exception {
    assertEquals("05040001000000000000", socks(name, 80));
  }

  private static String hex(String text) {
    return HexFormat.of().formatHex(text.getBytes(US_ASCII));
  }

  /** Asks for a connection to a name; returns all that comes after the greeting. */
  private String socks(String name, int port) throws IOException {
    try (Socket socket = PodSockets.connect(client, InetAddress.ofLiteral("127.0.0.1"), 15080)) {
      String request =
          "050100"
              + "05010003"
              + HexFormat.of().toHexDigits((byte) name.length())
              + hex(name)
              + HexFormat.of().toHexDigits((short) port);
      socket.getOutputStream().write(HexFormat.of().parseHex(request));
      socket.shutdownOutput();
      String answer = HexFormat.of().formatHex(socket.getInputStream().readAllBytes());
      assertTrue(answer.startsWith("0500"), answer);
      return answer.substring(4);
    }
  }

  @Test
  void aDaemonThatEndsAnswersWhatItWasAsked() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch ending = new CountDownLatch(1);
    upstreamOfLeaving.on(
        "slow.example.com.",
        (question, _) -> {
          asked.countDown();
          try {
            assertTrue(ending.await(5, TimeUnit.SECONDS));
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
          return List.of(question.answer(0, List.of(OUTSIDE)));
        });
    Daemon ends = scene.daemon(leavingNode, SETTINGS, leaving);
    FutureTask<Names.Answer> answer =
        new FutureTask<>(
            () -> Names.ask(leaving, NOBODY, Names.Way.UDP, "slow.example.com", Names.A));
    Thread.ofPlatform().daemon().start(answer);
    assertTrue(asked.await(5, TimeUnit.SECONDS));
    Journal log = Journal.now(ends);
    boolean _ = ProcessHandle.of(ends.pid()).orElseThrow().destroy();
    String _ = log.awaitAny("shutting down");
    ending.countDown();
    assertEquals(forwarded(OUTSIDE.getHostAddress()), answer.get(5, TimeUnit.SECONDS));
    assertEquals(0, ends.awaitExit(Duration.ofSeconds(10)));
    assertThrows(
        PortUnreachableException.class,
        () -> Names.ask(leaving, NOBODY, Names.Way.UDP, "web", Names.A));
  }
}
