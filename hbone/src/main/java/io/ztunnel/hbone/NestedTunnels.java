package io.ztunnel.hbone;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Tunnels within tunnels, to peers that only a gateway can reach (Istio's double HBONE). The outer
 * tunnel is one of the pool's; in it runs a connection of its own, with TLS to whoever the gateway
 * chose, for one inner tunnel. So every connection of an application is balanced by the gateway.
 *
 * <p>Confined to the pool's event loop.
 */
final class NestedTunnels {
  private final EventLoop loop;
  private final HbonePool pool;
  private final HboneSettings settings;
  private final Connector connector;
  private final HboneObserver observer;

  /** Every inner connection that is not over, those in the making included. */
  private final Set<ClientConnection> connections = new HashSet<>();

  private boolean closed;

  /**
   * @param pool where the outer tunnels come from
   * @param connector for the certificates
   */
  NestedTunnels(
      EventLoop loop,
      HbonePool pool,
      HboneSettings settings,
      Connector connector,
      HboneObserver observer) {
    this.loop = loop;
    this.pool = pool;
    this.settings = settings;
    this.connector = connector;
    this.observer = observer;
  }

  PendingTunnel open(
      NestedPeer peer, ConnectRequest outer, ConnectRequest inner, TunnelOpening opening) {
    Nested nested = new Nested(peer, outer);
    TunnelRequest request = new TunnelRequest(nested, nested.key, inner, opening);
    nested.assign(request);
    return request;
  }

  /** Ends every inner connection. */
  void close() {
    closed = true;
    List.copyOf(connections).forEach(connection -> connection.close("pool closed"));
  }

  void closeRevoked() {
    List.copyOf(connections).forEach(ClientConnection::closeIfRevoked);
  }

  /** One inner tunnel, and the connection it is for. */
  private final class Nested implements TunnelRequest.Line, Connector, ClientConnection.Owner {
    private final NestedPeer peer;
    private final PeerKey key;
    private final ConnectRequest outer;
    private @Nullable TunnelRequest waiting;
    private @Nullable ClientConnection dialled;

    Nested(NestedPeer peer, ConnectRequest outer) {
      this.peer = peer;
      this.outer = outer;
      this.key = peer.key();
    }

    // TunnelRequest.Line

    @Override
    public HboneSettings settings() {
      return settings;
    }

    @Override
    public void assertConfined() {
      pool.assertConfined();
    }

    /** Dials for the request: for the first time, or again when it was not processed. */
    @Override
    public void assign(TunnelRequest request) {
      if (closed) {
        loop.execute(() -> request.fail(new HboneFailure.PoolClosed()));
        return;
      }
      ClientConnection connection = new ClientConnection(loop, key, settings, this, observer);
      waiting = request;
      dialled = connection;
      connections.add(connection);
      // Not from inside open: what the connector has ready may fail at once.
      loop.execute(() -> connection.dial(this));
    }

    @Override
    public void onCancelled(TunnelRequest request) {
      if (dialled != null) {
        dialled.close("nobody waits for it any more");
      }
    }

    // Connector

    @Override
    public Future<Channel> connect(EventLoop on, PeerKey inner, ChannelHandler handler) {
      Promise<Channel> connected = on.newPromise();
      PendingTunnel pending =
          pool.open(peer.gateway(), outer, new Outer(inner.address(), handler, connected));
      connected.addListener(
          done -> {
            if (done.isCancelled()) {
              pending.cancel();
            }
          });
      return connected;
    }

    @Override
    public Future<ClientTls> tls(EventLoop on, PeerKey inner) {
      return connector.tls(on, inner);
    }

    // ClientConnection.Owner

    @Override
    public void onUsable(ClientConnection connection) {
      @Nullable TunnelRequest request = waiting;
      waiting = null;
      if (request != null && request.isWaiting()) {
        connection.open(request);
      }
      connection.stopUsing(); // it ends with its only tunnel
    }

    @Override
    public void onDialFailed(ClientConnection connection, HboneFailure failure) {
      connections.remove(connection);
      @Nullable TunnelRequest request = waiting;
      waiting = null;
      if (request != null) {
        request.fail(failure);
      }
    }

    @Override
    public void onRoom(ClientConnection connection) {}

    @Override
    public void onRetired(ClientConnection connection) {}

    @Override
    public void onIdle(ClientConnection connection) {}

    @Override
    public void onOver(ClientConnection connection) {
      connections.remove(connection);
    }
  }

  /** Makes a channel of the outer tunnel. */
  private record Outer(
      InetSocketAddress address, ChannelHandler handler, Promise<Channel> connected)
      implements TunnelOpening {
    @Override
    public TunnelListener onOpened(Tunnel tunnel, TlsPeer gateway, @Nullable String baggage) {
      TunnelChannel channel = new TunnelChannel(tunnel, address);
      channel.pipeline().addLast(handler);
      tunnel
          .eventLoop()
          .register(channel)
          .addListener(
              registered -> {
                if (!registered.isSuccess()) {
                  tunnel.reset(TunnelReset.CANCEL);
                  connected.tryFailure(registered.cause());
                } else if (!connected.trySuccess(channel)) {
                  channel.close(); // given up in this very turn
                }
              });
      return channel;
    }

    @Override
    public void onFailed(HboneFailure failure) {
      connected.tryFailure(new NoOuterTunnelException(failure));
    }
  }
}
