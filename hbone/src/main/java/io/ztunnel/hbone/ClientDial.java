package io.ztunnel.hbone;

import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.EventLoop;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.Future;
import java.net.SocketTimeoutException;
import java.security.cert.X509Certificate;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * How a client's connection comes about: our certificate, a transport, TLS with the peer.
 *
 * <pre>
 *   CERTIFICATE --there--> CONNECTING --connected--> SECURING --TLS done--> SECURED
 *        '----------------------'------------------------'---failed---> FAILED
 * </pre>
 *
 * <p>Confined to the pool's event loop.
 */
final class ClientDial {
  /** Hears the outcome, exactly one, unless it has cancelled. Told on the loop. */
  interface Owner {
    /**
     * The peer is who it must be, and HTTP/2 is in the pipeline.
     *
     * @param trust what made the peer's chain good
     * @param handshakeNanosLeft how long HTTP/2 has to be set up
     */
    void onSecured(TlsPeer peer, PeerTrust trust, long handshakeNanosLeft);

    /** There is no connection. */
    void onDialFailed(HboneFailure failure);
  }

  private static final HboneFailure CLOSED_TLS =
      new HboneFailure.IdentityUnavailable("the TLS context is closed");

  /** How far it has come. */
  enum Stage {
    CERTIFICATE,
    CONNECTING,
    SECURING,
    SECURED,
    FAILED
  }

  private final EventLoop loop;
  private final PeerKey key;
  private final HboneSettings settings;
  private final ByteBufAllocator buffers;
  private final Http2Connection http2;
  private final Owner owner;

  private Stage stage = Stage.CERTIFICATE;
  private @Nullable Future<Channel> connecting;
  private @Nullable Channel channel;
  private @Nullable Future<?> timer;
  private long deadlineNanos;
  private boolean askedForTlsAgain;

  /**
   * A dial that is not begun.
   *
   * @param buffers of the channel
   * @param http2 what is put into the pipeline once TLS is done
   */
  ClientDial(
      EventLoop loop,
      PeerKey key,
      HboneSettings settings,
      ByteBufAllocator buffers,
      Http2Connection http2,
      Owner owner) {
    this.loop = loop;
    this.key = key;
    this.settings = settings;
    this.buffers = buffers;
    this.http2 = http2;
    this.owner = owner;
  }

  Stage stage() {
    return stage;
  }

  /** Begins. */
  void begin(Connector connector) {
    onDone(
        connector.tls(loop, key),
        tls -> {
          if (!tls.isSuccess()) {
            fail(new HboneFailure.IdentityUnavailable(ConnectErrors.text(tls.cause())));
          } else if (tls.getNow().isClosed() && !askedForTlsAgain) {
            // Replaced by a newer certificate between its look-up and now.
            askedForTlsAgain = true;
            begin(connector);
          } else if (tls.getNow().isClosed()) {
            fail(CLOSED_TLS);
          } else if (stage == Stage.CERTIFICATE) { // else given up
            connect(connector, tls.getNow());
          }
        });
  }

  private void connect(Connector connector, ClientTls tls) {
    stage = Stage.CONNECTING;
    Future<Channel> begun = connector.connect(loop, key, new Secure(tls));
    connecting = begun;
    onDone(
        begun,
        connected -> {
          if (!connected.isSuccess()) {
            fail(connectFailed(connected.cause()));
          } else if (stage == Stage.CONNECTING) {
            stage = Stage.SECURING;
          } else if (stage == Stage.FAILED) {
            connected.getNow().close();
          }
        });
  }

  private HboneFailure connectFailed(Throwable cause) {
    if (cause instanceof NoOuterTunnelException outer) {
      return new HboneFailure.OuterFailed(outer.failure());
    }
    boolean timedOut =
        cause instanceof ConnectTimeoutException || cause instanceof SocketTimeoutException;
    return new HboneFailure.ConnectFailed(key.address(), ConnectErrors.text(cause), timedOut);
  }

  /** Gives it up; the owner hears nothing any more. */
  void cancel() {
    stage = Stage.FAILED;
    cancelTimer();
    if (connecting != null) {
      connecting.cancel(false); // nobody waits for it any more
    }
    Channel open = channel;
    if (open != null) {
      open.close();
    }
  }

  private void fail(HboneFailure failure) {
    if (!isOver()) {
      cancel();
      owner.onDialFailed(failure);
    }
  }

  private boolean isOver() {
    return stage == Stage.SECURED || stage == Stage.FAILED;
  }

  private void onTimeout() {
    fail(
        new HboneFailure.HandshakeTimedOut(
            key.address(),
            "TLS handshake not done within " + settings.handshakeTimeout().toMillis() + " ms"));
  }

  private void cancelTimer() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  private void onSecured(TlsPeer peer, PeerTrust trust) {
    if (isOver()) {
      return; // given up in the same turn
    }
    @Nullable X509Certificate revoked = trust.revoked(peer.chain());
    if (revoked != null) { // since it was verified in this handshake
      onTlsFailed(new RevokedPeerException(revoked));
      return;
    }
    cancelTimer();
    stage = Stage.SECURED;
    owner.onSecured(peer, trust, Math.max(0, deadlineNanos - loop.ticker().nanoTime()));
  }

  private void onTlsFailed(Throwable cause) {
    fail(
        cause instanceof OuterTunnelEndedException outer
            ? outer.asFailure(key.address())
            : TlsErrors.failure(key.address(), cause));
  }

  /** Runs the action on the loop when the future is done, at once if it is. */
  private <T> void onDone(Future<T> future, Consumer<Future<T>> action) {
    if (future.isDone()) {
      action.accept(future);
      return;
    }
    future.addListener(
        _ -> {
          if (loop.inEventLoop()) {
            action.accept(future);
          } else {
            loop.execute(() -> action.accept(future));
          }
        });
  }

  /** Puts TLS into the pipeline before the channel connects, and goes; hears what comes of it. */
  private final class Secure extends ChannelInboundHandlerAdapter implements TlsHandshake.Outcome {
    private final ClientTls tls;

    Secure(ClientTls tls) {
      this.tls = tls;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      Channel added = ctx.channel();
      channel = added;
      added.config().setAllocator(buffers);
      added.config().setWriteBufferWaterMark(Http2Connection.WATER_MARK);
      SslHandler handler;
      try {
        handler = tls.newHandler(added.alloc(), key.acceptedIdentities());
      } catch (IllegalStateException e) {
        fail(CLOSED_TLS); // closed in this very moment
        added.close();
        return;
      }
      ctx.pipeline().addLast("tls", handler);
      ctx.pipeline().addLast("tls-handshake", new TlsHandshake(http2, this));
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
      if (!isOver()) {
        long nanos = settings.handshakeTimeout().toNanos();
        deadlineNanos = loop.ticker().nanoTime() + nanos;
        timer = loop.schedule(ClientDial.this::onTimeout, nanos, TimeUnit.NANOSECONDS);
      }
      ctx.fireChannelActive();
      ctx.pipeline().remove(this);
    }

    @Override
    public void onSecured(TlsPeer peer) {
      ClientDial.this.onSecured(peer, tls.trust());
    }

    @Override
    public void onTlsFailed(Throwable cause) {
      ClientDial.this.onTlsFailed(cause);
    }
  }
}
