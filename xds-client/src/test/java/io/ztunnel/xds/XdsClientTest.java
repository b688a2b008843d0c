package io.ztunnel.xds;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static io.ztunnel.xds.FakeControlPlane.AUTHORIZATION;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.grpc.Metadata;
import io.grpc.Status;
import io.netty.buffer.Unpooled;
import io.ztunnel.xds.FakeControlPlane.Entry;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The client against a real gRPC server over TLS on loopback. */
class XdsClientTest {
  private final ControlPlanePki pki = ControlPlanePki.create("xds test root");
  private final ControlPlaneChannels channels = new ControlPlaneChannels();
  private final RecordingWatcher addresses = new RecordingWatcher();
  private final RecordingWatcher policies = new RecordingWatcher();
  private final RecordingXdsObserver observer = new RecordingXdsObserver();
  private final List<AutoCloseable> open = new ArrayList<>();
  private @Nullable FakeControlPlane server;
  private RootSource roots = new RootSource.Pem(pki.rootPem());
  private TokenSource token = new TokenSource.None();
  private String host = "localhost";
  private @Nullable String alternateName;

  @TempDir private Path directory;

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable one : open.reversed()) {
      one.close();
    }
    channels.close();
  }

  private FakeControlPlane serve() {
    return serve(FakeControlPlane.options());
  }

  private FakeControlPlane serve(FakeControlPlane.Options options) {
    FakeControlPlane started = options.start(pki);
    open.add(started);
    server = started;
    return started;
  }

  private XdsClient connect() {
    return connect(Subscription.Mode.WILDCARD, Duration.ofSeconds(10), 100);
  }

  private XdsClient connect(Subscription.Mode mode, Duration demandTimeout, int maxDemanded) {
    int port = Objects.requireNonNull(server, "no server was started").port();
    XdsClient client =
        new XdsClient(
            new ControlPlane(
                URI.create("https://" + host + ":" + port),
                roots,
                alternateName,
                TlsPolicy.defaults(),
                token,
                "cluster-1",
                Map.of("x-custom", "value")),
            new XdsSettings(
                new XdsNode(
                    "ztunnel~1.1.1.1~pod.ns~ns.svc.cluster.local",
                    Struct.newBuilder()
                        .putFields("NODE_NAME", Value.newBuilder().setStringValue("n1").build())
                        .build()),
                List.of(
                    new Subscription(ADDRESS, mode, addresses),
                    new Subscription(AUTHORIZATION, Subscription.Mode.WILDCARD, policies)),
                demandTimeout,
                maxDemanded),
            channels,
            observer,
            System::nanoTime,
            new SplittableRandom(7));
    open.add(client);
    client.start();
    return client;
  }

  private static Entry entry(String name, String payload) {
    return Entry.of(name, payload.getBytes(UTF_8));
  }

  private void awaitWarm() throws InterruptedException {
    assertTrue(observer.warm.await(30, TimeUnit.SECONDS), () -> "ends: " + observer.ends);
  }

  private void awaitHeld(Map<String, String> expected) throws InterruptedException {
    Await.until(
        expected + " are held", () -> addresses.held.equals(expected), () -> addresses.held);
  }

  @Test
  void firstRequestsSayWhoWeAreAndComeInOrder() throws InterruptedException {
    FakeControlPlane control = serve();
    token = new TokenSource.Token(" secret\n");
    connect();
    awaitWarm();

    List<DeltaDiscoveryRequest> first =
        control.received().stream().map(FakeControlPlane.Received::request).limit(2).toList();
    assertEquals(
        List.of(ADDRESS, AUTHORIZATION),
        first.stream().map(DeltaDiscoveryRequest::getTypeUrl).toList());
    for (DeltaDiscoveryRequest request : first) {
      assertEquals("ztunnel~1.1.1.1~pod.ns~ns.svc.cluster.local", request.getNode().getId());
      assertEquals(
          "n1", request.getNode().getMetadata().getFieldsOrThrow("NODE_NAME").getStringValue());
      assertEquals(0, request.getResourceNamesSubscribeCount());
      assertEquals(0, request.getResourceNamesUnsubscribeCount());
      assertEquals(Map.of(), request.getInitialResourceVersionsMap());
    }
    DeltaDiscoveryRequest ack = control.awaitAnswer(1, ADDRESS, false);
    assertFalse(ack.hasNode(), "the node is said once");
    Metadata headers = control.headers().getFirst();
    assertEquals("Bearer secret", header(headers, "authorization"));
    assertEquals("cluster-1", header(headers, "clusterid"));
    assertEquals("value", header(headers, "x-custom"));
  }

  private static @Nullable String header(Metadata headers, String name) {
    return headers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
  }

  @Test
  void warmOnlyWhenBothTypesAreAcknowledged() throws InterruptedException {
    FakeControlPlane control = serve();
    control.put(ADDRESS, entry("a", "1"));
    control.put(AUTHORIZATION, entry("p", "bad"));
    connect();
    control.awaitAnswer(1, ADDRESS, false);
    assertEquals(
        "p: payload: bad (expected: a good one)",
        control.awaitAnswer(1, AUTHORIZATION, true).getErrorDetail().getMessage());
    assertEquals(1, observer.warm.getCount(), "a response that was not acknowledged counts not");

    control.put(AUTHORIZATION, entry("p", "good"));
    awaitWarm();
    assertEquals(Map.of("a", "1"), addresses.held);
    assertEquals(Map.of("p", "good"), policies.held);
  }

  @Test
  void itsThreadGivesWayToOthersOnceTheMeshIsKnownAndNotBefore() throws InterruptedException {
    FakeControlPlane control = serve();
    List<Integer> priorities = new CopyOnWriteArrayList<>();
    addresses.onPut = () -> priorities.add(Thread.currentThread().getPriority());
    control.put(ADDRESS, entry("a", "1"));
    connect();
    awaitWarm();
    control.put(ADDRESS, entry("b", "2"));
    awaitHeld(Map.of("a", "1", "b", "2"));
    assertEquals(List.of(Thread.NORM_PRIORITY, Thread.MIN_PRIORITY), priorities);
  }

  @Test
  void brokenResourcesAreRejectedAloneAndByName() throws InterruptedException {
    FakeControlPlane control = serve();
    control.put(
        ADDRESS,
        entry("good-1", "1"),
        entry("broken-1", "bad one"),
        entry("", "nameless"),
        entry("broken-2", "bad two"),
        entry("good-2", "2"));
    connect();

    assertEquals(
        "broken-1: payload: bad one (expected: a good one); "
            + ": name: empty (expected: the name of the resource); "
            + "broken-2: payload: bad two (expected: a good one)",
        control.awaitAnswer(1, ADDRESS, true).getErrorDetail().getMessage());
    awaitHeld(Map.of("good-1", "1", "good-2", "2"));
    assertEquals(3, observer.rejections.size());
  }

  @Test
  void reconnectEchoesWhatWasTaken() throws InterruptedException {
    FakeControlPlane control = serve();
    Entry good = entry("good", "1");
    control.put(ADDRESS, good, entry("broken", "bad"), entry("texty", "2").version("v1/x"));
    connect();
    control.awaitAnswer(1, ADDRESS, true);
    control.endStreams(Status.UNAVAILABLE.withDescription("transport is closing"));

    assertEquals(
        Map.of("good", good.version(), "texty", "v1/x"),
        control.awaitFirst(2, ADDRESS).getInitialResourceVersionsMap());
    assertEquals(Map.of(), control.awaitFirst(2, AUTHORIZATION).getInitialResourceVersionsMap());
  }

  @Test
  void stateStaysWhileTheControlPlaneIsAwayAndRemovalsArriveAfterwards()
      throws InterruptedException {
    FakeControlPlane control = serve();
    control.put(ADDRESS, entry("a", "1"), entry("b", "2"));
    connect();
    awaitWarm();
    control.stopListening();
    Await.until("two attempts failed", () -> observer.ends.size() >= 3, () -> observer.ends);
    assertEquals(Map.of("a", "1", "b", "2"), addresses.held);

    control.remove(ADDRESS, List.of("a"));
    control.put(ADDRESS, entry("b", "3"));
    control.listen();
    awaitHeld(Map.of("b", "3"));
    assertEquals(1, observer.warmings.get());
  }

  @Test
  void moreThanARequestCanSayLosesNoRemoval() throws InterruptedException {
    FakeControlPlane control = serve();
    String padding = "x".repeat(80);
    List<Entry> many =
        IntStream.range(0, 60_000)
            .mapToObj(i -> entry("cluster//Pod/ns/" + padding + i, "p" + i))
            .toList();
    control.put(ADDRESS, many);
    connect();
    awaitWarm();
    assertEquals(60_000, addresses.held.size());

    control.stopListening();
    List<String> gone =
        IntStream.range(0, 60_000)
            .filter(i -> i % 2 == 0)
            .mapToObj(i -> many.get(i).name())
            .toList();
    control.remove(ADDRESS, gone);
    control.put(ADDRESS, entry("new", "n"));
    Await.until("two attempts failed", () -> observer.ends.size() >= 3, () -> observer.ends);
    assertEquals(List.of(), observer.echoed, "nobody is there to hear it");
    control.listen();
    Await.until(
        "30,001 are left", () -> addresses.held.size() == 30_001, () -> addresses.held.size());
    gone.forEach(name -> assertFalse(addresses.held.containsKey(name), name));
    assertTrue(observer.echoed.getFirst() > 20_000, () -> "echoed: " + observer.echoed);
    assertTrue(observer.swept.getFirst() > 1_000, () -> "swept: " + observer.swept);

    // And once it fits, everything is echoed.
    control.remove(ADDRESS, many.stream().map(Entry::name).toList());
    awaitHeld(Map.of("new", "n"));
    control.endStreams(Status.UNAVAILABLE);
    int stream = control.streamCount();
    DeltaDiscoveryRequest next = control.awaitFirst(stream + 1, ADDRESS);
    assertEquals(1, next.getInitialResourceVersionsCount());
  }

  @Test
  void fiftyThousandRemovalsAtOnce() throws InterruptedException {
    FakeControlPlane control = serve();
    control.put(
        ADDRESS, IntStream.range(0, 50_001).mapToObj(i -> entry("w" + i, "p" + i)).toList());
    connect();
    awaitWarm();
    control.remove(ADDRESS, IntStream.range(0, 50_000).mapToObj(i -> "w" + i).toList());
    awaitHeld(Map.of("w50000", "p50000"));
  }

  @Test
  void aResponseOfAHundredMebibytesIsTaken() throws InterruptedException {
    FakeControlPlane control = serve();
    String large = "z".repeat(1 << 20);
    control.put(ADDRESS, IntStream.range(0, 100).mapToObj(i -> entry("w" + i, large)).toList());
    connect();
    awaitWarm();
    assertEquals(100, addresses.held.size());
    assertEquals(100L << 20, observer.payloadBytes.get());
  }

  @Test
  void unknownTypesAreAcknowledgedAndIgnored() throws InterruptedException {
    FakeControlPlane control = serve();
    connect();
    awaitWarm();
    control.sendUnasked("type.googleapis.com/some.Other", List.of(entry("o", "1")));
    control.awaitAnswer(1, "type.googleapis.com/some.Other", false);
    // The server takes the acknowledgement for a subscription, and may answer it.
    assertEquals(Set.of("type.googleapis.com/some.Other"), Set.copyOf(observer.unknownTypes));
    assertEquals(Set.of(ADDRESS, AUTHORIZATION), Set.copyOf(observer.types), "told of one way");
    control.put(ADDRESS, entry("a", "1"));
    awaitHeld(Map.of("a", "1"));
  }

  @Test
  void aBrokenResponseEndsTheStreamAndNothingElse() throws InterruptedException {
    FakeControlPlane control = serve();
    control.put(ADDRESS, entry("a", "1"));
    connect();
    awaitWarm();
    control.sendRaw(new byte[] {0x12, 0x7f, 1, 2, 3});
    control.awaitFirst(2, ADDRESS);
    assertEquals(StreamEnd.Kind.ERROR, observer.ends.getFirst().end().kind());
    assertEquals(Map.of("a", "1"), addresses.held);
    control.put(ADDRESS, entry("b", "2"));
    awaitHeld(Map.of("a", "1", "b", "2"));
  }

  @Test
  void ofAResponseThatIsCutOffNothingIsInEffectAndAllIsAskedForAgain() throws Exception {
    FakeControlPlane control = serve();
    Entry a = entry("a", "1");
    control.put(ADDRESS, a, entry("gone", "2"));
    connect();
    awaitWarm();
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch cut = new CountDownLatch(1);
    addresses.onPut =
        () -> {
          begun.countDown();
          Await.latch(cut);
        };
    String large = "z".repeat(1 << 20);
    control.remove(ADDRESS, List.of("gone"));
    control.put(ADDRESS, IntStream.range(0, 30).mapToObj(i -> entry("w" + i, large)).toList());
    Await.latch(begun);
    control.stopListening();
    cut.countDown();
    Await.until("the stream ends", () -> !observer.ends.isEmpty(), () -> observer.ends);
    assertEquals(Set.of("a"), addresses.held.keySet());

    control.remove(ADDRESS, List.of("w0"));
    control.refuse(Status.UNAVAILABLE); // a stream that brings nothing changes nothing of it
    control.listen();
    Await.until("two are refused", () -> control.streamCount() >= 3, () -> observer.ends);
    control.refuse(null);
    Await.until("all is there", () -> addresses.held.size() == 30, () -> addresses.held.keySet());
    assertFalse(addresses.held.containsKey("w0"), "it was never in effect");
    Map<String, String> echo =
        control.awaitFirst(control.streamCount(), ADDRESS).getInitialResourceVersionsMap();
    assertEquals(a.version(), echo.get("a"));
    echo.forEach(
        (name, version) -> assertEquals(name.startsWith("w"), version.isEmpty(), () -> echo + ""));
  }

  @Test
  void aResourceWithoutAPayloadIsRejectedAloneWhereverItStands() throws Exception {
    FakeControlPlane control = serve();
    connect();
    awaitWarm();
    byte[] rest =
        FakeControlPlane.response(ADDRESS, "n", List.of(entry("a", "1")), List.of(), false);
    control.sendRaw(joined(new byte[] {0x12, 3, 0x1a, 1, 'x'}, rest));
    assertEquals(
        "x: XDS payload without resource",
        control.awaitAnswer(1, ADDRESS, true).getErrorDetail().getMessage());
    awaitHeld(Map.of("a", "1"));
  }

  @Test
  void aResourceWhosePayloadIsBrokenIsRejectedAloneAndByName() throws Exception {
    FakeControlPlane control = serve();
    connect();
    awaitWarm();
    byte[] typeOfSixteenMebibytes = {0x0a, (byte) 0x80, (byte) 0x80, (byte) 0x80, 0x08};
    byte[] broken =
        joined(
            new byte[] {0x12, 10, 0x12, (byte) typeOfSixteenMebibytes.length},
            typeOfSixteenMebibytes,
            new byte[] {0x1a, 1, 'x'});
    byte[] rest =
        FakeControlPlane.response(ADDRESS, "n", List.of(entry("a", "1")), List.of(), false);
    control.sendRaw(joined(broken, rest));
    String told = control.awaitAnswer(1, ADDRESS, true).getErrorDetail().getMessage();
    assertTrue(told.startsWith("x: decode error: "), told);
    awaitHeld(Map.of("a", "1"));
    assertEquals(List.of(), observer.ends);
  }

  @Test
  void whatIsOfAForeignTypeIsReadAsWhatTheResponseIsOfWhereverItStands() throws Exception {
    FakeControlPlane control = serve();
    connect();
    awaitWarm();
    byte[] foreign =
        FakeControlPlane.response(
            "example.com/Unknown",
            "",
            List.of(entry("good", "1"), entry("x", "bad")),
            List.of(),
            false);
    byte[] rest =
        FakeControlPlane.response(ADDRESS, "n", List.of(entry("a", "1")), List.of(), false);
    control.sendRaw(joined(foreign, rest));
    assertEquals(
        "x: payload: bad (expected: a good one)",
        control.awaitAnswer(1, ADDRESS, true).getErrorDetail().getMessage());
    awaitHeld(Map.of("good", "1", "a", "1"));
    assertEquals(List.of(), observer.ends);
  }

  @Test
  void aLargeResponseOfAnUnknownTypeIsPassedOver() throws Exception {
    FakeControlPlane control = serve();
    control.put(ADDRESS, entry("a", "1"));
    connect();
    awaitWarm();
    List<Entry> many = IntStream.range(0, 1000).mapToObj(i -> entry("u" + i, "1")).toList();
    control.sendRaw(FakeControlPlane.response("example.com/Unknown", "n", many, List.of(), false));
    control.put(ADDRESS, entry("b", "2"));
    awaitHeld(Map.of("a", "1", "b", "2"));
    assertEquals(List.of(), observer.ends);
  }

  @Test
  void aResponseWhoseResourcesAreOfAnotherTypeEndsTheStream() throws Exception {
    FakeControlPlane control = serve();
    control.put(ADDRESS, entry("a", "1"));
    connect();
    awaitWarm();
    byte[] foreign =
        FakeControlPlane.response(AUTHORIZATION, "n", List.of(entry("p", "1")), List.of(), false);
    byte[] type = ADDRESS.getBytes(UTF_8);
    control.sendRaw(joined(foreign, new byte[] {0x22, (byte) type.length}, type));
    control.awaitFirst(2, ADDRESS);
    StreamEnd end = observer.ends.getFirst().end();
    assertTrue(end.detail().contains(AUTHORIZATION), end::detail);
    assertEquals(Map.of(), policies.held);
    assertEquals(Map.of("a", "1"), addresses.held);
  }

  private static byte[] joined(byte[]... parts) {
    return Unpooled.wrappedBuffer(parts).copy().array();
  }

  @Test
  void aStreamBeginsWhenWhatTheLastOneBroughtIsInEffect() throws InterruptedException {
    FakeControlPlane control = serve();
    connect();
    awaitWarm();
    Executor slowly = CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS);
    CountDownLatch begun = new CountDownLatch(1);
    addresses.applying =
        change -> {
          begun.countDown();
          slowly.execute(change);
        };
    control.put(ADDRESS, entry("a", "1"));
    Await.latch(begun);
    control.endStreams(Status.UNAVAILABLE.withDescription("planned by the test"));
    control.awaitFirst(2, ADDRESS);
    assertEquals(Map.of("a", "1"), addresses.held);
  }

  @Test
  void aResponseThatCouldNotBeAppliedIsAskedForAgain() throws InterruptedException {
    FakeControlPlane control = serve();
    control.put(ADDRESS, entry("a", "1"), entry("b", "2"));
    addresses.failures.set(1);
    connect();
    awaitHeld(Map.of("a", "1", "b", "2"));
    assertEquals(
        Map.of("a", "", "b", ""), control.awaitFirst(2, ADDRESS).getInitialResourceVersionsMap());
    awaitWarm();
  }

  @Test
  void aRemovalThatCouldNotBeAppliedIsToldAgain() throws InterruptedException {
    FakeControlPlane control = serve();
    control.put(ADDRESS, entry("a", "1"), entry("b", "2"));
    connect();
    awaitWarm();
    addresses.failures.set(1);
    control.remove(ADDRESS, List.of("a"));
    awaitHeld(Map.of("b", "2"));
    assertEquals(
        Set.of("a", "b"), control.awaitFirst(2, ADDRESS).getInitialResourceVersionsMap().keySet());
  }

  @Test
  void connectionsGivenBackAllTheTimeLoseNothing() throws InterruptedException {
    FakeControlPlane control =
        serve(FakeControlPlane.options().connectionAge(Duration.ofMillis(700)));
    control.put(ADDRESS, entry("a", "1"));
    connect();
    awaitWarm();
    for (int i = 0; i < 4; i++) {
      int stream = control.streamCount();
      control.put(ADDRESS, entry("n" + i, "x"));
      Await.until("next stream", () -> control.streamCount() > stream, () -> observer.ends);
    }
    awaitHeld(Map.of("a", "1", "n0", "x", "n1", "x", "n2", "x", "n3", "x"));
    observer.ends.forEach(
        ended -> {
          assertTrue(ended.end().kind() != StreamEnd.Kind.ERROR, ended::toString);
          assertTrue(ended.pause().toMillis() < 500, () -> "healthy streams pause short: " + ended);
        });
  }

  @Test
  void attemptsThatFailAreMadeEverMoreRarely() throws InterruptedException {
    FakeControlPlane control = serve();
    control.refuse(Status.UNAUTHENTICATED.withDescription("authentication failure"));
    connect();
    Await.until("six attempts", () -> observer.ends.size() >= 6, () -> observer.ends);
    assertTrue(
        observer.ends.get(5).pause().toMillis() >= 160, () -> "10 ms, doubled: " + observer.ends);
    StreamEnd end = observer.ends.getFirst().end();
    assertEquals(StreamEnd.Kind.CONNECTION_ERROR, end.kind());
    assertTrue(end.detail().contains("hint: the log of the control plane"), end::detail);
    control.refuse(null);
    awaitWarm();
  }

  @Test
  void anAlternateNameIsAcceptedAndAWrongOneIsNot() throws InterruptedException {
    serve(FakeControlPlane.options().names("istiod.istio-system.svc"));
    connect();
    Await.until("refused", () -> !observer.ends.isEmpty(), () -> observer.ends);
    String detail = observer.ends.getFirst().end().detail();
    assertTrue(detail.contains("istiod.istio-system.svc") && detail.contains("localhost"), detail);

    alternateName = "istiod.istio-system.svc";
    connect();
    awaitWarm();
  }

  @Test
  void rootsAreReadAgainForEachAttempt() throws Exception {
    serve();
    Path file = directory.resolve("root.pem");
    roots = new RootSource.PemFile(file);
    connect();
    Await.until("two attempts", () -> observer.ends.size() >= 2, () -> observer.ends);
    assertEquals(StreamEnd.Kind.ERROR, observer.ends.getFirst().end().kind());
    Files.writeString(file, ControlPlanePki.create("another").rootPem());
    int before = observer.ends.size();
    Await.until(
        "not trusted",
        () ->
            observer.ends.stream()
                .skip(before)
                .anyMatch(ended -> ended.end().kind() == StreamEnd.Kind.CONNECTION_ERROR),
        () -> observer.ends);
    Files.writeString(file, pki.rootPem());
    awaitWarm();
  }

  @Test
  void tokensAreReadAgainForEachStream() throws Exception {
    FakeControlPlane control = serve();
    Path file = directory.resolve("token");
    Files.writeString(file, "");
    token = new TokenSource.TokenFile(file);
    connect();
    Await.until("refused", () -> !observer.ends.isEmpty(), () -> observer.ends);
    assertTrue(
        observer.ends.getFirst().end().detail().contains("is empty"),
        () -> observer.ends.toString());
    Files.writeString(file, "first");
    awaitWarm();
    Files.writeString(file, "second\n");
    control.endStreams(Status.UNAVAILABLE);
    control.awaitFirst(2, ADDRESS);
    assertEquals("Bearer second", header(control.headers().getLast(), "authorization"));
  }
}
