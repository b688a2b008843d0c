package io.ztunnel.hbone;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.nio.channels.ClosedChannelException;
import java.security.cert.Certificate;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLPeerUnverifiedException;

/**
 * Waits for the TLS handshake, then gives its place in the pipeline to the HTTP/2 connection.
 *
 * <p>Confined to its channel's event loop. Passes on what the TLS handler decodes only after the
 * handshake, to the connection; closes the channel when the handshake fails.
 */
final class TlsHandshake extends ChannelInboundHandlerAdapter {
  /** Hears the outcome, exactly one. */
  interface Outcome {
    /** The connection is in the pipeline; the peer is who it says. */
    void onSecured(TlsPeer peer);

    void onTlsFailed(Throwable cause);
  }

  private final Http2Connection connection;
  private final Outcome outcome;
  private boolean done;

  TlsHandshake(Http2Connection connection, Outcome outcome) {
    this.connection = connection;
    this.outcome = outcome;
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent) {
      fail(ctx, new ClosedChannelException());
      return;
    }
    if (!(event instanceof SslHandshakeCompletionEvent completion) || done) {
      ctx.fireUserEventTriggered(event);
      return;
    }
    if (!completion.isSuccess()) {
      fail(ctx, completion.cause());
      return;
    }
    TlsPeer peer;
    try {
      peer = peer(ctx.pipeline().get(SslHandler.class));
    } catch (SSLPeerUnverifiedException | CertificateParsingException e) {
      fail(ctx, e);
      return;
    }
    done = true;
    ctx.pipeline().replace(this, "http2", connection);
    outcome.onSecured(peer);
  }

  @Override
  @SuppressWarnings("deprecation") // the interface of inbound handlers is not
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    fail(ctx, cause);
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    fail(ctx, new ClosedChannelException());
  }

  private void fail(ChannelHandlerContext ctx, Throwable cause) {
    if (!done) {
      done = true;
      outcome.onTlsFailed(cause);
    }
    ctx.close();
  }

  private static TlsPeer peer(SslHandler tls)
      throws SSLPeerUnverifiedException, CertificateParsingException {
    List<X509Certificate> chain = new ArrayList<>();
    for (Certificate certificate : tls.engine().getSession().getPeerCertificates()) {
      chain.add((X509Certificate) certificate);
    }
    return new TlsPeer(chain, PeerVerifier.uriSans(chain.getFirst()));
  }
}
