package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.ClientTls;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.Connector;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.HboneObserver;
import io.ztunnel.hbone.HbonePool;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.PeerKey;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TlsPeer;
import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.hbone.Tunnel;
import io.ztunnel.hbone.TunnelListener;
import io.ztunnel.hbone.TunnelOpening;
import io.ztunnel.hbone.TunnelReset;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Transport;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A member of the mesh that needs no daemon: opens tunnels from a place that is not captured, with
 * any identity, signed by the authority that the lab's daemons share. For one thread.
 */
final class MeshClient implements Closeable {
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private final EventLoops group = new EventLoops(Transport.NIO, 1);
  private final EventLoop loop = group.next();
  private final String identity;
  private final NetworkNamespace namespace;
  private final ClientTls tls;
  private final HbonePool pool;

  MeshClient(Lab lab, Lab.Place place, String identity) throws IOException {
    this(place, identity, certificate(lab, SpiffeId.parse(identity).orElseThrow()));
  }

  /** As above, with a certificate of some other authority. */
  MeshClient(Lab.Place place, String identity, KeyMaterial certificate) throws IOException {
    this.identity = identity;
    this.namespace = place.open();
    this.tls = ClientTls.create(certificate, TlsSettings.defaults());
    SocketFactory sockets = sockets(namespace);
    this.pool =
        new HbonePool(
            loop,
            HboneSettings.defaults(),
            new Connector() {
              @Override
              public Future<Channel> connect(EventLoop on, PeerKey key, ChannelHandler handler) {
                return sockets.connect(on, key.address(), null, handler, DEADLINE);
              }

              @Override
              public Future<ClientTls> tls(EventLoop on, PeerKey key) {
                return on.newSucceededFuture(tls);
              }
            },
            HboneObserver.NONE);
  }

  /** Sockets of a place that is not captured. */
  static SocketFactory sockets(NetworkNamespace namespace) {
    return new SocketFactory(
        Transport.NIO,
        namespace,
        new SocketSettings(
            true,
            OptionalInt.empty(),
            false,
            SocketSettings.Transparency.NEVER,
            new SocketSettings.Keepalive(false, Duration.ofSeconds(1), Duration.ofSeconds(1), 1),
            false));
  }

  /** A certificate of the lab's authority. */
  static KeyMaterial certificate(Lab lab, SpiffeId identity) throws IOException {
    try (TrialAuthority authority =
        TrialAuthority.open(Daemon.trialAuthority(lab), Duration.ofHours(1), Clock.systemUTC())) {
      Future<KeyMaterial> signed = authority.sign(identity);
      assertTrue(signed.awaitUninterruptibly(DEADLINE.toMillis()), "no certificate in time");
      return signed.getNow();
    }
  }

  /** An answered CONNECT: its status, and what came through the tunnel if that was 200. */
  static final class Answer implements TunnelOpening, TunnelListener {
    private final CompletableFuture<Integer> status = new CompletableFuture<>();
    private final CompletableFuture<String> end = new CompletableFuture<>();
    private final ByteBuf received = Unpooled.buffer();
    private @Nullable Tunnel tunnel;

    /** The connection whose bytes the tunnel carries, if any; of the loop. */
    private @Nullable Socket carried;

    /** Whether what comes is not taken; of the loop. */
    private boolean holding;

    /** How much has come and was not taken; of the loop. */
    private int held;

    @Override
    public TunnelListener onOpened(Tunnel opened, TlsPeer peer, @Nullable String baggage) {
      tunnel = opened;
      status.complete(200);
      return this;
    }

    @Override
    public void onFailed(HboneFailure failure) {
      if (failure instanceof HboneFailure.Rejected(int code, String _)) {
        status.complete(code);
      } else {
        status.completeExceptionally(new IOException(failure.message()));
      }
    }

    @Override
    public void onData(ByteBuf payload) {
      int bytes = payload.readableBytes();
      if (carried == null) {
        received.writeBytes(payload);
      } else {
        try {
          payload.readBytes(carried.getOutputStream(), bytes);
        } catch (IOException e) {
          end.completeExceptionally(e);
        }
      }
      payload.release();
      if (holding) {
        held += bytes;
      } else if (tunnel != null) {
        tunnel.consumed(bytes);
      }
    }

