package io.ztunnel.dns;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.Await;
import io.ztunnel.MetricsText;
import io.ztunnel.log.LogCapture;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.DnsMetrics;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Transport;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.PortUnreachableException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The server on loopback, with name servers that do as the test says. */
class DnsServerTest {
  private static final InetAddress LOCALHOST = InetAddress.ofLiteral("127.0.0.1");
  private static final Duration TIMEOUT = Duration.ofMillis(400);
  private static final int A = RecordType.A;
  private static final String LARGE =
      IntStream.range(0, 256).mapToObj(i -> "/10.1.0." + i).reduce((a, b) -> a + ", " + b).get();
  private static final String MESH =
      """
      workloads:
      - {uid: client, name: client, namespace: shop, node: node-a, canonicalName: till, canonicalRevision: v7,
         workloadIps: [10.0.0.1], services: {}}
      services:
      - {name: web, namespace: shop, hostname: web.shop.svc.cluster.local, vips: [/10.96.0.1], ports: {80: 80}}
      - {name: large, namespace: shop, hostname: large.example.com, vips: [%s], ports: {80: 80}}
      """
          .formatted(LARGE);

  private final EventLoopGroup loops = new EventLoops(Transport.EPOLL, 2);
  private final EventExecutor control = new DefaultEventExecutor();
  private final MeshRegistry registry = new MeshRegistry();
  private final AnswerMemory memory = new AnswerMemory(1 << 20);
  private final DnsMetrics metrics =
      new DnsMetrics(registry, Duration.ofHours(1), System::nanoTime);
  private final List<FakeNameServer> nameServers = new ArrayList<>();
  private MeshState mesh;
  private NetworkNamespace namespace;

  /** So many questions may be on their way at a time. */
  private static final int BURST = 32;

  private FakeNameServer upstream;
  private @Nullable DnsServer server;
  private @Nullable ServiceDemand demand;
  private final List<NamespacedHostname> touched = new CopyOnWriteArrayList<>();
  private boolean clientKnown = true;
  private InetSocketAddress address;

  @BeforeEach
  void open() throws Exception {
    namespace = NetworkNamespace.current();
    upstream = nameServer();
    mesh = new MeshState(control, "node-a");
    replaceMesh(MESH);
    try (ServerSocket free = new ServerSocket(0, 1, LOCALHOST)) {
      address = new InetSocketAddress(LOCALHOST, free.getLocalPort());
    }
  }

  private void replaceMesh(String yaml) throws Exception {
    boolean _ =
        control
            .submit(
                () -> {
                  TestMesh.config(yaml).replace(mesh);
                  return true;
                })
            .get(5, TimeUnit.SECONDS);
  }

