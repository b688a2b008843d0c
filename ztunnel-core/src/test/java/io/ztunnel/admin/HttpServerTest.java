package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.ztunnel.Await;
import io.ztunnel.log.LogCapture;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HttpServerTest {
  @RegisterExtension static final ServerLoops LOOPS = new ServerLoops();

  // More than the socket buffers of both ends take.
  private static final byte[] BIG = new byte[16 << 20];

  static {
    new Random(1).nextBytes(BIG);
  }

  private static final byte[] PAGE = new byte[100 << 10];

  /** How often such a page was asked for. */
  private static final AtomicInteger PAGES = new AtomicInteger();

  private static final AtomicReference<Promise<HttpReply>> LATER = new AtomicReference<>();
  private static final AtomicInteger MADE = new AtomicInteger();

  /** How often an answer was asked for that comes later. */
  private static final AtomicInteger ASKED = new AtomicInteger();

  /** Makes an array in pieces and counts what it has made. */
  private static final class Counting implements Body.Pieces {
    private final byte[] bytes;
    private int next;

    Counting(byte[] bytes) {
      this.bytes = bytes;
      MADE.set(0);
    }

    @Override
    public boolean writeNext(ByteBuf out) {
      int length = Math.min(32 << 10, bytes.length - next);
      out.writeBytes(bytes, next, length);
      next += length;
      MADE.set(next);
      return next < bytes.length;
    }
  }

  private final HttpServer server =
      new HttpServer("test", HttpServerTest::answer, LOOPS.group, LOOPS.transport);
  private int port;

  private static Answer answer(String path, HttpRequest request) {
    return switch (path) {
      case "/hello" -> HttpReply.text(HttpResponseStatus.OK, "hello " + request.method());
      case "/big" -> HttpReply.bytes(HttpResponseStatus.OK, "", Unpooled.wrappedBuffer(BIG));
      case "/page" -> {
        PAGES.incrementAndGet();
        yield HttpReply.bytes(HttpResponseStatus.OK, "", Unpooled.wrappedBuffer(PAGE));
      }
      case "/later" -> {
        ASKED.incrementAndGet();
        yield new Answer.Later(LATER.get(), false);
      }
      case "/later-while-there" -> new Answer.Later(LATER.get(), true);
      case "/streamed" ->
          new HttpReply(HttpResponseStatus.OK, "", new Body.Streamed(new Counting(BIG)), Map.of());
      case "/cut" ->
          new HttpReply(
              HttpResponseStatus.OK,
              "",
              new Body.Streamed(
                  out -> {
                    throw new IllegalStateException("deliberately broken off");
                  }),
              Map.of());
      case "/broken" -> throw new IllegalStateException("deliberately broken");
      default -> HttpReply.NOT_FOUND;
    };
  }

  @BeforeEach
  void start() throws Exception {
    port = server.start(ServerLoops.anyPort()).getFirst().getPort();
  }

  @AfterEach
  void drain() {
    assertTrue(server.drain().awaitUninterruptibly(40, TimeUnit.SECONDS));
  }

  @Test
  void answersAndKeepsTheConnection() throws Exception {
    try (var client = new TestClient(port)) {
      for (int i = 0; i < 3; i++) {
        client.send("GET", "/hello?x=" + i);
        TestClient.Reply reply = client.reply();
        assertEquals(200, reply.status());
        assertEquals("text/plain", reply.header("content-type"));
        assertEquals("hello GET", reply.text());
      }
    }
  }

  @Test
  void answersPipelinedRequestsInOrder() throws Exception {
    try (var client = new TestClient(port)) {
      client.raw("GET /hello HTTP/1.1\r\n\r\nPUT /hello HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n\r\n");
      assertEquals("hello GET", client.reply().text());
      assertEquals("hello PUT", client.reply().text());
      assertEquals(404, client.reply().status());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"http://localhost:15000/hello", "http://localhost/hello?x=http://y/z"})
  void aTargetAsForAProxyIsAnsweredByItsPath(String target) throws Exception {
    assertEquals("hello GET", TestClient.request(port, "GET", target).text());
  }

  @Test
  void anOldClientThatKeepsItsConnectionIsToldThatItMay() throws Exception {
    try (var client = new TestClient(port)) {
      for (int i = 0; i < 2; i++) {
        client.raw("GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        TestClient.Reply reply = client.reply();
        assertEquals("hello GET", reply.text());
        assertEquals("keep-alive", reply.header("connection"));
      }
    }
  }

  @Test
  void anUnknownPathHasNoBody() throws Exception {
    TestClient.Reply reply = TestClient.request(port, "GET", "/hello/world");
    assertEquals(404, reply.status());
    assertEquals(0, reply.body().length);
  }

  @Test
  void aFailureIsA500WithItsText() throws Exception {
    try (var log = LogCapture.plain("info")) {
      TestClient.Reply reply = TestClient.request(port, "GET", "/broken");
      assertEquals(500, reply.status());
      assertEquals("deliberately broken", reply.text());
      assertTrue(log.lines().getFirst().contains("path=/broken"), log.lines().toString());
    }
  }

  @Test
  void aHalfClosedClientGetsItsAnswerAndThenTheEnd() throws Exception {
    try (var client = new TestClient(port)) {
      client.send("GET", "/big");
      client.shutdownOutput();
      assertArrayEquals(BIG, client.reply().body());
      assertTrue(client.isEnded());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"\u0016\u0003\u0001\u0000garbage\r\n\r\n", "hello\r\n\r\n"})
  void garbageIsABadRequestAndTheEnd(String bytes) throws Exception {
    try (var client = new TestClient(port)) {
      client.raw(bytes);
      assertEquals(400, client.reply().status());
      assertTrue(client.isEnded());
    }
  }

  @Test
  void aHeadBeyondItsLimitIsRefused() throws Exception {
    try (var client = new TestClient(port)) {
      client.raw("GET /hello HTTP/1.1\r\nx: " + "y".repeat(9_000) + "\r\n\r\n");
      assertEquals(431, client.reply().status());
      assertTrue(client.isEnded());
    }
  }

  @Test
  void aBodyBeyondItsLimitIsRefused() throws Exception {
    try (var client = new TestClient(port)) {
      client.raw("POST /hello HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n");
      assertEquals(413, client.reply().status());
    }
  }

  @Test
  void theConnectionIsClosedIfTheClientAsksForIt() throws Exception {
    try (var client = new TestClient(port)) {
      client.send("GET", "/hello", "connection: close");
      assertEquals(200, client.reply().status());
      assertTrue(client.isEnded());
    }
  }

  @Test
  void whoHasRestedTheLongestMakesRoomForANewConnection() throws Exception {
    var clients = new ArrayList<TestClient>();
    try {
      for (int i = 0; i < 512; i++) {
        clients.add(new TestClient(port));
        assertIsServed(clients.getLast());
      }
      assertIsServed(clients.getFirst());
      clients.add(new TestClient(port));
      assertIsServed(clients.getLast());
      assertTrue(clients.get(1).isEnded());
      assertIsServed(clients.getFirst());
      assertIsServed(clients.get(2));
    } finally {
      close(clients);
    }
  }

  private static void assertIsServed(TestClient client) throws IOException {
    client.send("GET", "/hello");
    assertEquals(200, client.reply().status());
  }

  @Test
  void connectionsBeyondTheBoundAreClosedWhenAllOthersAreOwedAnAnswer() throws Exception {
    LATER.set(LOOPS.group.next().newPromise());
    int before = ASKED.get();
    var clients = new ArrayList<TestClient>();
    try {
      for (int i = 0; i < 512; i++) {
        clients.add(new TestClient(port));
        clients.getLast().send("GET", "/later");
      }
      Await.until("512 requests", () -> ASKED.get() == before + 512);
      try (var beyond = new TestClient(port)) {
        assertTrue(beyond.isEnded());
      }
    } finally {
      LATER.get().setSuccess(HttpReply.empty(HttpResponseStatus.OK));
      close(clients);
    }
  }

  private static void close(List<TestClient> clients) throws IOException {
    for (TestClient client : clients) {
      client.close();
    }
  }

  @Test
  void anAddressInUseIsNamedAndNothingStaysBound() throws Exception {
    try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      InetSocketAddress freed = unusedAddress();
      var second = new HttpServer("admin", HttpServerTest::answer, LOOPS.group, LOOPS.transport);
      var refused =
          assertThrows(
              BindFailedException.class,
              () ->
                  second.start(
                      List.of(
                          freed,
                          new InetSocketAddress(taken.getInetAddress(), taken.getLocalPort()))));
      String message = String.valueOf(refused.getMessage());
      assertTrue(
          message.startsWith(
              "admin: failed to bind to address 127.0.0.1:" + taken.getLocalPort() + ": "),
          message);
      assertTrue(message.contains("in use"), message);
      assertThrows(IOException.class, () -> new TestClient(freed.getPort()));
    }
  }

  private static InetSocketAddress unusedAddress() throws IOException {
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return new InetSocketAddress(socket.getInetAddress(), socket.getLocalPort());
    }
  }

  @Test
  void startAndEndAreLoggedWithTheAddress() throws Exception {
    try (var log = LogCapture.plain("info")) {
      var other = new HttpServer("stats", HttpServerTest::answer, LOOPS.group, LOOPS.transport);
      int bound = other.start(ServerLoops.anyPort()).getFirst().getPort();
      assertTrue(other.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
      assertEquals(
          List.of(
              "info\thyper_util\tlistener established\taddress=127.0.0.1:"
                  + bound
                  + " component=\"stats\"\n",
              "info\thyper_util\tlistener drained\taddress=127.0.0.1:"
                  + bound
                  + " component=\"stats\"\n"),
          log.withoutTime());
    }
  }

  @Test
  void drainingEndsIdleConnectionsAndFinishesAnswers() throws Exception {
    try (var idle = new TestClient(port);
        var busy = new TestClient(port)) {
      idle.send("GET", "/hello");
      assertEquals(200, idle.reply().status());
      busy.send("GET", "/big");
      // The answer is under way once another request has been answered by the one loop.
      assertEquals(404, TestClient.request(port, "GET", "/").status());

      Future<Void> drained = server.drain();
      assertTrue(idle.isEnded());
      assertThrows(ConnectException.class, () -> new TestClient(port));
      assertFalse(drained.isDone());
      assertArrayEquals(BIG, busy.reply().body());
      assertTrue(busy.isEnded());
      assertTrue(drained.awaitUninterruptibly(10, TimeUnit.SECONDS));
    }
  }

  @Test
  void anAnswerThatTakesTimeKeepsTheOrderAndLetsOthersGoOn() throws Exception {
    Promise<HttpReply> later = LOOPS.group.next().newPromise();
    LATER.set(later);
    try (var waiting = new TestClient(port);
        var other = new TestClient(port)) {
      waiting.send("GET", "/later");
      waiting.send("POST", "/hello");
      waiting.shutdownOutput();
      other.send("GET", "/hello");
      assertEquals("hello GET", other.reply().text());
      later.setSuccess(HttpReply.text(HttpResponseStatus.OK, "at last"));
      assertEquals("at last", waiting.reply().text());
      assertEquals("hello POST", waiting.reply().text());
      assertTrue(waiting.isEnded());
    }
  }

  @Test
  void anAnswerThatFailsLaterIsA500WithItsReason() throws Exception {
    LATER.set(LOOPS.group.next().newPromise());
    LATER.get().setFailure(new IllegalStateException("deliberately late"));
    TestClient.Reply reply = TestClient.request(port, "GET", "/later");
    assertEquals(500, reply.status());
    assertEquals("deliberately late", reply.text());
  }

  @Test
  void aClientThatLeavesCancelsItsAnswer() throws Exception {
    Promise<HttpReply> later = LOOPS.group.next().newPromise();
    LATER.set(later);
    try (var client = new TestClient(port)) {
      client.send("GET", "/later");
      client.reset();
    }
    assertTrue(later.await(10, TimeUnit.SECONDS));
    assertTrue(later.isCancelled());
  }

  @Test
  void soDoesOneThatEndsItsHalfIfNothingIsWorthItsWhile() throws Exception {
    Promise<HttpReply> later = LOOPS.group.next().newPromise();
    LATER.set(later);
    try (var client = new TestClient(port)) {
      client.send("GET", "/later-while-there");
      client.shutdownOutput();
      assertTrue(later.await(10, TimeUnit.SECONDS));
      assertTrue(later.isCancelled());
    }
  }

  @Test
  void connectionsAreNotKeptWhileTheProcessEnds() throws Exception {
    try (var resting = new TestClient(port);
        var asking = new TestClient(port)) {
      resting.send("GET", "/hello");
      assertEquals("hello GET", resting.reply().text());
      Promise<HttpReply> later = LOOPS.group.next().newPromise();
      LATER.set(later);
      ASKED.set(0);
      asking.raw("GET /later HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n"); // in one read
      Await.until("asked", () -> ASKED.get() == 1);
      server.leaveConnections();
      assertTrue(resting.isEnded(), "it rests");
      later.setSuccess(HttpReply.text(HttpResponseStatus.OK, "at last"));
      assertEquals("at last", asking.reply().text());
      assertEquals("hello GET", asking.reply().text());
      assertTrue(asking.isEnded(), "it was answered");
    }
    try (var late = new TestClient(port)) {
      late.send("GET", "/hello");
      TestClient.Reply reply = late.reply();
      assertEquals("hello GET", reply.text());
      assertEquals("close", reply.header("connection"));
      assertTrue(late.isEnded(), "one answer each");
    }
  }

  @Test
  void whoAsksFarAheadIsReadWhenTheAnswersBeforeAreTaken() throws Exception {
    LATER.set(LOOPS.group.next().newPromise());
    ASKED.set(0);
    PAGES.set(0);
    int pages = 3_000; // 300 MB; the sockets of both ends take a few
    try (var client = new TestClient(port)) {
      Thread asking =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      client.send("GET", "/later");
                      client.raw("GET /page HTTP/1.1\r\n\r\n".repeat(pages));
                      client.send("GET", "/hello");
                    } catch (IOException e) {
                      throw new UncheckedIOException(e);
                    }
                  });
      Await.until("the first request", () -> ASKED.get() == 1);
      assertEquals(0, PAGES.get(), "answered before the one that was asked first");
      LATER.get().setSuccess(HttpReply.text(HttpResponseStatus.OK, "at last"));
      Await.until("a page", () -> PAGES.get() > 0);
      assertEquals("hello GET", TestClient.request(port, "GET", "/hello").text());
      assertTrue(PAGES.get() < pages / 4, "pages made for who takes none: " + PAGES.get());

      assertEquals("at last", client.reply().text());
      for (int i = 0; i < pages; i++) {
        assertEquals(PAGE.length, client.reply().body().length);
      }
      assertEquals("hello GET", client.reply().text());
      asking.join();
    }
  }

  @Test
  void aStreamedAnswerIsMadeAsFastAsItIsTaken() throws Exception {
    try (var client = new TestClient(port)) {
      client.send("GET", "/streamed");
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
      int before = -1;
      while (MADE.get() != before && System.nanoTime() < deadline) {
        before = MADE.get();
        Thread.sleep(100); // what is in flight comes to rest
      }
      assertTrue(before > 0 && before < BIG.length, "made without a reader: " + before);
      TestClient.Reply reply = client.reply();
      assertEquals("chunked", reply.header("transfer-encoding"));
      assertArrayEquals(BIG, reply.body());
      client.send("GET", "/hello");
      assertEquals("hello GET", client.reply().text());
    }
  }

  @Test
  void aStreamedAnswerToAnOldClientEndsWithTheConnection() throws Exception {
    try (var client = new TestClient(port)) {
      client.raw("GET /streamed HTTP/1.0\r\n\r\n");
      byte[] all = client.rest();
      assertTrue(all.length > BIG.length && all.length < BIG.length + 200, "" + all.length);
      assertArrayEquals(BIG, Arrays.copyOfRange(all, all.length - BIG.length, all.length));
    }
  }

  @Test
  void aStreamThatBreaksOffHasNoEnd() throws Exception {
    try (var client = new TestClient(port)) {
      client.send("GET", "/cut");
      assertThrows(IOException.class, client::reply);
    }
  }
}
