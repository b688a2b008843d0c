package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.socket.DuplexChannel;
import io.ztunnel.Await;
import io.ztunnel.hbone.HeldBytes;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Transport;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The relay between real sockets, and between a socket and a tunnel the test plays the peer of. */
class RelayTest {
  private static final int LEFT = 32 << 20;

  /** Of the process, for what is left of connections that have ended. */
  private static final int BUDGET = 33 << 20;

  private static final HalfClosedProbing PROBING = HalfClosedProbing.within(Duration.ofMinutes(1));

  private static final TunnelTermination LOST =
      new TunnelTermination.ConnectionLost("ping timed out");

  /** What is told of it when the answer was whole. */
  private static final RelayEnd SEND_LOST =
      new RelayEnd.Broken(RelayEnd.Direction.SEND, "io error: tunnel lost: ping timed out");

  /** What a probe finds that is answered by a reset. */
  private static final String RESET = ": connection(..) failed with error(-32): Broken pipe";

  /** Finds in a second that an end does nothing. */
  private static final HalfClosedProbing HASTY =
      new HalfClosedProbing(
          Duration.ofMillis(100),
          new SocketSettings.Keepalive(true, Duration.ofMillis(400), Duration.ofMillis(400), 1));

  private static EventLoopGroup group;
  private static EventLoop loop;

  @BeforeAll
  static void startLoop() {
    group = new EventLoops(Transport.EPOLL, 1);
    loop = group.next();
  }

  @AfterAll
  static void stopLoop() {
    group.shutdownGracefully(0, 5, TimeUnit.SECONDS).syncUninterruptibly();
  }

  private static final class Recorder implements Relay.Observer {
    final AtomicLong received = new AtomicLong();
    final AtomicLong sent = new AtomicLong();
    final CompletableFuture<RelayEnd> end = new CompletableFuture<>();

    @Override
    public void onReceived(int bytes) {
      received.addAndGet(bytes);
    }

    @Override
    public void onSent(int bytes) {
      sent.addAndGet(bytes);
    }

    @Override
    public void onEnd(RelayEnd relayEnd) {
      assertTrue(end.complete(relayEnd), "told twice of the end");
    }

    RelayEnd awaitEnd() throws Exception {
      return end.get(10, TimeUnit.SECONDS);
    }
  }

  private static <T> T onLoop(Callable<T> action) throws Exception {
    return loop.submit(action).get(10, TimeUnit.SECONDS);
  }

  private static void onLoop(Runnable action) throws Exception {
    loop.submit(action).get(10, TimeUnit.SECONDS);
  }

  private static RelayLimits limits(HalfClosedProbing probing) {
    return new RelayLimits(probing, new HeldBytes(BUDGET));
  }

  private static Relay join(Leg downstream, Leg upstream, Recorder recorder) throws Exception {
    return onLoop(
        () -> {
          Relay relay = Relay.outbound(loop, downstream, upstream, limits(PROBING), recorder);
          relay.start();
          return relay;
        });
  }

