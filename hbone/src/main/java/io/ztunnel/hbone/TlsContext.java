package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.OpenSslContextOption;
import io.netty.handler.ssl.OpenSslSessionContext;
import io.netty.handler.ssl.ReferenceCountedOpenSslEngine;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.netty.internal.tcnative.SSL;
import io.netty.util.IllegalReferenceCountException;
import io.netty.util.ReferenceCountUtil;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSessionContext;

/**
 * A TLS context and its one reference: connections take their own, so that closing this lets those
 * that use it go on.
 *
 * <p>Closed by any thread; handlers are made on any event loop.
 */
final class TlsContext implements AutoCloseable {
  /** What becomes of a client without overlap is decided before, by {@link AlpnCheck}. */
  private static final ApplicationProtocolConfig ALPN =
      new ApplicationProtocolConfig(
          Protocol.ALPN,
          SelectorFailureBehavior.NO_ADVERTISE,
          SelectedListenerFailureBehavior.ACCEPT,
          "h2");

  /** In this order (Istio). */
  private static final List<String> TLS13_SUITES =
      List.of("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256");

  /** What BoringSSL has for TLS 1.3, whatever it is told; its order depends on the processor. */
  private static final List<String> BORINGSSL_TLS13_SUITES =
      List.of("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256");

  private static final List<String> TLS12_SUITES =
      List.of(
          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
          "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
          "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");

  private static final String[] GROUPS = {"X25519", "P-256", "P-384", "X25519MLKEM768"};
  private static final String[] PQC_GROUPS = {"X25519MLKEM768"};

  /** The JDK sends no ticket if sessions last longer than a ticket may: seven days. */
  private static final long TOO_LONG_FOR_TICKETS_SECONDS = Duration.ofDays(8).toSeconds();

  private final SslContext context;
  private final AtomicBoolean closed = new AtomicBoolean();

  private TlsContext(SslContext context) {
    this.context = context;
  }

  static TlsContext client(KeyMaterial material, TlsSettings settings, PeerVerifier verifier) {
    return build(SslContextBuilder.forClient(), material, settings, verifier);
  }

  static TlsContext server(KeyMaterial material, TlsSettings settings, PeerVerifier verifier) {
    SslContextBuilder builder =
        SslContextBuilder.forServer(new OwnKey(material).factory()).clientAuth(ClientAuth.REQUIRE);
    return build(builder, material, settings, verifier);
  }

  /**
   * A handler for one connection.
   *
   * @param peerToken where the verifier finds what it must expect; has no dot, so that it is never
   *     taken for a host name (no SNI is sent)
   * @throws IllegalStateException if this is closed
   */
  SslHandler newHandler(ByteBufAllocator alloc, String peerToken) {
    SslHandler handler;
    try {
      handler = context.newHandler(alloc, peerToken, 0);
    } catch (IllegalReferenceCountException e) {
      throw new IllegalStateException("the TLS context is closed", e);
    }
    if (handler.engine() instanceof ReferenceCountedOpenSslEngine engine) {
      // Netty turns tickets on for every engine. A resumed session would not be verified again.
      SSL.setOptions(engine.sslPointer(), SSL.SSL_OP_NO_TICKET);
    } else {
      handler.setCumulator(TlsContext::gather);
    }
    handler.setHandshakeTimeoutMillis(0); // the connection's own limit covers more
    handler.setWrapDataSize(0); // frames are gathered before they get here
    return handler;
  }

  /**
   * Puts the parts of a record together for the JDK's TLS, in a buffer of the pool: Netty takes for
   * granted that a new one begins at its index 0, and those of {@link HeadRoomBuffers} do not.
   */
  private static ByteBuf gather(ByteBufAllocator alloc, ByteBuf before, ByteBuf next) {
    return ByteToMessageDecoder.MERGE_CUMULATOR.cumulate(
        PooledByteBufAllocator.DEFAULT, before, next);
  }

  boolean isClosed() {
    return closed.get();
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      ReferenceCountUtil.release(context);
    }
  }

  private static TlsContext build(
      SslContextBuilder builder,
      KeyMaterial material,
      TlsSettings settings,
      PeerVerifier verifier) {
    OwnKey key = new OwnKey(material);
    builder
        .trustManager(verifier)
        .protocols(settings.tls12() ? List.of("TLSv1.3", "TLSv1.2") : List.of("TLSv1.3"))
        .ciphers(suites(settings))
        .applicationProtocolConfig(ALPN)
        .endpointIdentificationAlgorithm(null);
    switch (settings.provider()) {
      case BORINGSSL ->
          builder
              .sslProvider(SslProvider.OPENSSL_REFCNT)
              // Netty's caching factory would lose a reference if two handshakes are the first.
              .keyManager(key.factory())
              .option(OpenSslContextOption.USE_TASKS, false)
              .option(OpenSslContextOption.GROUPS, settings.pqcOnly() ? PQC_GROUPS : GROUPS);
      case JDK ->
          builder
              .sslProvider(SslProvider.JDK)
              .keyManager(key)
              .sessionTimeout(TOO_LONG_FOR_TICKETS_SECONDS);
    }
    try {
      SslContext context = builder.build();
      keepNoSessions(context.sessionContext());
      return new TlsContext(context);
    } catch (SSLException e) {
      throw new IllegalArgumentException("cannot make a TLS context: " + e.getMessage(), e);
    }
  }

  /**
   * No tickets are given, but TLS 1.2 resumes by what the server keeps, too, and a client would
   * keep every ticket that its peers send.
   */
  private static void keepNoSessions(SSLSessionContext sessions) {
    if (sessions instanceof OpenSslSessionContext openSsl) {
      openSsl.setSessionCacheEnabled(false);
    } else {
      sessions.setSessionCacheSize(1); // the least: 0 is without a bound
    }
  }

  private static List<String> suites(TlsSettings settings) {
    List<String> tls13 =
        switch (settings.provider()) {
          case BORINGSSL -> BORINGSSL_TLS13_SUITES;
          case JDK -> TLS13_SUITES;
        };
    return settings.tls12() ? Stream.concat(tls13.stream(), TLS12_SUITES.stream()).toList() : tls13;
  }
}
