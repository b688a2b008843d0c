package io.ztunnel.hbone;

import io.netty.handler.ssl.OpenSslCertificateException;
import io.netty.handler.ssl.ReferenceCountedOpenSslEngine;
import io.netty.internal.tcnative.CertificateVerifier;
import java.net.Socket;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;
import javax.security.auth.x500.X500Principal;
import org.jspecify.annotations.Nullable;

/**
 * Decides during the handshake whether the peer is who it must be: first the chain, by the JDK's
 * PKIX rules with the roots of now (validity, key usage, extended key usage for the role) and what
 * is revoked, then the identity. Deciding there lets TLS tell the peer by an alert.
 *
 * <p>Immutable but for what the subclasses say.
 */
abstract sealed class PeerVerifier extends X509ExtendedTrustManager
    permits ClientTls.ServerVerifier, ServerTls.ClientVerifier {
  private static final int URI_NAME = 6; // RFC 5280, 4.2.1.6

  /** OpenSSL's limit, too. */
  private static final int MAX_CHAIN = 10;

  /** A certificate authority and one cross-signed, or the one that replaces it. */
  private static final int MAX_OF_ONE_NAME = 2;

  private final PeerTrust trust;

  PeerVerifier(PeerTrust trust) {
    this.trust = trust;
  }

  /** Every URI SAN of a certificate, in order. */
  static List<String> uriSans(X509Certificate leaf) throws CertificateParsingException {
    Collection<List<?>> names = leaf.getSubjectAlternativeNames();
    if (names == null) {
      return List.of();
    }
    List<String> uris = new ArrayList<>(1);
    for (List<?> name : names) {
      if (name.get(0) instanceof Integer type
          && type == URI_NAME
          && name.get(1) instanceof String u) {
        uris.add(u);
      }
    }
    return uris;
  }

  /** Checks the chain of a client. */
  final void checkClientChain(X509Certificate[] chain, String authType)
      throws CertificateException {
    checkPaths(chain);
    for (TrustRoots roots : trust.anchors(chain[0])) {
      roots.pkix().checkClientTrusted(chain, authType);
    }
    checkNotRevoked(chain);
  }

  /** Checks the chain of a server. */
  final void checkServerChain(X509Certificate[] chain, String authType)
      throws CertificateException {
    checkPaths(chain);
    for (TrustRoots roots : trust.anchors(chain[0])) {
      roots.pkix().checkServerTrusted(chain, authType);
    }
    checkNotRevoked(chain);
  }

  /**
   * Refuses a chain that could be put together in many ways. A path is looked for in all of them,
   * on the event loop, and the peer may have made them all end nowhere.
   */
  static void checkPaths(X509Certificate... chain) throws CertificateException {
    if (chain.length > MAX_CHAIN) {
      throw new CertificateException(
          "certificate chain of %d certificates (expected: at most %d)"
              .formatted(chain.length, MAX_CHAIN));
    }
    for (int i = MAX_OF_ONE_NAME; i < chain.length; i++) {
      X500Principal name = chain[i].getSubjectX500Principal();
      int same = 1;
      for (int before = 0; before < i; before++) {
        same += chain[before].getSubjectX500Principal().equals(name) ? 1 : 0;
      }
      if (same > MAX_OF_ONE_NAME) {
        throw new CertificateException(
            "certificate chain with %d certificates of %s (expected: at most %d)"
                .formatted(same, name, MAX_OF_ONE_NAME));
      }
    }
  }

  private void checkNotRevoked(X509Certificate[] chain) throws RevokedPeerException {
    @Nullable X509Certificate revoked = trust.revoked(List.of(chain));
    if (revoked != null) {
      throw new RevokedPeerException(revoked);
    }
  }

  /**
   * The same error so that the engine sends the alert that fits. BoringSSL is told a code; without
   * one it sends internal_error. It knows the codes of expired certificates itself.
   */
  static CertificateException withAlert(CertificateException error, @Nullable SSLEngine engine) {
    if (!(engine instanceof ReferenceCountedOpenSslEngine)) {
      return error;
    }
    for (Throwable at = error; at != null; at = at.getCause()) {
      if (at instanceof CertificateExpiredException
          || at instanceof CertificateNotYetValidException) {
        return error;
      }
      if (at instanceof RevokedPeerException) {
        return new OpenSslCertificateException(
            error.getMessage(), error, CertificateVerifier.X509_V_ERR_CERT_REVOKED);
      }
      if (at instanceof CertPathBuilderException) {
        return new OpenSslCertificateException(
            error.getMessage(),
            error,
            CertificateVerifier.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY); // unknown_ca
      }
    }
    return new OpenSslCertificateException(
        error.getMessage(),
        error,
        CertificateVerifier.X509_V_ERR_PERMITTED_VIOLATION); // certificate_unknown
  }

  /** None is named to the peer, so that it shows what it has instead of nothing. */
  @Override
  public final X509Certificate[] getAcceptedIssuers() {
    return new X509Certificate[0];
  }

  @Override
  public void checkClientTrusted(
      X509Certificate[] chain, String authType, @Nullable SSLEngine engine)
      throws CertificateException {
    throw new CertificateException("this side does not take clients");
  }

  @Override
  public void checkServerTrusted(
      X509Certificate[] chain, String authType, @Nullable SSLEngine engine)
      throws CertificateException {
    throw new CertificateException("this side does not take servers");
  }

  @Override
  public final void checkClientTrusted(
      X509Certificate[] chain, String authType, @Nullable Socket socket)
      throws CertificateException {
    throw new CertificateException("sockets are not used");
  }

  @Override
  public final void checkServerTrusted(
      X509Certificate[] chain, String authType, @Nullable Socket socket)
      throws CertificateException {
    throw new CertificateException("sockets are not used");
  }

  @Override
  public final void checkClientTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    throw new CertificateException("an engine is needed");
  }

  @Override
  public final void checkServerTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    throw new CertificateException("an engine is needed");
  }
}