  @AfterEach
  void close() throws Exception {
    if (server != null) {
      assertTrue(server.close().await(5, TimeUnit.SECONDS), "does not close");
    }
    for (FakeNameServer nameServer : nameServers) {
      nameServer.close();
    }
    boolean _ = loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).await(6, TimeUnit.SECONDS);
    boolean _ = control.shutdownGracefully(0, 5, TimeUnit.SECONDS).await(6, TimeUnit.SECONDS);
    namespace.close();
    registry.close();
  }

  private FakeNameServer nameServer() throws IOException {
    FakeNameServer nameServer = new FakeNameServer();
    nameServers.add(nameServer);
    return nameServer;
  }

  private DnsServer server(InetSocketAddress... servers) throws IOException {
    DnsContext context =
        new DnsContext(
            new DnsContext.Address.Exact(address),
            () ->
                new DnsContext.Start(
                    new LookupSettings(
                        "cluster.local", null, true, new SearchDomains.OfNamespace()),
                    new ResolverSettings(List.of(servers), TIMEOUT, 2, false)),
            mesh,
            demand,
            metrics,
            memory,
            new Random(),
            System::nanoTime);
    SocketSettings settings =
        new SocketSettings(
            true,
            OptionalInt.empty(),
            false,
            SocketSettings.Transparency.NEVER,
            new SocketSettings.Keepalive(false, Duration.ofMinutes(1), Duration.ofMinutes(1), 1),
            false);
    return new DnsServer(
        loops.next(),
        context,
        new SocketFactory(Transport.EPOLL, namespace, settings),
        loop -> {
          Workload client = TestMesh.workload(mesh.view(), "client");
          return clientKnown
              ? loop.newSucceededFuture(client)
              : loop.newFailedFuture(new IOException("workload unknown"));
        });
  }

  private void start(InetSocketAddress... servers) throws Exception {
    DnsServer created = server(servers);
    Future<Void> started = created.start();
    assertTrue(started.await(5, TimeUnit.SECONDS));
    assertTrue(started.isSuccess(), () -> String.valueOf(started.cause()));
    server = created;
  }

  private void start() throws Exception {
    start(upstream.address());
  }

  private String ask(String name) throws Exception {
    return DnsClient.ask(address, name, A);
  }

  private String samples(String prefix) throws IOException {
    return MetricsText.of(registry)
        .lines()
        .filter(line -> line.startsWith(prefix))
        .reduce((a, b) -> a + "\n" + b)
        .orElse("");
  }

  private static ResourceRecord record(String owner, String ip, long ttlSeconds) {
    return ResourceRecord.address(
        DnsClient.question(owner, A).name(), InetAddress.ofLiteral(ip), ttlSeconds);
  }

  private static ResourceRecord alias(String owner, String target) {
    return ResourceRecord.alias(
        DnsClient.question(owner, A).name(), DnsClient.question(target, A).name(), 60);
  }

  @Test
  void namesOfTheMeshAreAnsweredAndNobodyElseIsAsked() throws Exception {
    start();
    assertEquals("NOERROR aa [web. 30 A 10.96.0.1]", ask("WEB"));
    assertEquals("NOERROR aa []", DnsClient.ask(address, "web", RecordType.AAAA));
    assertEquals(List.of(), upstream.questions());
    assertEquals(
        "istio_dns_requests_total{request_query_type=\"a\",request_protocol=\"udp\",source_canonical_service=\"till\",source_canonical_revision=\"v7\"} 1\n"
            + "istio_dns_requests_total{request_query_type=\"aaaa\",request_protocol=\"udp\",source_canonical_service=\"till\",source_canonical_revision=\"v7\"} 1",
        samples("istio_dns_"));
  }

  @Test
  void nothingIsRememberedBeyondTheEnd() throws Exception {
    upstream.on("www.example.org.", "192.0.2.1", 60);
    start();
    assertEquals("NOERROR [www.example.org. 60 A 192.0.2.1]", ask("www.example.org"));
    assertTrue(memory.bytes() > 0);
    assertTrue(Objects.requireNonNull(server).close().await(5, TimeUnit.SECONDS));
    assertEquals(0, memory.bytes());
  }

  @Test
  void otherNamesAreForwardedOnceAndThenRemembered() throws Exception {
    upstream.on("www.example.org.", "192.0.2.1", 60);
    start();
    assertEquals("NOERROR [www.example.org. 60 A 192.0.2.1]", ask("www.example.org"));
    assertTrue(ask("www.example.org").matches("NOERROR \\[www.example.org. (60|59) A 192.0.2.1]"));
    assertEquals(List.of("udp A www.example.org."), upstream.questions());
    String labels =
        "{request_query_type=\"a\",request_protocol=\"udp\",source_canonical_service=\"till\",source_canonical_revision=\"v7\"";
    assertEquals(
        "istio_dns_upstream_requests_total" + labels + "} 2",
        samples("istio_dns_upstream_requests"));
    assertEquals(
        "istio_dns_upstream_request_duration_seconds_bucket" + labels + ",le=\"+Inf\"} 2",
        samples("istio_dns_upstream_request_duration_seconds_bucket" + labels + ",le=\"+"));
    assertEquals("", samples("istio_dns_upstream_failures"));
  }

  @Test
  void anAnswerThatMayNotBeKeptIsAskedForAgain() throws Exception {
    upstream.on("www.example.org.", "192.0.2.1", 0);
    start();
    assertEquals("NOERROR [www.example.org. 0 A 192.0.2.1]", ask("www.example.org"));
    assertEquals("NOERROR [www.example.org. 0 A 192.0.2.1]", ask("www.example.org"));
    assertEquals(2, upstream.questions().size());
  }

  @Test
  void otherTypesAreForwardedEvenForNamesOfTheMesh() throws Exception {
    start();
    assertEquals(
        "NXDOMAIN []", DnsClient.ask(address, "web.shop.svc.cluster.local", RecordType.NS));
    assertEquals(List.of("udp NS web.shop.svc.cluster.local."), upstream.questions());
  }

  @Test
  void codesOfNameServersArePassedOn() throws Exception {
    upstream.on("refused.", asked -> List.of(asked.error(ResponseCode.REFUSED)));
    upstream.on("broken.", asked -> List.of(asked.error(ResponseCode.SERVER_FAILURE)));
    upstream.on("nothing.", asked -> List.of(asked.found()));
    start();
    assertEquals("REFUSED []", ask("refused"));
    assertEquals("SERVFAIL []", ask("broken"));
    assertEquals("NXDOMAIN []", ask("unknown"));
    assertEquals("NOERROR []", ask("nothing"));
    assertTrue(samples("istio_dns_upstream_failures_total").endsWith(" 2"), "two are failures");
    assertEquals(4, upstream.questions().size(), "an answer is not asked for again");
  }

  @Test
  void aliasesAreFollowedAndPassedOn() throws Exception {
    upstream.on("one.", asked -> List.of(asked.found(alias("one", "two"), alias("two", "three"))));
    upstream.on("three.", "192.0.2.3", 60);
    start();
    assertEquals(
        "NOERROR [one. 60 CNAME two., two. 60 CNAME three., three. 60 A 192.0.2.3]", ask("one"));
    assertEquals(List.of("udp A one.", "udp A three."), upstream.questions());
  }

  @Test
  void aliasesInACircleComeToAnEnd() throws Exception {
    upstream.on("one.", asked -> List.of(asked.found(alias("one", "two"))));
    upstream.on("two.", asked -> List.of(asked.found(alias("two", "one"))));
    start();
    assertEquals("SERVFAIL []", ask("one"));
    assertEquals(9, upstream.questions().size());
  }

  @Test
  void recordsThatNobodyAskedForAreNotPassedOn() throws Exception {
    upstream.on(
        "www.",
        asked ->
            List.of(asked.found(record("www", "192.0.2.1", 60), record("bank", "6.6.6.6", 60))));
    start();
    assertEquals("NOERROR [www. 60 A 192.0.2.1]", ask("www"));
  }

  @Test
  void aTruncatedAnswerIsFetchedByTcp() throws Exception {
    upstream.on(
        "long.",
        asked ->
            List.of(
                asked.tcp() ? asked.found(record("long", "192.0.2.1", 60)) : asked.truncated()));
    start();
    assertEquals("NOERROR [long. 60 A 192.0.2.1]", ask("long"));
    assertEquals(List.of("udp A long.", "tcp A long."), upstream.questions());
  }

  @Test
  void aLiarIsIgnoredAndTheTruthAwaited() throws Exception {
    upstream.on(
        "www.",
        asked -> {
          byte[] wrongId = asked.found(record("www", "6.6.6.6", 60));
          wrongId[0] ^= 1;
          byte[] wrongName = asked.found(record("www", "6.6.6.6", 60));
          wrongName[13] = 'x';
          byte[] aQuestion = asked.found(record("www", "6.6.6.6", 60));
          aQuestion[2] &= 0x7f;
          return List.of(
              wrongId,
              wrongName,
              aQuestion,
              new byte[3],
              asked.found(record("www", "192.0.2.1", 60)));
        });
    start();
    assertEquals("NOERROR [www. 60 A 192.0.2.1]", ask("www"));
  }

  @Test
  void aLiarByTcpHarmsItsQuestionOnly() throws Exception {
    upstream.on(
        "long.",
        asked -> {
          byte[] wrongId = asked.found();
          wrongId[0] ^= 1;
          return List.of(asked.tcp() ? wrongId : asked.truncated());
        });
    upstream.on("www.", "192.0.2.1", 60);
    start();
    assertEquals("SERVFAIL []", ask("long"));
    assertEquals("NOERROR [www. 60 A 192.0.2.1]", ask("www"));
  }

  @Test
  void aSilentServerHarmsItsQuestionOnlyAndNotForLong() throws Exception {
    upstream.on("silent.", _ -> List.of());
    upstream.on("www.", "192.0.2.1", 60);
    start();
    long began = System.nanoTime();
    CountDownLatch asking = new CountDownLatch(1);
    Thread other =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    asking.countDown();
                    assertEquals("NOERROR [www. 60 A 192.0.2.1]", ask("www"));
                  } catch (Exception e) {
                    throw new AssertionError(e);
                  }
                });
    assertEquals("SERVFAIL []", ask("silent"));
    long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
    other.join(5_000);
    assertFalse(other.isAlive());
    assertTrue(millis >= 790, millis + " ms for two attempts");
    assertEquals(2, upstream.questions().stream().filter("udp A silent."::equals).count());
  }

  @Test
  void twoServersAreAskedAtOnceAndTheFirstGoodAnswerWins() throws Exception {
    FakeNameServer silent = nameServer();
    silent.on("www.", _ -> List.of());
    FakeNameServer broken = nameServer();
    broken.on("www.", asked -> List.of(asked.error(ResponseCode.SERVER_FAILURE)));
    upstream.on("www.", "192.0.2.1", 0);
    start(silent.address(), upstream.address(), broken.address());
    assertEquals("NOERROR [www. 0 A 192.0.2.1]", ask("www"));
    assertEquals(List.of(), broken.questions());
  }

  @Test
  void theNextServersAreAskedWhenTheFirstAreInTrouble() throws Exception {
    FakeNameServer broken = nameServer();
    broken.on("www.", asked -> List.of(asked.error(ResponseCode.SERVER_FAILURE)));
    FakeNameServer refusing = nameServer();
    refusing.on("www.", asked -> List.of(asked.error(ResponseCode.REFUSED)));
    upstream.on("www.", "192.0.2.1", 60);
    start(broken.address(), refusing.address(), upstream.address());
    assertEquals("NOERROR [www. 60 A 192.0.2.1]", ask("www"));
  }

  @Test
  void aServerThatIsNotThereIsNotWaitedFor() throws Exception {
    InetSocketAddress nobody = upstream.address();
    upstream.close();
    start(nobody);
    long began = System.nanoTime();
    try (LogCapture log = LogCapture.plain("dns=debug")) {
      assertEquals("SERVFAIL []", ask("www"));
      String line = log.lines().getFirst();
      String reason = "forwarding failed (%s: ".formatted(NetUtil.toSocketAddressString(nobody));
      assertTrue(line.contains(reason) && line.contains("Connection refused"), line);
      assertFalse(line.contains("Exception"), line);
    }
    assertTrue(
        System.nanoTime() - began < TIMEOUT.toNanos() * 2, "waited for a server that is not there");
  }

  @Test
  void equalQuestionsAtOneTimeAreOne() throws Exception {
    upstream.on("silent.", _ -> List.of());
    start();
    List<Thread> askers = new ArrayList<>();
    List<String> answers = new CopyOnWriteArrayList<>();
    for (int i = 0; i < 20; i++) {
      askers.add(
          Thread.ofPlatform()
              .start(
                  () -> {
                    try {
                      answers.add(ask("silent"));
                    } catch (Exception e) {
                      answers.add(e.toString());
                    }
                  }));
    }
    for (Thread asker : askers) {
      asker.join(10_000);
    }
    assertEquals(Collections.nCopies(20, "SERVFAIL []"), answers);
    assertTrue(upstream.questions().size() < 20, upstream.questions()::toString);
  }

  /** So that no socket's buffer runs over. */
  private void awaitQuestions(int count) throws Exception {
    Await.until(count + " questions", () -> upstream.questions().size() >= count);
  }

  @Test
  void questionsAboveTheBoundAreRefusedAtOnce() throws Exception {
    start();
    int many = Forwarder.MAX_QUESTIONS + 50;
    for (int i = 0; i < many; i++) {
      upstream.on("n" + i + ".", _ -> List.of());
    }
    try (DatagramSocket socket = new DatagramSocket()) {
      socket.setSoTimeout(DnsClient.TIMEOUT_MILLIS);
      socket.connect(address);
      for (int i = 0; i < many; i++) {
        byte[] request = DnsClient.request(DnsClient.question("n" + i, A), false);
        socket.send(new DatagramPacket(request, request.length));
        awaitQuestions(Math.min(i + 1, Forwarder.MAX_QUESTIONS) - BURST);
      }
      DatagramPacket answer = new DatagramPacket(new byte[512], 512);
      for (int i = 0; i < many; i++) {
        socket.receive(answer);
        assertEquals(ResponseCode.SERVER_FAILURE, answer.getData()[3] & 0xf);
      }
    }
    upstream.on("www.", "192.0.2.1", 60);
    assertEquals("NOERROR [www. 60 A 192.0.2.1]", ask("www"));
  }

  @Test
  void aLargeAnswerIsWholeByTcpAndMarkedByUdp() throws Exception {
    start();
    Question question = DnsClient.question("large.example.com", A);
    byte[] request = DnsClient.request(question, true);
    byte[] udp = DnsClient.udp(address, request);
    assertEquals(74, ((udp[6] & 0xff) << 8) | (udp[7] & 0xff));
    assertEquals("NOERROR aa tc []", DnsClient.text(udp, question));
    byte[] tcp = DnsClient.tcp(address, request);
    assertEquals(256, ((tcp[6] & 0xff) << 8) | (tcp[7] & 0xff));
    assertTrue(samples("istio_dns_requests_total").contains("request_protocol=\"tcp\""));
  }

  @Test
  void oneConnectionCarriesManyQuestionsInOrder() throws Exception {
    upstream.on("www.", "192.0.2.1", 60);
    start();
    Question first = DnsClient.question("www", A);
    Question second = DnsClient.question("web", A);
    try (Socket socket = DnsClient.connect(address)) {
      for (int i = 0; i < 50; i++) {
        DnsClient.send(socket, DnsClient.request(first, false));
        DnsClient.send(socket, DnsClient.request(second, false));
      }
      socket.shutdownOutput();
      for (int i = 0; i < 50; i++) {
        assertTrue(DnsClient.text(DnsClient.receive(socket), first).contains("192.0.2.1"));
        assertTrue(DnsClient.text(DnsClient.receive(socket), second).contains("10.96.0.1"));
      }
      assertEquals(-1, socket.getInputStream().read());
    }
  }

  /** With an option that fills it up (RFC 7830). */
  private static byte[] padded(Question question, int length) {
    byte[] request = Arrays.copyOf(DnsClient.request(question, true), length);
    int options = length - DnsClient.request(question, true).length;
    int at = length - options;
    byte[] header = {0, 12, (byte) ((options - 4) >> 8), (byte) (options - 4)};
    System.arraycopy(header, 0, request, at, header.length);
    request[at - 2] = (byte) (options >> 8);
    request[at - 1] = (byte) options;
    return request;
  }

  @Test
  void aQuestionThatTakesMoreThanOneReadIsAnswered() throws Exception {
    start();
    Question question = DnsClient.question("web", A);
    try (Socket socket = DnsClient.connect(address)) {
      for (int i = 0; i < 3; i++) {
        DnsClient.send(socket, padded(question, 4000));
        assertEquals(
            "NOERROR aa [web. 30 A 10.96.0.1]",
            DnsClient.text(DnsClient.receive(socket), question));
      }
    }
  }

  @Test
  void aQuestionByTcpIsAsLongAsByUdpAtMost() throws Exception {
    start();
    Question question = DnsClient.question("web", A);
    assertEquals(
        "NOERROR aa [web. 30 A 10.96.0.1]",
        DnsClient.text(DnsClient.tcp(address, padded(question, 4096)), question));
    try (Socket socket = DnsClient.connect(address)) {
      DnsClient.send(socket, padded(question, 4097));
      assertThrows(IOException.class, () -> DnsClient.receive(socket)); // the end, or a reset
    }
  }

  @Test
  void aConnectionWithoutAQuestionIsEndedAfterFiveSeconds() throws Exception {
    start();
    long began = System.nanoTime();
    try (Socket silent = DnsClient.connect(address);
        Socket halfALength = DnsClient.connect(address);
        Socket partOfAQuestion = DnsClient.connect(address)) {
      halfALength.getOutputStream().write(HexFormat.of().parseHex("00"));
      partOfAQuestion.getOutputStream().write(HexFormat.of().parseHex("0100aaaa"));
      for (Socket socket : List.of(silent, halfALength, partOfAQuestion)) {
        assertEquals(-1, socket.getInputStream().read());
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        assertTrue(millis > 4_500 && millis < 9_000, millis + " ms");
      }
    }
  }

  @Test
  void connectionsAboveTheBoundAreEndedAtOnce() throws Exception {
    start();
    List<Socket> sockets = new ArrayList<>();
    try {
      for (int i = 0; i < DnsServer.MAX_CONNECTIONS; i++) {
        sockets.add(DnsClient.connect(address));
      }
      try (Socket oneMore = DnsClient.connect(address)) {
        oneMore.setSoTimeout(3_000); // less than idle ones may stay
        assertEquals(-1, oneMore.getInputStream().read());
      }
    } finally {
      for (Socket socket : sockets) {
        socket.close();
      }
    }
  }

  @Test
  void answersSentToTheServerAreIgnored() throws Exception {
    start();
    byte[] answer = DnsClient.request(DnsClient.question("web", A), false);
    answer[2] |= (byte) 0x80;
    try (Socket socket = DnsClient.connect(address)) {
      for (int i = 0; i < 3_000; i++) {
        DnsClient.send(socket, answer);
      }
      Question question = DnsClient.question("web", A);
      DnsClient.send(socket, DnsClient.request(question, false));
      assertEquals(
          "NOERROR aa [web. 30 A 10.96.0.1]", DnsClient.text(DnsClient.receive(socket), question));
    }
  }

  @Test
  void aClientThatTheMeshDoesNotKnowGetsAnError() throws Exception {
    clientKnown = false;
    start();
    assertEquals("SERVFAIL []", ask("web"));
    assertTrue(
        samples("istio_dns_requests_total").contains("source_canonical_service=\"unknown\""));
  }

  /** Answers demands so, and notes what is used. */
  private ServiceDemand demand(
      BiFunction<EventLoop, List<NamespacedHostname>, Future<Void>> answer) {
    return new ServiceDemand() {
      @Override
      public Future<Void> demand(EventLoop loop, List<NamespacedHostname> keys) {
        return answer.apply(loop, keys);
      }

      @Override
      public void touch(NamespacedHostname service) {
        touched.add(service);
      }
    };
  }

  @Test
  void aServiceThatIsKnownCountsAsUsedAndIsNotAskedFor() throws Exception {
    demand = demand((loop, keys) -> loop.newFailedFuture(new AssertionError(keys)));
    start();
    assertEquals("NOERROR aa [web.shop. 30 A 10.96.0.1]", ask("web.shop"));
    assertEquals(List.of(new NamespacedHostname("shop", "web.shop.svc.cluster.local")), touched);
  }

  @Test
  void aServiceThatTheControlPlaneShowsOnDemandIsAnswered() throws Exception {
    List<List<NamespacedHostname>> demanded = new CopyOnWriteArrayList<>();
    demand =
        demand(
            (loop, keys) -> {
              demanded.add(keys);
              var done = loop.<Void>newPromise();
              Thread.ofPlatform()
                  .start(
                      () -> {
                        try {
                          replaceMesh(MESH.replace("web", "late"));
                          done.setSuccess(null);
                        } catch (Exception e) {
                          done.setFailure(e);
                        }
                      });
              return done;
            });
    start();
    assertEquals("NOERROR aa [late.shop. 30 A 10.96.0.1]", ask("late.shop"));
    assertEquals(
        List.of(List.of(new NamespacedHostname("shop", "late.shop.svc.cluster.local"))), demanded);
    assertEquals(List.of(), upstream.questions());
  }

  @Test
  void aControlPlaneThatDoesNotAnswerHoldsAQuestionUpForTwoSeconds() throws Exception {
    demand = demand((loop, _) -> loop.newPromise());
    upstream.on("late.shop.", "192.0.2.1", 60);
    start();
    assertEquals("NOERROR [late.shop. 60 A 192.0.2.1]", ask("late.shop"));
  }

  @Test
  void manyQuestionsDoNotUseUpWhatOthersMayAskOfTheControlPlane() throws Exception {
    AtomicInteger demanded = new AtomicInteger();
    demand =
        demand(
            (loop, keys) -> {
              demanded.addAndGet(keys.size());
              return loop.newPromise();
            });
    start();
    int questions = NameService.MAX_DEMANDED + 100;
    List<Future<List<InetAddress>>> asked = new ArrayList<>();
    for (int i = 0; i < questions; i++) {
      asked.add(Objects.requireNonNull(server).resolve(loops.next(), "n" + i + ".shop"));
    }
    for (Future<List<InetAddress>> one : asked) {
      assertTrue(one.await(10, TimeUnit.SECONDS));
    }
    assertTrue(
        demanded.get() <= NameService.MAX_DEMANDED && demanded.get() > NameService.MAX_DEMANDED - 5,
        demanded::toString);
  }

  @Test
  void addressesForSocksAreThoseOfTheServer() throws Exception {
    upstream.on("www.", "192.0.2.1", 60);
    start();
    assertEquals(List.of(InetAddress.ofLiteral("10.96.0.1")), resolve("web").getNow());
    assertEquals(List.of(InetAddress.ofLiteral("192.0.2.1")), resolve("WWW").getNow());
    for (String name : List.of("unknown", "a..b", ".", "x".repeat(64))) {
      assertInstanceOf(UnknownHostException.class, resolve(name).cause(), name);
    }
  }

  private Future<List<InetAddress>> resolve(String name) throws Exception {
    Future<List<InetAddress>> resolved = Objects.requireNonNull(server).resolve(loops.next(), name);
    assertTrue(resolved.await(5, TimeUnit.SECONDS));
    return resolved;
  }

  @Test
  void aPortThatIsTakenFailsTheStartAndLeavesNothingBound() throws Exception {
    try (ServerSocket _ = new ServerSocket(address.getPort(), 1, LOCALHOST)) {
      DnsServer failing = server(upstream.address());
      Future<Void> started = failing.start();
      assertTrue(started.await(5, TimeUnit.SECONDS));
      String message = String.valueOf(started.cause().getMessage());
      assertTrue(
          message.startsWith("failed to bind to address 127.0.0.1:" + address.getPort() + ": "),
          message);
      assertTrue(failing.closed().isDone());
      new DatagramSocket(address).close();
    }
  }

  @Test
  void settingsThatCannotBeReadFailTheServer() {
    assertThrows(IllegalArgumentException.class, this::server);
  }

  @Test
  void anIdleServerDrainsAtOnceAndIsGone() throws Exception {
    start();
    assertEquals("NOERROR aa [web. 30 A 10.96.0.1]", ask("web"));
    try (Socket idle = DnsClient.connect(address)) {
      DnsClient.send(idle, DnsClient.request(DnsClient.question("web", A), false));
      byte[] _ = DnsClient.receive(idle); // accepted, that is
      assertTrue(Objects.requireNonNull(server).drain().await(2, TimeUnit.SECONDS));
      assertEquals(-1, idle.getInputStream().read());
    }
    assertThrows(PortUnreachableException.class, () -> ask("web"));
  }

  @Test
  void aClientThatHasJustConnectedIsAnsweredInADrain() throws Exception {
    start();
    try (Socket fresh = DnsClient.connect(address);
        Socket next = DnsClient.connect(address)) {
      DnsClient.send(next, DnsClient.request(DnsClient.question("web", A), false));
      byte[] _ = DnsClient.receive(next); // accepted, and so the one before it
      Future<Void> drained = Objects.requireNonNull(server).drain();
      assertFalse(drained.await(100, TimeUnit.MILLISECONDS), "does not wait for its question");
      Question question = DnsClient.question("web", A);
      DnsClient.send(fresh, DnsClient.request(question, false));
      assertEquals(
          "NOERROR aa [web. 30 A 10.96.0.1]", DnsClient.text(DnsClient.receive(fresh), question));
      assertTrue(drained.await(2, TimeUnit.SECONDS));
      assertEquals(-1, fresh.getInputStream().read());
    }
  }

  @Test
  void aDrainWaitsForTheAnswersThatAreUnderWay() throws Exception {
    CountDownLatch draining = new CountDownLatch(1);
    upstream.on(
        "slow.",
        it -> {
          try {
            assertTrue(draining.await(5, TimeUnit.SECONDS));
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
          return List.of(it.found(record("slow", "192.0.2.1", 60)));
        });
    start();
    List<String> answers = new CopyOnWriteArrayList<>();
    Question question = DnsClient.question("slow", A);
    Thread udp = Thread.ofPlatform().start(() -> answers.add(asking(() -> ask("slow"))));
    Thread tcp =
        Thread.ofPlatform()
            .start(
                () ->
                    answers.add(
                        asking(
                            () ->
                                DnsClient.text(
                                    DnsClient.tcp(address, DnsClient.request(question, false)),
                                    question))));
    // Equal questions are one for the name server: look at those who wait here.
    Await.until(
        "both asked", () -> samples("istio_dns_upstream_requests_total").lines().count() >= 2);
    Future<Void> drained = Objects.requireNonNull(server).drain();
    assertFalse(drained.await(100, TimeUnit.MILLISECONDS), "does not wait");
    draining.countDown();
    assertTrue(drained.await(5, TimeUnit.SECONDS));
    udp.join(5_000);
    tcp.join(5_000);
    assertEquals(
        List.of("NOERROR [slow. 60 A 192.0.2.1]", "NOERROR [slow. 60 A 192.0.2.1]"), answers);
  }

  @Test
  void aDrainAnswersAllThatWaitsInTheSocketOfDatagrams() throws Exception {
    start();
    int waiting = 64; // more than the loop reads in one turn
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(2);
    CountDownLatch over = new CountDownLatch(1);
    for (EventExecutor loop : loops) { // one of them is the server's
      loop.execute(() -> await(asked));
    }
    try (DatagramSocket client = new DatagramSocket()) {
      client.setSoTimeout(5_000);
      Question question = DnsClient.question("web", A);
      byte[] request = DnsClient.request(question, false);
      for (int i = 0; i < waiting; i++) {
        client.send(new DatagramPacket(request, request.length, address));
      }
      Future<Void> drained = Objects.requireNonNull(server).drain();
      for (EventExecutor loop : loops) {
        loop.execute(
            () -> {
              begun.countDown();
              await(over);
            });
      }
      asked.countDown();
      await(begun);
      assertFalse(drained.await(50, TimeUnit.MILLISECONDS), "does not read what waits");
      over.countDown();
      for (int i = 0; i < waiting; i++) {
        DatagramPacket answer = new DatagramPacket(new byte[512], 512);
        client.receive(answer);
        assertEquals(
            "NOERROR aa [web. 30 A 10.96.0.1]",
            DnsClient.text(Arrays.copyOf(answer.getData(), answer.getLength()), question));
      }
      assertTrue(drained.await(2, TimeUnit.SECONDS));
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertTrue(latch.await(5, TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private interface Asking {
    String ask() throws Exception;
  }

  private static String asking(Asking asking) {
    try {
      return asking.ask();
    } catch (Exception e) {
      return e.toString();
    }
  }

  @Test
  void aCloseDoesNotWait() throws Exception {
    upstream.on("silent.", _ -> List.of());
    start();
    Question question = DnsClient.question("silent", A);
    try (Socket socket = DnsClient.connect(address)) {
      DnsClient.send(socket, DnsClient.request(question, false));
      awaitQuestions(1);
      assertTrue(
          Objects.requireNonNull(server).close().await(300, TimeUnit.MILLISECONDS),
          "waits for an answer");
    }
  }
}
