package io.ztunnel.hbone;

import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.ssl.SslHandler;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;

/**
 * The client side of mutual TLS for one certificate, used for all its connections: expensive to
 * make. After {@link #close}, connections that use it go on, and new ones cannot be made.
 *
 * <p>Used by any thread.
 */
public final class ClientTls implements AutoCloseable {
  private final PeerTrust trust;
  private final ServerVerifier verifier;
  private final TlsContext context;

  private ClientTls(PeerTrust trust, ServerVerifier verifier, TlsContext context) {
    this.trust = trust;
    this.verifier = verifier;
    this.context = context;
  }

  /** As below, with trust in the material's own roots for good. */
  public static ClientTls create(KeyMaterial material, TlsSettings settings) {
    return create(material, PeerTrust.in(material.roots()), settings);
  }

  /**
   * Makes the context.
   *
   * @param trust whom to believe, instead of the material's roots
   * @throws IllegalArgumentException if the material or the settings do not work; the message says
   *     why
   */
  public static ClientTls create(KeyMaterial material, PeerTrust trust, TlsSettings settings) {
    ServerVerifier verifier = new ServerVerifier(trust);
    return new ClientTls(trust, verifier, TlsContext.client(material, settings, verifier));
  }

  /** What makes a server's chain good. */
  PeerTrust trust() {
    return trust;
  }

  /** Makes no new connections any more. Done twice, it does nothing. */
  @Override
  public void close() {
    context.close();
  }

  boolean isClosed() {
    return context.isClosed();
  }

  /** A handler that accepts only a peer with one of these identities. */
  SslHandler newHandler(ByteBufAllocator alloc, List<String> acceptedIdentities) {
    String token = verifier.expect(acceptedIdentities);
    try {
      SslHandler handler = context.newHandler(alloc, token);
      handler.handshakeFuture().addListener(_ -> verifier.forget(token));
      return handler;
    } catch (RuntimeException e) {
      verifier.forget(token);
      throw e;
    }
  }

  /**
   * Checks servers: the chain, then that one of the leaf's SPIFFE URIs is expected.
   *
   * <p>Expectations come from any thread and are found by the engine's peer name.
   */
  static final class ServerVerifier extends PeerVerifier {
    private final Map<String, List<String>> expectations = new ConcurrentHashMap<>();
    private final AtomicLong tokens = new AtomicLong();

    ServerVerifier(PeerTrust trust) {
      super(trust);
    }

    String expect(List<String> identities) {
      String token = "peer-" + tokens.incrementAndGet();
      expectations.put(token, identities);
      return token;
    }

    void forget(String token) {
      expectations.remove(token);
    }

    @Override
    public void checkServerTrusted(
        X509Certificate[] chain, String authType, @Nullable SSLEngine engine)
        throws CertificateException {
      try {
        check(chain, authType, engine);
      } catch (CertificateException e) {
        throw withAlert(e, engine);
      }
    }

    private void check(X509Certificate[] chain, String authType, @Nullable SSLEngine engine)
        throws CertificateException {
      checkServerChain(chain, authType);
      String token = engine == null ? null : engine.getPeerHost();
      List<String> expected =
          token == null ? List.of() : expectations.getOrDefault(token, List.of());
      List<String> presented = uriSans(chain[0]);
      boolean matches =
          presented.stream()
              .anyMatch(san -> SpiffeId.parse(san).isPresent() && expected.contains(san));
      if (!matches) {
        throw new WrongPeerException(expected, presented);
      }
    }
  }
}