    /** Takes nothing from now on, so that the sender has to stop. */
    void hold() throws IOException {
      opened().eventLoop().execute(() -> holding = true);
    }

    /** Ends {@link #hold}. */
    void take() throws IOException {
      Tunnel open = opened();
      open.eventLoop()
          .execute(
              () -> {
                holding = false;
                open.consumed(held);
                held = 0;
              });
    }

    @Override
    public void onReadComplete() {}

    @Override
    public void onEndOfStream() {
      end.complete(received.toString(UTF_8));
    }

    @Override
    public void onWritabilityChanged() {}

    @Override
    public void onTerminated(TunnelTermination cause) {
      end.completeExceptionally(new IOException(cause.toString()));
    }

    @Override
    public void onFinished() {}

    int status() throws IOException {
      return await(status);
    }

    private Tunnel opened() throws IOException {
      int answered = status();
      if (tunnel == null) {
        throw new IOException("status %d (expected: 200)".formatted(answered));
      }
      return tunnel;
    }

    /**
     * Carries the bytes of a connection through the tunnel, until the connection ends; what comes
     * through the tunnel blocks the loop while the connection does not take it.
     */
    void carry(Socket connection) throws IOException {
      Tunnel open = opened();
      byte[] buffer = new byte[8192];
      open.eventLoop().execute(() -> carried = connection);
      InputStream in = connection.getInputStream();
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        ByteBuf payload = Unpooled.copiedBuffer(buffer, 0, n);
        open.eventLoop().execute(() -> open.write(payload));
      }
      open.eventLoop().execute(open::shutdownOutput);
    }

    /** Ends the tunnel at once. */
    void reset() throws IOException {
      Tunnel open = opened();
      open.eventLoop().execute(() -> open.reset(TunnelReset.CANCEL));
    }

    /** Says the text, ends this side, and returns all that comes back. */
    String exchange(String text) throws IOException {
      finish(text);
      return rest();
    }

    /** All that comes until the other side ends. */
    String rest() throws IOException {
      return await(end);
    }

    /** Says the text and ends this side. */
    void finish(String text) throws IOException {
      Tunnel open = opened();
      open.eventLoop()
          .execute(
              () -> {
                open.write(Unpooled.copiedBuffer(text, UTF_8));
                open.shutdownOutput();
              });
    }
  }

  private static <T> T await(CompletableFuture<T> future) throws IOException {
    try {
      return future.get(DEADLINE.toSeconds(), TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new IOException(e.getCause());
    } catch (TimeoutException e) {
      throw new IOException("no answer within " + DEADLINE, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** Asks the proxy of a pod for a tunnel to this authority. */
  Answer connect(Lab.Pod server, String authority) {
    return connect(server, new ConnectRequest(authority, "", null, null, null));
  }

  /** Asks the proxy of a pod for a tunnel. */
  Answer connect(Lab.Pod server, ConnectRequest request) {
    return connect(server, new InetSocketAddress(server.ipv4(), 15008), request);
  }

  /** Asks the proxy of a pod for a tunnel, by another address than the pod's own. */
  Answer connect(Lab.Pod server, InetSocketAddress address, ConnectRequest request) {
    return connect(server, Entry.identity(server), address, request);
  }

  /**
   * As above.
   *
   * @param expected whom the proxy has to be
   */
  Answer connect(
      Lab.Pod server, String expected, InetSocketAddress address, ConnectRequest request) {
    Answer answer = new Answer();
    PeerKey key = new PeerKey(identity, List.of(expected), address, null, server.name());
    loop.execute(() -> pool.open(key, request, answer));
    return answer;
  }

  @Override
  public void close() {
    loop.submit(pool::close).awaitUninterruptibly(DEADLINE.toMillis());
    group.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(DEADLINE.toMillis());
    tls.close();
    namespace.close();
  }
}
