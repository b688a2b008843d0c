package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.cert.X509Certificate;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A client connection in a script, without a pool around it. Confined to the test's thread. */
final class ClientScript extends FrameScript implements ClientConnection.Owner {
  private static final X509Certificate SERVER =
      TestPki.root("script").workload(Loopback.SERVER).leaf();

  final ClientConnection connection;
  private final PeerKey key =
      Loopback.key(new InetSocketAddress(InetAddress.getLoopbackAddress(), 15008), "uid");
  private final HbonePool pool;
  private final HboneSettings settings = HboneSettings.defaults();

  ClientScript() {
    this(/* secured= */ true);
  }

  private ClientScript(boolean secured) {
    pool = new HbonePool(channel.eventLoop(), settings, new NoWay(), HboneObserver.NONE);
    connection = new ClientConnection(channel.eventLoop(), key, settings, this, observer());
    channel.pipeline().addLast(connection.http2());
    if (secured) {
      connection.onSecured(
          new TlsPeer(List.of(SERVER), List.of()),
          new PeerTrust(TrustRoots.none(), Revocations.NONE),
          settings.handshakeTimeout().toNanos());
    }
  }

  private HboneObserver observer() {
    return new HboneObserver() {
      @Override
      public void onPingTimeout(Role role, InetSocketAddress peer) {
        assertEquals(key.address(), peer);
        events.add("ping timed out");
      }
    };
  }

  /** A connection whose peer has shaken hands, and was then not let through. */
  static ClientScript refused() {
    ClientScript script = new ClientScript(/* secured= */ false);
    script.connection.onDialFailed(new HboneFailure.Http2Failed("refused"));
    return script;
  }

  /** A connection after both prefaces, with what the client sent read away. */
  static ClientScript started() {
    ClientScript script = new ClientScript();
    script.send(Frames.settings(), Frames.settingsAck());
    script.received();
    return script;
  }

  /** Sends a CONNECT. */
  Opened open() {
    Opened opened = new Opened();
    open(opened);
    return opened;
  }

  void open(TunnelOpening opening) {
    connection.open(
        new TunnelRequest(new PoolLine(), key, Loopback.connect("10.0.0.1:80"), opening));
  }

  /** Where requests wait that the connection did not take. */
  private final class PoolLine implements TunnelRequest.Line {
    @Override
    public HboneSettings settings() {
      return settings;
    }

    @Override
    public void assertConfined() {
      pool.assertConfined();
    }

    @Override
    public void assign(TunnelRequest request) {
      pool.assign(request);
    }

    @Override
    public void onCancelled(TunnelRequest request) {}

    @Override
    public @Nullable ClientConnection awaited(TunnelRequest request) {
      return null;
    }
  }

  /** Sends a CONNECT, and answers it as the peer. */
  Opened opened(int streamId) {
    Opened opened = open();
    answer(streamId, 200, false);
    received();
    return opened;
  }

  /** As above, answered by a server whose header blocks others may follow. */
  Opened openedBy(Frames server, int streamId) {
    Opened opened = open();
    send(server.headers(streamId, new DefaultHttp2Headers(false).status("200"), false));
    received();
    return opened;
  }

  /** What was sent since, as bytes. */
  ByteBuf sent() {
    channel.runPendingTasks();
    return channel.readOutbound();
  }

  void answer(int streamId, int status, boolean endStream) {
    send(
        peer.headers(
            streamId, new DefaultHttp2Headers(false).status(String.valueOf(status)), endStream));
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
