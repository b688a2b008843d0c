package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.redirection.proto.AddWorkload;
import io.ztunnel.redirection.proto.DelWorkload;
import io.ztunnel.redirection.proto.KeepWorkload;
import io.ztunnel.redirection.proto.SnapshotSent;
import io.ztunnel.redirection.proto.WorkloadInfo;
import io.ztunnel.redirection.proto.WorkloadRequest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@SuppressWarnings("try") // closing early is the point of some tests
class ZdsClientTest {
  private static final Duration DEADLINE = Duration.ofSeconds(5);
  private static final Path NETNS = Path.of("/proc/thread-self/ns/net");
  private static final Path OTHER_FILE = Path.of("/proc/self/status");

  @TempDir private Path directory;
  private final RecordingZdsHandler handler = new RecordingZdsHandler();
  private Path path;
  private CniAgent agent;
  private ZdsClient client;

  @BeforeEach
  void start() throws Exception {
    path = directory.resolve("ztunnel.sock");
    agent = new CniAgent(path);
    // Pauses are the business of ZdsReconnectTest; here none is waited for.
    client = new ZdsClient(path, handler, new Random(1), (_, stopping) -> stopping.getCount() == 0);
    client.start();
  }

  @AfterEach
  void stop() throws Exception {
    client.close();
    assertTrue(client.awaitStopped(DEADLINE));
    agent.close();
    handler.closeNamespaces();
  }

  @Test
  void helloAndAcksHaveTheExactBytes() throws Exception {
    try (CniAgent.Session session = agent.acceptSilently(DEADLINE)) {
      assertArrayEquals(new byte[] {8, 1}, session.receive(DEADLINE));
      session.send(snapshotSent(), List.of());
      assertArrayEquals(new byte[] {0x0a, 0}, session.receive(DEADLINE));
    }
  }

