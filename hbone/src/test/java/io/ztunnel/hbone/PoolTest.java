package io.ztunnel.hbone;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2SettingsFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PoolTest {
  private final Loopback mesh = new Loopback();
  private final TestPki pki = TestPki.root("root");
  private final ClientTls clientTls = mesh.clientTls(pki.workload(Loopback.CLIENT));
  private final ServerTls serverTls = mesh.serverTls(pki.workload(Loopback.SERVER));
  private final RecordingObserver observer = new RecordingObserver();
  private final List<NettyPeer> peers = new ArrayList<>();
  private final Queue<NettyPeer.Answer> answers = new ArrayDeque<>();
  private final InetSocketAddress address = listen(1_000);

  @AfterEach
  void stop() {
    mesh.close();
  }

  /** Netty's HTTP/2, one answer for each connection, or echo when there are no more. */
  private InetSocketAddress listen(long maxStreams) {
    return mesh.listen(
        channel -> {
          NettyPeer.Answer answer = answers.poll();
          NettyPeer peer =
              NettyPeer.accept(
                  channel, serverTls, maxStreams, answer == null ? NettyPeer.ECHO : answer);
          peers.add(peer);
          return peer;
        });
  }

  private HbonePool pool(int maxStreams, Duration idle) {
    return mesh.pool(
        mesh.connector(clientTls),
        TestSettings.pool(maxStreams, idle, Duration.ofSeconds(20)),
        observer);
  }

  private HbonePool pool(int maxStreams) {
    return pool(maxStreams, Duration.ofMinutes(5));
  }

  private PeerKey key(String uid) {
    return Loopback.key(address, uid);
  }

  private Opened open(HbonePool pool) {
    Opened opened = mesh.open(pool, key("uid"));
    assertNull(opened.failure);
    return opened;
  }

  private List<Opened> open(HbonePool pool, int count) {
    List<Opened> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      all.add(open(pool));
    }
    return all;
  }

  /** Ends tunnels in order, both halves. */
  private void finish(List<Opened> all) {
    mesh.run(() -> all.forEach(opened -> opened.tunnel().shutdownOutput()));
    mesh.await(
        "the ends", () -> all.stream().allMatch(o -> o.listener.events.contains("finished")));
  }

  private int connections(HbonePool pool) {
    return mesh.call(pool::connections);
  }

  @Test
  void connectionsAreReused() {
    HbonePool pool = pool(3);
    finish(open(pool, 2));
    finish(open(pool, 2));
    assertEquals(1, mesh.accepted.get());
    assertEquals(0, mesh.closed.get());
    assertEquals(0, mesh.call(pool::tunnels));
    mesh.run(pool::close);
    mesh.await("the close", () -> mesh.closed.get() == 1);
  }

  @Test
  void differentKeysHaveTheirOwnConnections() {
    HbonePool pool = pool(100);
    mesh.open(pool, key("a"));
    mesh.open(pool, key("b"));
    PeerKey other = new PeerKey(Loopback.CLIENT, List.of(Loopback.SERVER, "x"), address, null, "a");
    mesh.open(pool, other);
    assertEquals(3, mesh.accepted.get());
  }

  @Test
  void fullConnectionsGetCompanyAndAreUsedAgainBelowTheLimit() {
    HbonePool pool = pool(2);
    List<Opened> four = open(pool, 4);
    assertEquals(2, mesh.accepted.get());
    finish(four);
    List<Opened> five = open(pool, 5);
    assertEquals(3, mesh.accepted.get());
    assertEquals(0, mesh.closed.get());
    assertEquals(5, mesh.call(pool::tunnels));
    finish(five);
  }

  @Test
  void aLimitOfOneSharesNothing() {
    HbonePool pool = pool(1);
    open(pool, 2);
    assertEquals(2, mesh.accepted.get());
  }

  @Test
  void thePeersLimitCountsToo() {
    InetSocketAddress narrow = listen(2);
    HbonePool pool = pool(100);
    PeerKey key = Loopback.key(narrow, "narrow");
    for (int i = 0; i < 6; i++) {
      assertNull(mesh.open(pool, key).failure);
    }
    assertEquals(3, mesh.accepted.get());
  }

  /** Says with its first answer how many it allows at once, and refuses what is beyond. */
  private static final class LateSettings extends ChannelInboundHandlerAdapter {
    private final Frames frames = new Frames();
    private final int allowed;
    private final int served;
    private int asked;

    /**
     * @param served of these how many it does not refuse either
     */
    LateSettings(int allowed, int served) {
      this.allowed = allowed;
      this.served = served;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object bytes) {
      for (String frame : frames.read((ByteBuf) bytes)) {
        if (frame.startsWith("HEADERS ")) {
          if (asked == 0) {
            ctx.write(Frames.settings(SettingIds.MAX_CONCURRENT_STREAMS, allowed));
          }
          int id = Integer.parseInt(frame.split(" ", -1)[1]);
          asked++;
          ctx.write(
              asked <= served
                  ? Frames.frame(FrameType.HEADERS, FrameType.END_HEADERS, id, 0x88)
                  : Frames.reset(id, Http2Error.REFUSED_STREAM.code()));
        }
      }
      ctx.flush();
    }
  }

  /** Asks for so many tunnels at once to such a server. */
  private List<Opened> openAtOnce(int count, int allowed, int served) {
    InetSocketAddress late =
        mesh.listen(
            channel -> {
              channel.pipeline().addLast(serverTls.newHandler(channel.alloc()));
              channel.pipeline().addLast(new LateSettings(allowed, served));
              channel.config().setAutoRead(true);
              return channel;
            });
    HbonePool pool = pool(100);
    List<Opened> all = new ArrayList<>();
    mesh.run(
        () -> {
          for (int i = 0; i < count; i++) {
            Opened opened = new Opened();
            all.add(opened);
            pool.open(Loopback.key(late, "late"), Loopback.connect("a:1"), opened);
          }
        });
    mesh.await("all answers", () -> all.stream().allMatch(Opened::isDone));
    return all;
  }

  @Test
  void thosePastALimitThatWasNotKnownYetAreSentElsewhereAsOftenAsItTakes() {
    List<Opened> all = openAtOnce(300, 50, 50);
    all.forEach(each -> assertNull(each.failure));
    all.forEach(each -> assertEquals(1, each.calls));
    assertEquals(6, mesh.accepted.get(), "none was left for what it could not know");
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "10, 0", "10, 5"})
  void aLimitDoesNotMakeAPeerThatRefusesWhatItAllowsGoOnForEver(int allowed, int served) {
    List<Opened> all = openAtOnce(100, allowed, served);
    assertEquals(served == 0, all.stream().allMatch(each -> each.failure != null));
    assertTrue(mesh.accepted.get() <= 100, () -> "dials: " + mesh.accepted.get());
  }

  @Test
  void connectionsToPeersThatAllowNoMoreTunnelsDoNotPileUp() {
    HbonePool pool = pool(100);
    for (int i = 0; i < 5; i++) {
      answers.add(
          (peer, request) -> {
            NettyPeer.ECHO.give(peer, request);
            peer.write(new DefaultHttp2SettingsFrame(new Http2Settings().maxConcurrentStreams(0)));
          });
      finish(open(pool, 1));
    }
    assertEquals(5, mesh.accepted.get());
    mesh.await("they are closed", () -> pool.connections() == 0);
  }

  @Test
  void manyAtOnceShareOneDialForEachConnection() {
    HbonePool pool = pool(100);
    List<Opened> all = new ArrayList<>();
    mesh.run(
        () -> {
          for (int i = 0; i < 300; i++) {
            Opened opened = new Opened();
            all.add(opened);
            pool.open(key("uid-" + i % 3), Loopback.connect("10.0.0.1:80"), opened);
          }
        });
    mesh.await("all answers", () -> all.stream().allMatch(o -> o.tunnel != null));
    assertEquals(3, mesh.accepted.get());
    finish(all);
  }

  @Test
  void aFailedDialFailsAllWhoWait() {
    AtomicInteger dials = new AtomicInteger();
    Connector real = mesh.connector(clientTls);
    Connector failing =
        new Connector() {
          @Override
          public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
            dials.incrementAndGet();
            return real.connect(loop, key, handler);
          }

          @Override
          public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
            return real.tls(loop, key);
          }
        };
    HbonePool pool = mesh.pool(failing, HboneSettings.defaults(), HboneObserver.NONE);
    // A port that was free a moment ago: refused.
    PeerKey dead = Loopback.key(new InetSocketAddress(address.getAddress(), 1), "dead");
    List<Opened> all = new ArrayList<>();
    mesh.run(
        () -> {
          for (int i = 0; i < 50; i++) {
            Opened opened = new Opened();
            all.add(opened);
            pool.open(dead, Loopback.connect("10.0.0.1:80"), opened);
            assertFalse(opened.isDone(), "never from inside open");
          }
        });
    mesh.await("all failures", () -> all.stream().allMatch(o -> o.failure != null));
    assertEquals(1, dials.get());
    HboneFailure.ConnectFailed failed =
        assertInstanceOf(HboneFailure.ConnectFailed.class, all.getFirst().failure());
    assertFalse(failed.timedOut());
    assertTrue(failed.message().contains("refused"), failed::message);
    // The next one dials anew.
    assertInstanceOf(HboneFailure.ConnectFailed.class, mesh.open(pool, dead).failure());
    assertEquals(2, dials.get());
  }

  @Test
  void aMissingCertificateIsToldWithoutADial() {
    Connector none =
        new Connector() {
          @Override
          public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
            throw new AssertionError("dialled without a certificate");
          }

          @Override
          public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
            return loop.newFailedFuture(new IllegalStateException("no certificate yet"));
          }
        };
    HbonePool pool = mesh.pool(none, HboneSettings.defaults(), HboneObserver.NONE);
    assertEquals(
        new HboneFailure.IdentityUnavailable("no certificate yet"),
        mesh.open(pool, key("uid")).failure());
  }

  @Test
  void aPeerThatSaysGoAwayIsNotUsedAgainButItsTunnelsGoOn() {
    HbonePool pool = pool(100);
    Opened first = open(pool);
    mesh.run(() -> peers.getFirst().goAway());
    Opened second = mesh.open(pool, key("uid"));
    mesh.await("a new connection", () -> mesh.accepted.get() == 2);
    assertNull(second.failure);
    mesh.run(
        () -> {
          first.tunnel().write(Unpooled.copiedBuffer("still here", US_ASCII));
          first.tunnel().shutdownOutput();
        });
    mesh.await("the end", () -> first.listener.events.contains("finished"));
    assertEquals("still here", first.listener.payload.toString(US_ASCII));
    mesh.await("the old one closes", () -> mesh.closed.get() == 1);
  }

  @Test
  void aRefusedConnectIsSentAgainElsewhereOnce() {
    answers.add(NettyPeer.reset(Http2Error.REFUSED_STREAM));
    HbonePool pool = pool(100);
    open(pool);
    assertEquals(2, mesh.accepted.get());
    mesh.await("the refusing one is closed", () -> mesh.closed.get() == 1);
  }

  @Test
  void aConnectThatIsRefusedTwiceFails() {
    answers.add(NettyPeer.reset(Http2Error.REFUSED_STREAM));
    answers.add(NettyPeer.reset(Http2Error.REFUSED_STREAM));
    HbonePool pool = pool(100);
    assertEquals(new HboneFailure.StreamReset(7), mesh.open(pool, key("uid")).failure());
    assertEquals(2, mesh.accepted.get());
  }

  @Test
  void aConnectThatAGoAwayLeavesOutIsSentAgain() {
    answers.add(NettyPeer.goAwayBefore());
    HbonePool pool = pool(100);
    open(pool);
    assertEquals(2, mesh.accepted.get());
  }

  @Test
  void aConnectThatMayHaveBeenProcessedIsNotSentAgain() {
    answers.add(NettyPeer.CLOSE);
    answers.add(NettyPeer.reset(Http2Error.INTERNAL_ERROR));
    HbonePool pool = pool(100);
    HboneFailure lost = mesh.open(pool, key("uid")).failure();
    assertInstanceOf(HboneFailure.Http2Failed.class, lost);
    assertInstanceOf(HboneFailure.Http2Failed.class, lost);
    assertEquals(new HboneFailure.StreamReset(2), mesh.open(pool, key("uid")).failure());
    assertEquals(2, mesh.accepted.get());
  }

  @Test
  void whoAsksAgainInTheTurnInWhichItsConnectionIsLostGetsANewOne() {
    answers.add(NettyPeer.VANISH);
    HbonePool pool = pool(100);
    Opened again = new Opened();
    TunnelOpening persistent =
        new TunnelOpening() {
          @Override
          public TunnelListener onOpened(Tunnel tunnel, TlsPeer peer, @Nullable String baggage) {
            throw new AssertionError("the connection was to be lost");
          }

          @Override
          public void onFailed(HboneFailure failure) {
            PendingTunnel _ = pool.open(key("uid"), Loopback.connect("b:1"), again);
          }
        };
    mesh.run(() -> pool.open(key("uid"), Loopback.connect("a:1"), persistent));
    mesh.await("an answer", again::isDone);
    assertNull(again.failure);
    assertEquals(2, mesh.accepted.get());
  }

  @Test
  void otherAnswersThan200AreRejections() {
    answers.add(NettyPeer.status(401));
    HbonePool pool = pool(100);
    assertEquals(
        new HboneFailure.Rejected(401, "http status: 401 Unauthorized"),
        mesh.open(pool, key("uid")).failure());
    assertEquals(1, connections(pool), "the connection is as good as before");
    assertEquals(0, mesh.call(pool::tunnels));
  }

  @Test
  void anAnswerThatDoesNotComeIsGivenUp() {
    answers.add(NettyPeer.SILENCE);
    HbonePool pool =
        mesh.pool(clientTls, TestSettings.pool(100, Duration.ofMinutes(5), Duration.ofMillis(100)));
    assertEquals(
        new HboneFailure.AnswerTimedOut("no answer to CONNECT within 100 ms"),
        mesh.open(pool, key("uid")).failure());
    mesh.await("the reset", () -> peers.getFirst().events.contains("reset CANCEL"));
  }

  @Test
  void aCancelledRequestHearsNothingAndIsReset() {
    answers.add(NettyPeer.SILENCE);
    HbonePool pool = pool(100);
    Opened cancelled = new Opened();
    PendingTunnel pending =
        mesh.call(() -> pool.open(key("uid"), Loopback.connect("a:1"), cancelled));
    mesh.await(
        "the request", () -> !peers.isEmpty() && peers.getFirst().events.contains("request a:1"));
    mesh.run(pending::cancel);
    mesh.run(pending::cancel);
    mesh.await("the reset", () -> peers.getFirst().events.contains("reset CANCEL"));
    assertFalse(cancelled.isDone());
  }

  @Test
  void aRequestCancelledInLineIsNotSent() {
    HbonePool pool = pool(100);
    Opened cancelled = new Opened();
    Opened other = new Opened();
    mesh.run(
        () -> {
          PendingTunnel pending = pool.open(key("uid"), Loopback.connect("a:1"), cancelled);
          pool.open(key("uid"), Loopback.connect("b:1"), other);
          pending.cancel();
        });
    mesh.await("the other", other::isDone);
    assertFalse(cancelled.isDone());
    assertEquals(List.of("request b:1"), mesh.call(() -> List.copyOf(peers.getFirst().events)));
  }

  @Test
  void anUnusedConnectionIsClosed() {
    HbonePool pool = pool(3, Duration.ofMillis(100));
    finish(open(pool, 2));
    mesh.await("the close", () -> mesh.closed.get() == 1);
    assertEquals(0, connections(pool));
    // The PONG tells that the peer has read all: a socket that is closed before may reset it.
    List<String> events = new ArrayList<>(mesh.call(() -> List.copyOf(peers.getFirst().events)));
    events.removeIf(each -> !each.startsWith("goaway") && !each.startsWith("ping"));
    assertEquals(List.of("goaway 0", "ping false"), events);
  }

  @Test
  void aConnectionInUseIsNotClosedWhileOthersAre() {
    HbonePool pool = pool(3, Duration.ofMillis(100));
    Opened kept = open(pool);
    finish(open(pool, 3)); // one beyond the limit
    assertEquals(2, mesh.accepted.get());
    mesh.await("the overflow closes", () -> mesh.closed.get() == 1);
    finish(List.of(kept));
    mesh.await("the first closes", () -> mesh.closed.get() == 2);
  }

  @Test
  void retiredKeysGetNewConnectionsAndOldTunnelsGoOn() {
    HbonePool pool = pool(100);
    Opened old = open(pool);
    Opened other = mesh.open(pool, key("other"));
    mesh.run(() -> pool.retire(key -> key.workloadUid().equals("uid")));
    mesh.await("GOAWAY at once", () -> peers.getFirst().events.contains("goaway 0"));
    open(pool);
    assertEquals(3, mesh.accepted.get());
    finish(List.of(old));
    mesh.await("the old one closes", () -> mesh.closed.get() == 1);
    finish(List.of(other));
    assertEquals(2, connections(pool));
  }

  @Test
  void whoWaitsWhileItsKeyIsRetiredIsServed() {
    HbonePool pool = pool(100);
    Opened waiting = new Opened();
    mesh.run(
        () -> {
          pool.open(key("uid"), Loopback.connect("a:1"), waiting);
          pool.retire(_ -> true);
        });
    mesh.await("an answer", waiting::isDone);
    finish(List.of(waiting));
    mesh.await("the close", () -> mesh.closed.get() == 1);
  }

  @Test
  void closingEndsTunnelsAndFailsWhoWaits() {
    HbonePool pool = pool(100);
    Opened old = open(pool);
    Opened waiting = new Opened();
    mesh.run(
        () -> {
          pool.open(key("new"), Loopback.connect("a:1"), waiting);
          pool.close();
          pool.close();
        });
    mesh.await("the failure", () -> waiting.failure != null);
    assertEquals(new HboneFailure.PoolClosed(), waiting.failure());
    assertEquals(List.of("ConnectionLost[reason=pool closed]"), old.listener.events);
    assertEquals(new HboneFailure.PoolClosed(), mesh.open(pool, key("uid")).failure());
  }

  @Test
  void payloadReceivedBeforeTheConnectionClosesIsGivenOutFirst() {
    answers.add(
        (peer, request) -> {
          NettyPeer.ECHO.give(peer, request);
          ByteBuf payload = Unpooled.buffer(100_000).writeZero(50_000);
          peer.write(new DefaultHttp2DataFrame(payload).stream(request.stream()));
          peer.context().channel().close();
        });
    HbonePool pool = pool(100);
    Opened opened = open(pool);
    mesh.await("the end", opened.listener::isOver);
    assertEquals(50_000, opened.listener.received);
    assertEquals("PeerClosed[]", opened.listener.events.getLast());
  }

  @Test
  void moreThanTheCapacityMeansTheLeastRecentlyUsedLeaves() {
    HbonePool pool = pool(100);
    List<Opened> all = new ArrayList<>();
    int more = 3;
    for (int i = 0; i < HbonePool.CAPACITY + more; i++) {
      Opened opened = new Opened();
      all.add(opened);
      String uid = "uid-" + i;
      mesh.run(() -> pool.open(key(uid), Loopback.connect("a:1"), opened));
      if (i % 50 == 0) {
        mesh.await("an answer", opened::isDone);
      }
    }
    mesh.await("all answers", () -> all.stream().allMatch(o -> o.tunnel != null));
    int dialled = mesh.accepted.get();
    // In use, so they stay open; but the next tunnel of the oldest takes a new connection.
    assertEquals(0, mesh.closed.get());
    mesh.open(pool, key("uid-0"));
    assertEquals(dialled + 1, mesh.accepted.get());
    mesh.open(pool, key("uid-" + (HbonePool.CAPACITY + more - 1)));
    assertEquals(dialled + 1, mesh.accepted.get());
  }

  @Test
  void aSilentServerTimesOut() {
    InetSocketAddress silent =
        mesh.listen(
            channel -> {
              channel.config().setAutoRead(true); // to see the close
              return channel;
            });
    HbonePool pool = pool(100);
    HboneFailure failure = mesh.open(pool, Loopback.key(silent, "silent")).failure();
    assertEquals(
        new HboneFailure.HandshakeTimedOut(silent, "TLS handshake not done within 2000 ms"),
        failure);
  }

  @Test
  void aServerThatSpeaksSomethingElseFailsTheDial() {
    InetSocketAddress plain =
        mesh.listen(
            channel -> {
              channel.pipeline().addLast(new ChannelInboundHandlerAdapter());
              channel.config().setAutoRead(true);
              channel.writeAndFlush(Unpooled.copiedBuffer("SSH-2.0-x\r\n", US_ASCII));
              return channel;
            });
    HbonePool pool = pool(100);
    HboneFailure failure = mesh.open(pool, Loopback.key(plain, "plain")).failure();
    assertInstanceOf(HboneFailure.TlsFailed.class, failure);
  }
}
