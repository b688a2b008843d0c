package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A client connection without a network and without a pool around it: frames go in, frames come
 * out, and time stands still until it is told to move. Confined to the test's thread.
 */
final class ClientScript implements ClientConnection.Owner, AutoCloseable {
  final EmbeddedChannel channel = new EmbeddedChannel();
  final Frames peer = new Frames();
  final List<String> events = new ArrayList<>();
  final ClientConnection connection;
  private final PeerKey key =
      Loopback.key(new InetSocketAddress(InetAddress.getLoopbackAddress(), 15008), "uid");
  private final HbonePool pool;

  ClientScript() {
    channel.freezeTime();
    HboneSettings settings = HboneSettings.defaults();
    pool = new HbonePool(channel.eventLoop(), settings, new NoWay(), HboneObserver.NONE);
    connection = new ClientConnection(channel.eventLoop(), key, settings, this, HboneObserver.NONE);
    channel.pipeline().addLast(connection.http2());
    connection.onSecured(new TlsPeer(List.of(), List.of()));
  }

  /** A connection after both prefaces, with what the client sent read away. */
  static ClientScript started() {
    ClientScript script = new ClientScript();
    script.send(Frames.settings(), Frames.settingsAck());
    script.received();
    return script;
  }

  ClientScript send(ByteBuf... frames) {
    channel.writeInbound(Unpooled.wrappedBuffer(frames));
    return this;
  }

  /** Sends a CONNECT. */
  Opened open() {
    Opened opened = new Opened();
    open(opened);
    return opened;
  }

  void open(TunnelOpening opening) {
    connection.open(new TunnelRequest(pool, key, Loopback.connect("10.0.0.1:80"), opening));
  }

  /** Sends a CONNECT, and answers it as the peer. */
  Opened opened(int streamId) {
    Opened opened = open();
    answer(streamId, 200, false);
    received();
    return opened;
  }

  void answer(int streamId, int status, boolean endStream) {
    send(
        peer.headers(
            streamId, new DefaultHttp2Headers(false).status(String.valueOf(status)), endStream));
  }

  List<String> received() {
    channel.runPendingTasks();
    List<String> frames = new ArrayList<>();
    for (ByteBuf out = channel.readOutbound(); out != null; out = channel.readOutbound()) {
      frames.addAll(peer.read(out));
    }
    return frames;
  }

  void expect(String... frames) {
    assertEquals(List.of(frames), received());
  }

  void after(Duration time) {
    channel.advanceTimeBy(time.toNanos(), TimeUnit.NANOSECONDS);
    channel.runScheduledPendingTasks();
    channel.runPendingTasks();
  }

  @Override
  public void onUsable(ClientConnection of) {
    events.add("usable");
  }

  @Override
  public void onDialFailed(ClientConnection of, HboneFailure failure) {
    events.add(failure.message());
  }

  @Override
  public void onRoom(ClientConnection of) {}

  @Override
  public void onRetired(ClientConnection of) {
    events.add("retired");
  }

  @Override
  public void onIdle(ClientConnection of) {
    events.add("idle");
  }

  @Override
  public void onOver(ClientConnection of) {
    events.add("over");
  }

  @Override
  public void close() {
    channel.finishAndReleaseAll();
  }

  /** Nothing is dialled here. */
  private static final class NoWay implements Connector {
    @Override
    public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
      return loop.newFailedFuture(new IllegalStateException("no other connection"));
    }

    @Override
    public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
      return loop.newFailedFuture(new IllegalStateException("no other connection"));
    }
  }
}
