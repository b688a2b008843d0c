package io.ztunnel.hbone;

import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.ssl.SslHandler;
import java.security.cert.CertificateException;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;

/**
 * The server side of mutual TLS for one certificate, used for all its connections: expensive to
 * make. After {@link #close}, connections that use it go on, and new ones cannot be made.
 *
 * <p>Used by any thread.
 */
public final class ServerTls implements AutoCloseable {
  private final PeerTrust trust;
  private final TlsContext context;

  private ServerTls(PeerTrust trust, TlsContext context) {
    this.trust = trust;
    this.context = context;
  }

  /** As below, with trust in the material's own roots for good. */
  public static ServerTls create(KeyMaterial material, TlsSettings settings) {
    return create(material, PeerTrust.in(material.roots()), settings);
  }

  /**
   * Makes the context.
   *
   * @param trust whom to believe, instead of the material's roots
   * @throws IllegalArgumentException if the material or the settings do not work; the message says
   *     why
   */
  public static ServerTls create(KeyMaterial material, PeerTrust trust, TlsSettings settings) {
    return new ServerTls(
        trust,
        TlsContext.server(
            material,
            settings,
            new ClientVerifier(material, trust, settings.trustDomainAliases())));
  }

  /** What makes a client's chain good. */
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

  SslHandler newHandler(ByteBufAllocator alloc) {
    return context.newHandler(alloc, "client");
  }

  /**
   * Checks clients: the chain, then that one of the leaf's SPIFFE URIs is of our own trust domain
   * or an alias of it. Everything finer is a matter of policy. Immutable.
   */
  static final class ClientVerifier extends PeerVerifier {
    private final Optional<AcceptedTrustDomains> accepted;

    ClientVerifier(KeyMaterial material, PeerTrust trust, Set<String> aliases) {
      super(trust);
      try {
        this.accepted =
            uriSans(material.leaf()).stream()
                .flatMap(san -> SpiffeId.parse(san).stream())
                .map(own -> new AcceptedTrustDomains(own.trustDomain(), aliases))
                .findFirst();
      } catch (CertificateParsingException e) {
        throw new IllegalArgumentException("chain: leaf with a malformed SAN", e);
      }
    }

    @Override
    public void checkClientTrusted(
        X509Certificate[] chain, String authType, @Nullable SSLEngine engine)
        throws CertificateException {
      try {
        check(chain, authType);
      } catch (CertificateException e) {
        throw withAlert(e, engine);
      }
    }

    private void check(X509Certificate[] chain, String authType) throws CertificateException {
      checkClientChain(chain, authType);
      if (accepted.isEmpty()) {
        return; // nothing of ours to compare with (Istio)
      }
      List<String> presented = uriSans(chain[0]);
      if (!accepted.get().accept(presented)) {
        throw new WrongTrustDomainException(accepted.get().own(), presented);
      }
    }
  }
}