  @Test
  void everyMessageReachesTheHandlerInOrder() throws Exception {
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.add("u1", "web", "shop", "sa", NETNS));
      assertEquals("", session.keep("u2"));
      assertEquals("", session.delete("u3"));
      assertEquals("", session.snapshotSent());
      assertEquals(
          List.of("connected", "add u1 shop/web/sa", "keep u2", "delete u3", "snapshot sent"),
          handler.next(5));
    }
  }

  @Test
  void addCarriesTheVeryNamespace() throws Exception {
    try (CniAgent.Session session = agent.accept(DEADLINE);
        NetworkNamespace own = NetworkNamespace.current()) {
      assertEquals("", session.add("u1", "web", "shop", "sa", NETNS));
      assertEquals(own.identity(), handler.namespace().identity());
    }
  }

  @Test
  void saysNothingUnasked() throws Exception {
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.snapshotSent());
      assertTrue(session.isQuiet(Duration.ofMillis(50)));
    }
  }

  @Test
  void failedProxyIsReportedAndTheConnectionGoesOn() throws Exception {
    handler.answer(
        message ->
            message instanceof ZdsMessage.Add
                ? new ZdsReply.ProxyFailed("port 15008 is taken")
                : new ZdsReply.Ok());
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals(
          "failure to start proxy : port 15008 is taken",
          session.add("u1", "web", "shop", "sa", NETNS));
      assertEquals("", session.snapshotSent());
    }
  }

  @Test
  void failedProcessingIsReportedAndTheConnectionStartsAnew() throws Exception {
    handler.answer(_ -> new ZdsReply.ProcessingFailed("no idea"));
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("failure to process message : no idea", session.keep("u1"));
      assertTrue(session.isEnded(DEADLINE));
    }
    agent.accept(DEADLINE).close();
    assertEquals(
        List.of("connected", "keep u1", "disconnected: message failed: no idea", "connected"),
        handler.next(4));
  }

  @Test
  void protocolViolationIsReportedAndTheClientEnds() throws Exception {
    handler.answer(_ -> new ZdsReply.ProtocolViolation("keep after snapshot"));
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("failure to process message : keep after snapshot", session.keep("u1"));
      assertTrue(session.isEnded(DEADLINE));
    }
    assertTrue(client.awaitStopped(DEADLINE));
    assertEquals(
        List.of(
            "connected",
            "keep u1",
            "disconnected: keep after snapshot",
            "violation: keep after snapshot"),
        handler.next(4));
  }

  @Test
  void addWithoutInfoIsAProtocolViolation() throws Exception {
    Descriptors before;
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      before = Descriptors.now();
      WorkloadRequest request =
          WorkloadRequest.newBuilder().setAdd(AddWorkload.newBuilder().setUid("u1")).build();
      assertEquals(
          "failure to process message : protocol error: add of u1 without workload_info",
          session.exchange(request, List.of(NETNS)));
    }
    assertTrue(client.awaitStopped(DEADLINE));
    assertEquals("connected", handler.next());
    before.assertNoneLeaked();
  }

  @Test
  void handlerThatThrowsCostsItsNamespaceAndTheConnection() throws Exception {
    handler.answer(
        _ -> {
          throw new IllegalStateException("planned");
        });
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals(
          "failure to process message : java.lang.IllegalStateException: planned",
          session.add("u1", "web", "shop", "sa", NETNS));
      assertTrue(session.isEnded(DEADLINE));
    }
    IOException closed =
        assertThrows(IOException.class, () -> handler.namespace().call(() -> "inside"));
    assertTrue(closed.toString().endsWith("is closed"), closed::toString);
  }

  @Test
  void handlerThatFailsAtTheConnectIsTriedAgain() throws Exception {
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.snapshotSent());
      handler.failNextConnect();
    }
    try (CniAgent.Session session = agent.acceptSilently(DEADLINE)) {
      assertTrue(session.isEnded(DEADLINE));
    }
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.snapshotSent());
    }
  }

  static Stream<Arguments> unreadable() {
    WorkloadRequest add = add(10);
    WorkloadRequest delete =
        WorkloadRequest.newBuilder().setDel(DelWorkload.newBuilder().setUid("u")).build();
    return Stream.of(
        Arguments.of("garbage", bytes("garbage"), List.of(), "7 bytes that are no"),
        Arguments.of("garbage", bytes("garbage"), List.of(NETNS), "7 bytes that are no"),
        Arguments.of("no payload", new byte[] {0x22, 0}, List.of(), "no payload"),
        Arguments.of("no payload", new byte[] {0x22, 0}, List.of(NETNS), "no payload"),
        Arguments.of("nothing", new byte[0], List.of(NETNS), "no payload"),
        Arguments.of("add", add.toByteArray(), List.of(), "No control message"),
        Arguments.of("del", delete.toByteArray(), List.of(NETNS), "Unexpected control message"),
        Arguments.of("keep", keep().toByteArray(), List.of(NETNS), "Unexpected control message"),
        Arguments.of(
            "snapshot", snapshotSent().toByteArray(), List.of(NETNS), "Unexpected control message"),
        Arguments.of("add", add.toByteArray(), List.of(NETNS, NETNS), "2 file descriptors"),
        Arguments.of("add", add.toByteArray(), List.of(NETNS, OTHER_FILE), "2 file descriptors"),
        Arguments.of("oversize", add(70_000).toByteArray(), List.of(NETNS), "truncated packet"));
  }

  @ParameterizedTest(name = "{0} with {2}: {3}")
  @MethodSource("unreadable")
  void unreadablePacketIsReportedAndTheConnectionStartsAnew(
      String kind, byte[] packet, List<Path> files, String error) throws Exception {
    try (CniAgent.Session first = agent.accept(DEADLINE)) {
      Descriptors before = Descriptors.now();
      String answer = first.exchangeRaw(packet, files);
      assertTrue(answer.startsWith("failure to read message : " + error), answer);
      assertTrue(first.isEnded(DEADLINE));
      try (CniAgent.Session second = agent.accept(DEADLINE)) {
        assertEquals("", second.snapshotSent());
        first.close();
        before.assertNoneLeaked();
      }
    }
    assertEquals("connected", handler.next());
    String lost = handler.next();
    assertTrue(lost.startsWith("disconnected: unreadable message: " + error), lost);
  }

  @Test
  void moreDescriptorsThanThereIsRoomForAreAllClosed() throws Exception {
    try (CniAgent.Session first = agent.accept(DEADLINE)) {
      Descriptors before = Descriptors.now();
      String answer =
          first.exchangeRaw(add(10).toByteArray(), Stream.generate(() -> NETNS).limit(40).toList());
      assertEquals("failure to read message : 16 file descriptors (expected: at most 1)", answer);
      try (CniAgent.Session _ = agent.accept(DEADLINE)) {
        first.close();
        before.assertNoneLeaked();
      }
    }
  }

  @Test
  void messageOfTenKilobytesIsFine() throws Exception {
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.exchange(add(10_000), List.of(NETNS)));
      assertEquals("connected", handler.next());
      assertEquals("add " + "x".repeat(10_000) + " ns/n/sa", handler.next());
    }
  }

  @Test
  void errorTextFitsTheAgentsBuffer() throws Exception {
    handler.answer(_ -> new ZdsReply.ProxyFailed("ä".repeat(5_000)));
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      String error = session.keep("u1");
      assertTrue(error.startsWith("failure to start proxy : ä"), error);
      assertTrue(error.endsWith("ä"), error);
      int length = error.getBytes(StandardCharsets.UTF_8).length;
      assertTrue(length == 899 || length == 900, () -> "bytes: " + length);
    }
  }

  @Test
  void connectionThatEndsMidSnapshotIsFollowedByAFreshOne() throws Exception {
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.add("u1", "web", "shop", "sa", NETNS));
    }
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.keep("u1"));
      assertEquals("", session.snapshotSent());
    }
    assertEquals(
        List.of(
            "connected",
            "add u1 shop/web/sa",
            "disconnected: closed by the agent",
            "connected",
            "keep u1",
            "snapshot sent"),
        handler.next(6));
  }

  @Test
  void noDescriptorIsLeftAfterManyAdds() throws Exception {
    Descriptors before = Descriptors.now();
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      for (int i = 0; i < 200; i++) {
        assertEquals("", session.add("u" + i, "web", "shop", "sa", NETNS));
      }
    }
    handler.closeNamespaces();
    client.close();
    assertTrue(client.awaitStopped(DEADLINE));
    before.assertNoneLeaked();
  }

  @Test
  void closeWakesAClientThatWaitsForTheAgent() throws Exception {
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      assertEquals("", session.snapshotSent());
      client.close();
      client.close();
      assertTrue(session.isEnded(DEADLINE));
      assertTrue(client.awaitStopped(DEADLINE));
    }
    assertEquals(List.of("connected", "snapshot sent", "disconnected: stopping"), handler.next(3));
  }

  @Test
  void messageThatIsBeingDealtWithIsAnsweredStillWhenTheClientCloses() throws Exception {
    CountDownLatch closed = new CountDownLatch(1);
    handler.answer(
        _ -> awaits(closed) ? new ZdsReply.Ok() : new ZdsReply.ProcessingFailed("not closed"));
    try (CniAgent.Session session = agent.accept(DEADLINE)) {
      session.send(keep(), List.of());
      assertEquals(List.of("connected", "keep u"), handler.next(2));
      client.close();
      closed.countDown();
      assertEquals("", session.answer());
      assertTrue(session.isEnded(DEADLINE));
    }
  }

  private static boolean awaits(CountDownLatch latch) {
    try {
      return latch.await(DEADLINE.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private static WorkloadRequest add(int uidLength) {
    return WorkloadRequest.newBuilder()
        .setAdd(
            AddWorkload.newBuilder()
                .setUid("x".repeat(uidLength))
                .setWorkloadInfo(
                    WorkloadInfo.newBuilder()
                        .setName("n")
                        .setNamespace("ns")
                        .setServiceAccount("sa")))
        .build();
  }

  private static WorkloadRequest keep() {
    return WorkloadRequest.newBuilder().setKeep(KeepWorkload.newBuilder().setUid("u")).build();
  }

  private static WorkloadRequest snapshotSent() {
    return WorkloadRequest.newBuilder().setSnapshotSent(SnapshotSent.getDefaultInstance()).build();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
