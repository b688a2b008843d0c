package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.ssl.SslClientHelloHandler;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.concurrent.Future;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;

/**
 * Looks at the ClientHello before TLS does: a client that offers protocols, but not h2, gets the
 * alert no_application_protocol (RFC 7301, 3.2), which BoringSSL's own selection cannot send. One
 * that offers none is let through (Istio). Then gives its place in the pipeline to TLS.
 *
 * <p>Confined to its channel's event loop.
 */
final class AlpnCheck extends SslClientHelloHandler<List<String>> {
  /** A ClientHello is a few hundred bytes; with post-quantum key shares about two thousand. */
  private static final int MAX_CLIENT_HELLO_BYTES = 16 * 1024;

  /** How much of what the client offers is told. */
  private static final int MAX_TOLD_CHARS = 200;

  private static final String H2 = "h2";
  private static final int EXTENSION_ALPN = 16;

  /** A fatal alert: record of type 21, TLS 1.2 on the wire, two bytes, no_application_protocol. */
  private static final byte[] NO_APPLICATION_PROTOCOL = {21, 3, 3, 0, 2, 2, 120};

  private final ServerTls tls;

  AlpnCheck(ServerTls tls) {
    super(MAX_CLIENT_HELLO_BYTES);
    this.tls = tls;
  }

  @Override
  protected Future<List<String>> lookup(ChannelHandlerContext ctx, ByteBuf clientHello) {
    // Null stands for bytes that are no ClientHello: TLS finds the words for it.
    List<String> offered = clientHello == null ? List.of() : offered(clientHello);
    return ctx.executor().newSucceededFuture(offered);
  }

  @Override
  protected void onLookupComplete(ChannelHandlerContext ctx, Future<List<String>> future) {
    List<String> offered = future.getNow();
    if (!offered.isEmpty() && !offered.contains(H2)) {
      ctx.writeAndFlush(Unpooled.wrappedBuffer(NO_APPLICATION_PROTOCOL));
      String told = offered.toString();
      if (told.length() > MAX_TOLD_CHARS) {
        told = told.substring(0, MAX_TOLD_CHARS) + "…";
      }
      fail(ctx, new SSLHandshakeException("client offers ALPN " + told + " (expected: h2)"));
      return;
    }
    SslHandler handler;
    try {
      handler = tls.newHandler(ctx.alloc());
    } catch (IllegalStateException e) {
      fail(ctx, new SSLException(e.getMessage(), e));
      return;
    }
    ctx.pipeline().replace(this, "tls", handler);
  }

  /** The protocols that a ClientHello offers; none if it is malformed, which TLS will find. */
  static List<String> offered(ByteBuf hello) {
    try {
      hello.skipBytes(2 + 32); // version, random
      hello.skipBytes(hello.readUnsignedByte()); // session id
      hello.skipBytes(hello.readUnsignedShort()); // cipher suites
      hello.skipBytes(hello.readUnsignedByte()); // compression methods
      if (!hello.isReadable()) {
        return List.of();
      }
      ByteBuf extensions = hello.readSlice(hello.readUnsignedShort());
      while (extensions.isReadable()) {
        int type = extensions.readUnsignedShort();
        ByteBuf body = extensions.readSlice(extensions.readUnsignedShort());
        if (type == EXTENSION_ALPN) {
          return names(body.readSlice(body.readUnsignedShort()));
        }
      }
      return List.of();
    } catch (IndexOutOfBoundsException e) {
      return List.of();
    }
  }

  private static List<String> names(ByteBuf list) {
    List<String> names = new ArrayList<>(1);
    while (list.isReadable()) {
      int length = list.readUnsignedByte();
      names.add(list.readCharSequence(length, StandardCharsets.US_ASCII).toString());
    }
    return names;
  }

  private static void fail(ChannelHandlerContext ctx, SSLException cause) {
    ctx.fireUserEventTriggered(new SslHandshakeCompletionEvent(cause));
    ctx.close();
  }
}