  @RepeatedTest(20) // what broke here once broke in one of four runs
  void carriesMegabytesBothWaysIntactAndCountsThem() throws Exception {
    byte[] bytes = new byte[8 << 20];
    new Random(4711).nextBytes(bytes);
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      join(down.leg(), up.leg(), recorder);
      for (List<TcpPair> way : List.of(List.of(down, up), List.of(up, down))) {
        Thread writer =
            Thread.ofVirtual()
                .start(
                    () -> {
                      try {
                        way.getFirst().app().getOutputStream().write(bytes);
                        way.getFirst().app().shutdownOutput();
                      } catch (java.io.IOException e) {
                        throw new java.io.UncheckedIOException(e);
                      }
                    });
        assertArrayEquals(bytes, way.getLast().app().getInputStream().readAllBytes());
        writer.join();
      }
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(bytes.length, recorder.received.get());
      assertEquals(bytes.length, recorder.sent.get());
      assertFalse(down.leg().channel().isOpen());
      assertFalse(up.leg().channel().isOpen());
    }
  }

  @ParameterizedTest(name = "the {0} ends first")
  @CsvSource({"downstream", "upstream"})
  void oneHalfStaysOpenAfterTheOtherEnded(String first) throws Exception {
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      join(down.leg(), up.leg(), recorder);
      TcpPair ending = first.equals("downstream") ? down : up;
      TcpPair staying = first.equals("downstream") ? up : down;
      ending.app().getOutputStream().write("question".getBytes(StandardCharsets.US_ASCII));
      ending.app().shutdownOutput();
      assertEquals(
          "question",
          new String(staying.app().getInputStream().readAllBytes(), StandardCharsets.US_ASCII));
      assertFalse(recorder.end.isDone());
      staying.app().getOutputStream().write("answer".getBytes(StandardCharsets.US_ASCII));
      staying.app().close();
      assertEquals(
          "answer",
          new String(ending.app().getInputStream().readAllBytes(), StandardCharsets.US_ASCII));
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @ParameterizedTest(name = "the {0} is reset")
  @CsvSource({"downstream", "upstream"})
  void aResetStaysAReset(String side) throws Exception {
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      join(down.leg(), up.leg(), recorder);
      (side.equals("downstream") ? down : up).resetApp();
      assertEquals("reset", (side.equals("downstream") ? up : down).appSees());
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @ParameterizedTest(name = "the {0} was reset")
  @CsvSource({"downstream", "upstream"})
  void aTunnelToOneThatWasResetBeforeTheRelayStartedEndsAtOnce(String side) throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    TunnelLeg leg = new TunnelLeg(tunnel);
    tunnel.idleListener = leg;
    try (TcpPair gone = TcpPair.open(loop)) {
      gone.resetApp();
      Await.until(
          "it is found out", () -> !onLoop(gone.leg()::lostBecause).equals("connection closed"));
      if (side.equals("downstream")) {
        join(gone.leg(), leg, recorder);
      } else {
        join(leg, gone.leg(), recorder);
      }
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(List.of("reset CANCEL after writes"), tunnel.events);
    }
  }

  @Test
  void whatCameBeforeTheRelayStartedIsDeliveredWithItsEnd() throws Exception {
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      down.app().getOutputStream().write("early".getBytes(StandardCharsets.US_ASCII));
      down.app().shutdownOutput();
      onLoop(() -> {}); // the loop has seen the end
      join(down.leg(), up.leg(), recorder);
      assertEquals(
          "early", new String(up.app().getInputStream().readAllBytes(), StandardCharsets.US_ASCII));
      up.app().close();
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  /** As a SOCKS5 client does whose name takes long to resolve. */
  @Test
  void aClientThatEndedAndWentBeforeTheRelayStartedEndsIt() throws Exception {
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      down.app().shutdownOutput();
      Channel channel = down.leg().channel();
      channel.read();
      Await.until("the end is read", ((DuplexChannel) channel)::isInputShutdown);
      onLoop(
          () -> {
            channel.close();
          });
      join(down.leg(), up.leg(), recorder);
      up.app().close();
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @Test
  void aClientWhoseServerEndedAndWentBeforeTheRelayStartedIsTakenLeaveOf() throws Exception {
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      up.app().shutdownOutput();
      Channel channel = up.leg().channel();
      channel.read();
      Await.until("the end is read", ((DuplexChannel) channel)::isInputShutdown);
      onLoop(
          () -> {
            channel.close();
          });
      join(down.leg(), up.leg(), recorder);
      assertEquals("end", down.appSees());
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @Test
  void whatWasReadBeforeTheRelayStartedIsSentAtOnce() throws Exception {
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      onLoop(
          () -> {
            ByteBuf peeked = Unpooled.copiedBuffer("peeked", StandardCharsets.US_ASCII);
            down.leg().channel().pipeline().fireChannelRead(peeked);
          });
      Relay relay = join(down.leg(), up.leg(), new Recorder());
      assertEquals(
          "peeked", new String(up.app().getInputStream().readNBytes(6), StandardCharsets.US_ASCII));
      onLoop(relay::abort);
    }
  }

  @Test
  void abortResetsBothEnds() throws Exception {
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      Relay relay = join(down.leg(), up.leg(), recorder);
      onLoop(relay::abort);
      onLoop(relay::abort);
      assertEquals("reset", down.appSees());
      assertEquals("reset", up.appSees());
      assertEquals(RelayEnd.ABORTED, recorder.awaitEnd());
    }
  }

  @ParameterizedTest(name = "peer ended before: {0}, {1}: the application sees {2}, {3}")
  @CsvSource({
    "false, reset 0, end, done",
    "false, reset 8, reset, done",
    "true, reset 8, end, done",
    "false, reset 2, reset, broken",
    "true, reset 2, end, broken",
    "false, lost, reset, broken",
    "true, lost, end, broken",
    "false, closed, reset, broken",
    "true, closed, end, broken",
    "false, goaway, reset, broken",
    "false, slow, reset, broken",
    "true, slow, end, broken",
    "false, revoked, reset, revoked",
    "true, revoked, end, revoked",
  })
  void endOfATunnelIsPassedOn(boolean peerEnded, String event, String appSees, String end)
      throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    TunnelLeg leg = new TunnelLeg(tunnel);
    try (TcpPair down = TcpPair.open(loop)) {
      join(down.leg(), leg, recorder);
      onLoop(
          () -> {
            if (peerEnded) {
              leg.onEndOfStream();
            }
            leg.onTerminated(termination(event));
          });
      assertEquals(appSees, down.appSees());
      RelayEnd seen = recorder.awaitEnd();
      if (end.equals("done")) {
        assertEquals(RelayEnd.DONE, seen);
      } else if (end.equals("revoked")) {
        assertEquals(new RelayEnd.Revoked("serial 7"), seen);
      } else {
        assertInstanceOf(RelayEnd.Broken.class, seen);
      }
    }
  }

  private static TunnelTermination termination(String event) {
    return switch (event) {
      case "lost" -> LOST;
      case "closed" -> new TunnelTermination.PeerClosed();
      case "revoked" -> new TunnelTermination.PeerRevoked("serial 7");
      case "goaway" -> new TunnelTermination.GoAway(0, "");
      case "slow" -> new TunnelTermination.ReaderTooSlow(4 << 20);
      default -> new TunnelTermination.Reset(Long.parseLong(event.substring(6)));
    };
  }

  @ParameterizedTest(name = "carries a tunnel: {0}, client ended before: {1}: the server sees {2}")
  @CsvSource({
    "false, false, reset",
    "false, true, end",
    "true, false, end",
  })
  void aClientMayCloseItsConnectionWithTheTunnel(
      boolean carriesTunnel, boolean clientEnded, String serverSees) throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    try (TcpPair up = TcpPair.open(loop)) {
      onLoop(
          () -> {
            Relay relay =
                carriesTunnel
                    ? Relay.forwarded(loop, leg, up.leg(), limits(PROBING), recorder)
                    : Relay.outbound(loop, leg, up.leg(), limits(PROBING), recorder);
            relay.start();
            leg.onData(Unpooled.copiedBuffer("last words", StandardCharsets.US_ASCII));
            if (clientEnded) {
              leg.onEndOfStream();
            }
            leg.onTerminated(new TunnelTermination.PeerClosed());
          });
      if (serverSees.equals("end")) {
        assertEquals(
            "last words",
            new String(up.app().getInputStream().readNBytes(10), StandardCharsets.US_ASCII));
      }
      assertEquals(serverSees, up.appSees());
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @Test
  void aReaderThatStopsKeepsTheCreditOfItsTunnel() throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    TunnelLeg leg = new TunnelLeg(tunnel);
    int total = 32 << 20;
    try (TcpPair down = TcpPair.open(loop)) {
      join(down.leg(), leg, recorder);
      onLoop(
          () -> {
            for (int sent = 0; sent < total; sent += 1 << 20) {
              leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer(1 << 20).writeZero(1 << 20));
            }
            leg.onReadComplete();
          });
      assertTrue(tunnel.consumedBytes.get() < total, "credit was returned for unread bytes");
      byte[] read = down.app().getInputStream().readNBytes(total);
      assertEquals(total, read.length);
      onLoop(() -> {});
      assertEquals(total, tunnel.consumedBytes.get());
      onLoop(leg::onEndOfStream);
      assertEquals("end", down.appSees());
    }
  }

  @Test
  void crumbsForAReaderThatStopsArePackedTogetherAndArriveInOrder() throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    int filler = 16 << 20;
    int crumbs = 100_000;
    try (TcpPair down = TcpPair.open(loop)) {
      join(down.leg(), leg, recorder);
      onLoop(
          () -> {
            leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer(filler).writeZero(filler));
            leg.onReadComplete();
            for (int i = 0; i < crumbs; i++) {
              leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer(64).writeInt(i));
              leg.onReadComplete();
            }
          });
      int entries = onLoop(() -> down.leg().channel().unsafe().outboundBuffer().size());
      assertTrue(entries < 100, entries + " buffers queued");
      onLoop(leg::onEndOfStream);
      byte[] read = down.app().getInputStream().readAllBytes();
      assertEquals(filler + 4 * crumbs, read.length);
      ByteBuffer tail = ByteBuffer.wrap(read, filler, 4 * crumbs);
      for (int i = 0; i < crumbs; i++) {
        assertEquals(i, tail.getInt());
      }
    }
  }

  @ParameterizedTest(name = "{0} bytes of each read")
  @ValueSource(ints = {1, 5 << 10, 40 << 10})
  void partsOfLargeReadsForAReaderThatStopsDoNotKeepThem(int part) throws Exception {
    PooledByteBufAllocator reads = new PooledByteBufAllocator(true);
    int readBytes = 256 << 10;
    int filler = 16 << 20;
    int parts = 100;
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    try (TcpPair down = TcpPair.open(loop)) {
      join(down.leg(), leg, new Recorder());
      onLoop(
          () -> {
            ChannelOutboundBuffer queued = down.leg().channel().unsafe().outboundBuffer();
            for (int sent = 0; sent < filler && queued.size() == 0; sent += 32 << 10) {
              leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer().writeZero(32 << 10));
              leg.onReadComplete();
            }
            assertTrue(queued.size() > 0, "the socket takes everything");
          });
      onLoop(
          () -> {
            for (int i = 0; i < parts; i++) {
              ByteBuf read = reads.directBuffer(readBytes, readBytes).writeInt(i);
              read.writeZero(part - Math.min(part, 4));
              leg.onData(read.readRetainedSlice(part));
              read.release(); // the rest was for others
              leg.onReadComplete();
            }
          });
      long pinned = reads.pinnedDirectMemory();
      assertTrue(pinned <= 2L * readBytes, pinned + " bytes are kept");
      onLoop(leg::onEndOfStream);
      byte[] read = down.app().getInputStream().readAllBytes();
      ByteBuffer tail = ByteBuffer.wrap(read, read.length - parts * part, parts * part).slice();
      for (int i = 0; i < parts && part >= 4; i++) {
        assertEquals(i, tail.getInt(i * part));
      }
    }
  }

  /** A tunnel that brings {@link #LEFT} bytes for a server that does not read, and ends. */
  private static Recorder leave(RelayLimits limits, TcpPair up, String how) throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    TunnelLeg leg = new TunnelLeg(tunnel);
    onLoop(() -> Relay.outbound(loop, leg, up.leg(), limits, recorder).start());
    if (!how.equals("reset")) {
      up.app().shutdownOutput();
      Await.until("the server's end", () -> tunnel.events.contains("end"));
    }
    onLoop(
        () -> {
          leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer(LEFT).writeZero(LEFT));
          leg.onReadComplete();
          if (how.equals("ended")) {
            leg.onEndOfStream();
            leg.onTerminated(new TunnelTermination.Reset(Http2Errors.CANCEL)); // as it may still
          } else if (how.equals("failed")) {
            leg.onEndOfStream();
            leg.onTerminated(new TunnelTermination.Reset(2));
          } else {
            leg.onTerminated(new TunnelTermination.Reset(Http2Errors.NO_ERROR));
          }
        });
    return recorder;
  }

  @ParameterizedTest(name = "tunnel {0}")
  @ValueSource(strings = {"reset", "ended"})
  void whatIsLeftForAReaderThatNeverReadsCountsAndIsGivenUp(String how) throws Exception {
    RelayLimits limits = limits(HASTY);
    try (TcpPair up = TcpPair.open(loop)) {
      Recorder recorder = leave(limits, up, how);
      long counted = limits.held().total();
      assertTrue(counted > 0 && counted >= onLoop(up.leg()::unsentBytes), counted + " counted");
      assertEquals(new RelayEnd.Abandoned("upstream: nothing taken for 1s"), recorder.awaitEnd());
      assertEquals(0, limits.held().total());
      assertEquals("reset", up.appSees());
    }
  }

  @ParameterizedTest(name = "tunnel {0}")
  @ValueSource(strings = {"reset", "ended"})
  void aReaderThatIsSlowGetsAllThatIsLeft(String how) throws Exception {
    RelayLimits limits = limits(HASTY);
    try (TcpPair up = TcpPair.open(loop)) {
      Recorder recorder = leave(limits, up, how);
      long acknowledged = onLoop(() -> SocketFactory.acknowledgedBytes(up.leg().channel()));
      assertTrue(acknowledged > 0 && acknowledged < LEFT, acknowledged + " acknowledged");
      long begin = System.nanoTime();
      int read = 0;
      while (read < LEFT) {
        read += up.app().getInputStream().readNBytes(LEFT / 64).length;
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(40));
      }
      assertTrue(System.nanoTime() - begin > 2 * HASTY.untilFound().toNanos(), "not slow");
      assertEquals("end", up.appSees());
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @Test
  void aReaderThatPausesGetsAllThatIsLeftIfThereIsRoom() throws Exception {
    RelayLimits limits = new RelayLimits(HASTY, new HeldBytes(3L * LEFT));
    try (TcpPair up = TcpPair.open(loop)) {
      Recorder recorder = leave(limits, up, "ended");
      LockSupport.parkNanos(3 * HASTY.untilFound().toNanos()); // the relay looks by this clock
      assertEquals(LEFT, up.app().getInputStream().readAllBytes().length);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @Test
  void aTunnelThatFailsAfterItsEndTakesNothingOfWhatIsLeft() throws Exception {
    RelayLimits limits = limits(PROBING);
    try (TcpPair up = TcpPair.open(loop)) {
      Recorder recorder = leave(limits, up, "failed");
      assertEquals(LEFT, up.app().getInputStream().readAllBytes().length);
      assertInstanceOf(RelayEnd.Broken.class, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @Test
  void moreIsNotLeftThanTheBudgetOfTheProcess() throws Exception {
    RelayLimits limits = limits(PROBING);
    try (TcpPair first = TcpPair.open(loop);
        TcpPair second = TcpPair.open(loop)) {
      Recorder patient = leave(limits, first, "reset");
      Recorder refused = leave(limits, second, "reset");
      assertInstanceOf(RelayEnd.Abandoned.class, refused.awaitEnd());
      assertEquals("reset", second.appSees());
      assertTrue(limits.held().total() <= BUDGET);
      assertEquals(LEFT, first.app().getInputStream().readAllBytes().length);
      assertEquals(RelayEnd.DONE, patient.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  /** A tunnel that brings this much, wants no more from the application, and is over. */
  private static void answerAndReset(TunnelLeg leg, int bytes, boolean ends, long code)
      throws Exception {
    bring(leg, bytes, ends, new TunnelTermination.Reset(code));
  }

  /** A tunnel that brings this much and is over, with or without the end of its peer's half. */
  private static void bring(TunnelLeg leg, int bytes, boolean ends, TunnelTermination cause)
      throws Exception {
    onLoop(
        () -> {
          leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer(bytes).writeZero(bytes));
          leg.onReadComplete();
          if (ends) {
            leg.onEndOfStream();
          }
          leg.onTerminated(cause);
        });
  }

  /** Writes this much, or until it learns that it cannot. */
  private static CompletableFuture<Void> writing(TcpPair pair, long bytes) {
    byte[] piece = new byte[64 << 10];
    return CompletableFuture.runAsync(
        () -> {
          try {
            for (long written = 0; written < bytes; written += piece.length) {
              pair.app().getOutputStream().write(piece);
            }
          } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
          }
        });
  }

  @ParameterizedTest(name = "{0} MiB, the peer ends: {1}, reset {2}, then {3} MiB are written")
  @CsvSource({
    "1, false, 0, 0",
    "1, false, 0, 64",
    "1, true, 0, 64",
    "1, true, 8, 0",
    "1, true, 8, 64",
    "32, false, 0, 64"
  })
  void anApplicationThatWritesMoreThanIsWantedGetsAllOfTheAnswer(
      int mebibytes, boolean ends, long code, int writes) throws Exception {
    int bytes = mebibytes << 20;
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    tunnel.writable = false;
    TunnelLeg leg = new TunnelLeg(tunnel);
    RelayLimits limits = limits(PROBING);
    try (TcpPair down = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, down.leg(), leg, limits, recorder).start());
      down.app().getOutputStream().write(new byte[64 << 10]); // lies unread
      answerAndReset(leg, bytes, ends, code);
      writing(down, (long) writes << 20).get(10, TimeUnit.SECONDS); // it reads later
      assertEquals(bytes, down.app().getInputStream().readAllBytes().length);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @ParameterizedTest
  @EnumSource(Transport.class)
  void anApplicationThatWritesOnAfterTheEndOfItsAnswerGetsAllOfIt(Transport transport)
      throws Exception {
    String missing = transport.unavailabilityReason();
    assumeTrue(missing.isEmpty(), missing);
    EventLoopGroup others = new EventLoops(transport, 1);
    EventLoop its = others.next();
    FakeTunnel tunnel = new FakeTunnel(its);
    tunnel.writable = false;
    TunnelLeg leg = new TunnelLeg(tunnel);
    RelayLimits limits = limits(PROBING);
    Recorder recorder = new Recorder();
    int bytes = 1 << 20;
    try (TcpPair down = TcpPair.open(its, transport)) {
      its.submit(() -> Relay.outbound(its, down.leg(), leg, limits, recorder).start())
          .get(10, TimeUnit.SECONDS);
      its.submit(
              () -> {
                leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer(bytes).writeZero(bytes));
                leg.onReadComplete();
                leg.onEndOfStream();
              })
          .get(10, TimeUnit.SECONDS);
      down.app().getOutputStream().write(new byte[64 << 10]); // lies unread
      its.submit(() -> leg.onTerminated(new TunnelTermination.Reset(Http2Errors.NO_ERROR)))
          .get(10, TimeUnit.SECONDS);
      writing(down, 64 << 20).get(10, TimeUnit.SECONDS); // it reads later
      assertEquals(bytes, down.app().getInputStream().readAllBytes().length);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    } finally {
      others.shutdownGracefully(0, 5, TimeUnit.SECONDS).await(10, TimeUnit.SECONDS);
    }
  }

  @Test
  void anApplicationThatNeitherTakesItsAnswerNorSendsIsLeftToTheKernel() throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    int bytes = 1 << 20;
    try (TcpPair down = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, down.leg(), leg, limits(PROBING), recorder).start());
      answerAndReset(leg, bytes, false, Http2Errors.NO_ERROR);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(bytes, down.app().getInputStream().readAllBytes().length);
    }
  }

  @ParameterizedTest(name = "{0}")
  @ValueSource(strings = {"reset", "lost"})
  void anApplicationThatOnlySendsLearnsThatNobodyListens(String how) throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    try (TcpPair down = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, down.leg(), leg, limits(HASTY), recorder).start());
      bring(
          leg,
          1 << 20,
          how.equals("lost"),
          how.equals("lost") ? LOST : new TunnelTermination.Reset(Http2Errors.NO_ERROR));
      CompletableFuture<Void> sending = writing(down, Long.MAX_VALUE);
      Throwable learned =
          assertThrows(ExecutionException.class, () -> sending.get(10, TimeUnit.SECONDS));
      assertInstanceOf(java.io.UncheckedIOException.class, learned.getCause());
      assertEquals(how.equals("lost") ? SEND_LOST : RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @ParameterizedTest(name = "{0} MiB, {1}, then {2} MiB are written")
  @CsvSource({"1, lost, 0", "1, lost, 64", "1, closed, 64", "32, lost, 64"})
  void aWholeAnswerArrivesThoughItsTunnelIsLost(int mebibytes, String how, int writes)
      throws Exception {
    int bytes = mebibytes << 20;
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    tunnel.writable = false;
    TunnelLeg leg = new TunnelLeg(tunnel);
    RelayLimits limits = limits(PROBING);
    try (TcpPair down = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, down.leg(), leg, limits, recorder).start());
      down.app().getOutputStream().write(new byte[64 << 10]); // lies unread
      bring(leg, bytes, true, how.equals("lost") ? LOST : new TunnelTermination.PeerClosed());
      writing(down, (long) writes << 20).get(10, TimeUnit.SECONDS); // it reads later
      assertEquals(bytes, down.app().getInputStream().readAllBytes().length);
      assertEquals(
          how.equals("lost")
              ? SEND_LOST
              : new RelayEnd.Broken(
                  RelayEnd.Direction.SEND, "io error: tunnel lost: TLS closed by peer"),
          recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @Test
  void aWholeQuestionArrivesThoughItsTunnelIsLost() throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    try (TcpPair up = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, leg, up.leg(), limits(PROBING), recorder).start());
      bring(leg, LEFT, true, LOST);
      assertEquals(LEFT, up.app().getInputStream().readAllBytes().length);
      assertEquals(
          new RelayEnd.Broken(RelayEnd.Direction.RECEIVE, "io error: tunnel lost: ping timed out"),
          recorder.awaitEnd());
    }
  }

  @Test
  void aTunnelThatIsLostIsToldThoughTheApplicationResetsBeforeItHasAll() throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    RelayLimits limits = limits(PROBING);
    try (TcpPair down = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, down.leg(), leg, limits, recorder).start());
      bring(leg, LEFT, true, LOST);
      down.resetApp();
      assertEquals(SEND_LOST, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @Test
  void aRelayIsAbortedWhileItTakesLeave() throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    try (TcpPair down = TcpPair.open(loop)) {
      Relay relay = join(down.leg(), leg, recorder);
      answerAndReset(leg, 1 << 20, false, Http2Errors.NO_ERROR);
      onLoop(relay::abort);
      assertEquals("reset", down.appSees());
      assertEquals(RelayEnd.ABORTED, recorder.awaitEnd());
    }
  }

  /** Joins two applications; what is for one of them waits in the process, however much it is. */
  private static void joinWithRoom(TcpPair down, TcpPair up, RelayLimits limits, Recorder recorder)
      throws Exception {
    onLoop(
        () -> {
          for (TcpPair pair : List.of(down, up)) {
            pair.leg()
                .channel()
                .config()
                .setWriteBufferWaterMark(new WriteBufferWaterMark(2 * LEFT - 1, 2 * LEFT));
          }
          Relay.outbound(loop, down.leg(), up.leg(), limits, recorder).start();
        });
  }

  /** Says so much, and ends its half; the relay has read all of it when this returns. */
  private static void sayAndEnd(TcpPair pair, int bytes) throws Exception {
    writing(pair, bytes).get(10, TimeUnit.SECONDS);
    pair.app().shutdownOutput();
    Await.until("the end is read", ((DuplexChannel) pair.leg().channel())::isInputShutdown);
  }

  /** Resets the connection, which the relay has found out when this returns. */
  private static void goForGood(TcpPair pair) throws Exception {
    pair.resetApp();
    Await.until("it is found out", () -> !pair.leg().channel().isOpen());
  }

  @ParameterizedTest(name = "the {0}")
  @ValueSource(strings = {"downstream", "upstream"})
  void whatIsWholeArrivesThoughProbesFindThatWhoSaidItHasGone(String who) throws Exception {
    RelayLimits limits = new RelayLimits(HASTY, new HeldBytes(3L * LEFT));
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      TcpPair going = who.equals("downstream") ? down : up;
      TcpPair staying = who.equals("downstream") ? up : down;
      joinWithRoom(down, up, limits, recorder);
      sayAndEnd(going, LEFT);
      goForGood(going);
      assertEquals(LEFT, staying.app().getInputStream().readAllBytes().length);
      assertEquals(new RelayEnd.Abandoned(who + RESET), recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @ParameterizedTest(name = "the {0}")
  @ValueSource(strings = {"downstream", "upstream"})
  void whatIsWholeArrivesThoughWhoSaidItTakesNoMore(String who) throws Exception {
    RelayLimits limits = limits(PROBING);
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      TcpPair going = who.equals("downstream") ? down : up;
      TcpPair staying = who.equals("downstream") ? up : down;
      joinWithRoom(down, up, limits, recorder);
      sayAndEnd(going, LEFT);
      going.app().close();
      writing(staying, 64 << 20).get(10, TimeUnit.SECONDS); // the first bytes bring a reset
      assertEquals(LEFT, staying.app().getInputStream().readAllBytes().length);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  @ParameterizedTest(name = "the {0}")
  @ValueSource(strings = {"downstream", "upstream"})
  void whatIsLeftForOneArrivesThoughTheOtherOneResets(String who) throws Exception {
    RelayLimits limits = new RelayLimits(PROBING, new HeldBytes(3L * LEFT));
    Recorder recorder = new Recorder();
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      TcpPair going = who.equals("downstream") ? down : up;
      TcpPair staying = who.equals("downstream") ? up : down;
      joinWithRoom(down, up, limits, recorder);
      sayAndEnd(going, LEFT);
      sayAndEnd(staying, LEFT);
      goForGood(going);
      assertEquals(LEFT, staying.app().getInputStream().readAllBytes().length);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(0, limits.held().total());
    }
  }

  /**
   * Answers and closes with bytes unread, which brings a reset: after its end, or instead of it.
   */
  private static void answerAndGo(TcpPair pair, boolean ends) throws Exception {
    pair.app().getOutputStream().write("answer".getBytes(StandardCharsets.US_ASCII));
    if (ends) {
      pair.app().close();
    } else {
      pair.resetApp();
    }
  }

  private static void awaitFull(TcpPair pair) throws Exception {
    Await.until("the socket is full", () -> onLoop(pair.leg()::unsentBytes) > 0);
  }

  /** Brings more through a tunnel than this application, which does not read, can be sent. */
  private static void fill(TcpPair up, TunnelLeg leg) throws Exception {
    onLoop(
        () -> {
          leg.onData(PooledByteBufAllocator.DEFAULT.directBuffer(LEFT).writeZero(LEFT));
          leg.onReadComplete();
        });
    awaitFull(up);
  }

  /** As a server does that refuses an upload without reading it. */
  @ParameterizedTest(name = "the {0}, ends in order first: {1}")
  @CsvSource({"downstream, false", "downstream, true", "upstream, false", "upstream, true"})
  void whatOneSaidBeforeItsResetArrivesThoughMoreWasToBeSentToIt(String who, boolean ends)
      throws Exception {
    Recorder recorder = new Recorder();
    CountDownLatch gone = new CountDownLatch(1);
    try (TcpPair down = TcpPair.open(loop);
        TcpPair up = TcpPair.open(loop)) {
      TcpPair going = who.equals("downstream") ? down : up;
      TcpPair staying = who.equals("downstream") ? up : down;
      joinWithRoom(down, up, limits(PROBING), recorder);
      writing(staying, LEFT).get(10, TimeUnit.SECONDS);
      awaitFull(going);
      loop.submit(() -> gone.await(10, TimeUnit.SECONDS)); // it finds all of it at once
      answerAndGo(going, ends);
      gone.countDown();
      assertEquals(
          "answer",
          new String(staying.app().getInputStream().readNBytes(6), StandardCharsets.US_ASCII));
      assertEquals(ends ? "end" : "reset", staying.appSees());
      staying.app().close();
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @ParameterizedTest(name = "ends in order first: {0}")
  @ValueSource(booleans = {false, true})
  void whatAServerSaidBeforeItsResetIsForATunnelThatIsFull(boolean ends) throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    tunnel.writable = false;
    TunnelLeg leg = new TunnelLeg(tunnel);
    try (TcpPair up = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, leg, up.leg(), limits(HASTY), recorder).start());
      fill(up, leg);
      answerAndGo(up, ends);
      Await.until("it is found out", () -> ((DuplexChannel) up.leg().channel()).isOutputShutdown());
      if (ends) { // it is owed to the tunnel
        LockSupport.parkNanos(3 * HASTY.untilFound().toNanos()); // the relay looks by this clock
      }
      sendOn(leg); // to no avail
      assertEquals(LEFT + 6, tunnel.consumedBytes.get(), "a peer that waits reads nothing");
      tunnel.writable = true;
      onLoop(leg::onWritabilityChanged);
      String last = ends ? "leave" : "reset CANCEL after writes";
      Await.until("the end", () -> tunnel.events.contains(last));
      assertEquals(List.of("data answer", last), tunnel.events);
      assertFalse(recorder.end.isDone());
      onLoop(leg::onFinished);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  /** Our end cannot be told to a socket that was reset, of which nobody has read that yet. */
  @Test
  void whatAServerSaidBeforeItsResetArrivesThoughTheClientEndsMeanwhile() throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    tunnel.writable = false;
    TunnelLeg leg = new TunnelLeg(tunnel);
    int bytes = 60_000; // more than is read at once
    try (TcpPair up = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, leg, up.leg(), limits(PROBING), recorder).start());
      up.app().getOutputStream().write(new byte[bytes]);
      up.resetApp();
      TimeUnit.MILLISECONDS.sleep(100); // the loop has heard of it
      onLoop(leg::onEndOfStream);
      tunnel.writable = true;
      onLoop(leg::onWritabilityChanged);
      Await.until("the end", () -> tunnel.events.contains("reset CANCEL after writes"));
      assertEquals(
          bytes,
          tunnel.events.stream()
              .filter(event -> event.startsWith("data "))
              .mapToInt(event -> event.length() - "data ".length())
              .sum());
      onLoop(leg::onFinished);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
    }
  }

  @Test
  void whatComesBeforeAResetDoesNotWaitForATunnelForLong() throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    tunnel.writable = false;
    TunnelLeg leg = new TunnelLeg(tunnel);
    try (TcpPair up = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, leg, up.leg(), limits(HASTY), recorder).start());
      fill(up, leg);
      up.app().getOutputStream().write(new byte[60_000]); // more than is read at once
      up.resetApp();
      Await.until("it is found out", () -> ((DuplexChannel) up.leg().channel()).isOutputShutdown());
      assertFalse(tunnel.events.contains("reset CANCEL after writes"), "it is not waited for");
      assertEquals(
          new RelayEnd.Abandoned("downstream: what came before a reset waits for 1s"),
          recorder.awaitEnd());
      onLoop(() -> {}); // and dealt with
      assertEquals(
          List.of("reset CANCEL after writes", "reset CANCEL"),
          tunnel.events.stream().filter(event -> !event.startsWith("data")).toList());
    }
  }

  @Test
  void whatComesBeforeAResetDoesNotWaitForAReaderForLong() throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    RelayLimits limits = new RelayLimits(HASTY, new HeldBytes(3L * LEFT));
    try (TcpPair down = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, down.leg(), leg, limits, recorder).start());
      bring(leg, LEFT, false, termination("reset 8"));
      assertTrue(limits.held().total() > 0, "it is not counted");
      assertEquals(
          new RelayEnd.Abandoned("downstream: what came before a reset waits for 1s"),
          recorder.awaitEnd());
      assertEquals(0, limits.held().total());
      assertEquals("reset", down.appSees());
    }
  }

  /** The rest is for a tunnel whose peer goes on sending, and is lost in the end. */
  @Test
  void aTunnelMayBeLostWhileItGetsWhatAServerSaidBeforeItsReset() throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    try (TcpPair up = TcpPair.open(loop)) {
      join(leg, up.leg(), recorder);
      up.resetApp();
      Await.until("it is found out", () -> !up.leg().channel().isOpen());
      assertFalse(recorder.end.isDone());
      onLoop(() -> leg.onTerminated(LOST));
      assertEquals(
          new RelayEnd.Broken(RelayEnd.Direction.RECEIVE, "io error: tunnel lost: ping timed out"),
          recorder.awaitEnd());
    }
  }

  @ParameterizedTest(name = "{0}")
  @ValueSource(strings = {"reset 8", "reset 2", "lost", "closed", "goaway"})
  void whatATunnelBroughtBeforeItsResetArrives(String event) throws Exception {
    Recorder recorder = new Recorder();
    TunnelLeg leg = new TunnelLeg(new FakeTunnel(loop));
    try (TcpPair down = TcpPair.open(loop)) {
      join(down.leg(), leg, recorder);
      onLoop(
          () -> {
            leg.onData(ByteBufUtil.writeUtf8(PooledByteBufAllocator.DEFAULT, "answer"));
            leg.onTerminated(termination(event));
          });
      assertEquals(
          "answer",
          new String(down.app().getInputStream().readNBytes(6), StandardCharsets.US_ASCII));
      assertEquals("reset", down.appSees());
      recorder.awaitEnd();
    }
  }

  @ParameterizedTest(name = "the server writes on: {0}")
  @ValueSource(booleans = {false, true})
  void aTunnelIsLeftOnlyWithTheEndOfWhatTheApplicationSaidBeforeItWent(boolean writes)
      throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    TunnelLeg leg = new TunnelLeg(tunnel);
    RelayLimits limits = limits(writes ? PROBING : HASTY);
    try (TcpPair down = TcpPair.open(loop)) {
      onLoop(() -> Relay.outbound(loop, down.leg(), leg, limits, recorder).start());
      down.app().getOutputStream().write("question".getBytes(StandardCharsets.US_ASCII));
      down.app().shutdownOutput();
      Await.until("the end", () -> tunnel.events.contains("end"));
      tunnel.writable = false; // as while the end waits for a window
      onLoop(leg::onWritabilityChanged);
      down.resetApp();
      if (writes) {
        sendOn(leg);
      }
      Await.until("it is found out", () -> !down.leg().channel().isOpen());
      onLoop(() -> {}); // and dealt with
      assertEquals(List.of("data question", "end", "leave"), tunnel.events);
      assertFalse(recorder.end.isDone());
      int consumed = tunnel.consumedBytes.get();
      sendOn(leg);
      assertEquals(consumed + 6, tunnel.consumedBytes.get(), "a peer that waits reads nothing");
      onLoop(leg::onFinished);
      assertEquals(
          writes ? RelayEnd.DONE : new RelayEnd.Abandoned("downstream" + RESET),
          recorder.awaitEnd());
    }
  }

  private static void sendOn(TunnelLeg leg) throws Exception {
    onLoop(
        () -> {
          leg.onData(ByteBufUtil.writeUtf8(PooledByteBufAllocator.DEFAULT, "answer"));
          leg.onReadComplete();
        });
  }

  @Test
  void aTunnelThatTakesNoMoreStopsTheSocketAndItsWritabilityStartsItAgain() throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    tunnel.writable = false;
    TunnelLeg leg = new TunnelLeg(tunnel);
    try (TcpPair down = TcpPair.open(loop)) {
      join(down.leg(), leg, recorder);
      down.app().getOutputStream().write("held".getBytes(StandardCharsets.US_ASCII));
      onLoop(() -> {});
      assertEquals(List.of(), tunnel.events);
      tunnel.writable = true;
      onLoop(leg::onWritabilityChanged);
      down.app().shutdownOutput();
      Await.until("the end", () -> tunnel.events.contains("end"));
      assertEquals(List.of("data held", "end"), tunnel.events);
    }
  }

  @Test
  void aResetOfTheApplicationCancelsTheTunnel() throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    TunnelLeg leg = new TunnelLeg(tunnel);
    try (TcpPair down = TcpPair.open(loop)) {
      join(down.leg(), leg, recorder);
      down.resetApp();
      Await.until("a reset", () -> !tunnel.events.isEmpty());
      onLoop(leg::onFinished);
      assertEquals(RelayEnd.DONE, recorder.awaitEnd());
      assertEquals(List.of("reset CANCEL after writes"), tunnel.events);
    }
  }

  @Test
  void whatArrivesForARelayThatIsOverIsReleased() throws Exception {
    Recorder recorder = new Recorder();
    FakeTunnel tunnel = new FakeTunnel(loop);
    TunnelLeg leg = new TunnelLeg(tunnel);
    try (TcpPair down = TcpPair.open(loop)) {
      Relay relay = join(down.leg(), leg, recorder);
      onLoop(
          () -> {
            relay.abort();
            leg.onData(ByteBufUtil.writeUtf8(PooledByteBufAllocator.DEFAULT, "late"));
            leg.onEndOfStream();
          });
      assertEquals("reset", down.appSees());
      assertNull(recorder.end.getNow(RelayEnd.DONE) instanceof RelayEnd.Aborted ? null : recorder);
    }
  }
}
