package io.ztunnel.hbone;

import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;

/**
 * The peer's certificate, or an authority's between it and the root, has been revoked. Has no stack
 * trace, because it tells about the peer.
 */
final class RevokedPeerException extends CertificateException {
  private static final long serialVersionUID = 1;

  private final String certificate;

  RevokedPeerException(X509Certificate revoked) {
    super(
        message(describe(revoked)),
        // The JDK's engine finds the alert that fits by this.
        new CertPathValidatorException(
            "revoked", null, null, -1, CertPathValidatorException.BasicReason.REVOKED));
    this.certificate = describe(revoked);
  }

  /** Which one: {@code serial 17 of CN=upper}. */
  String certificate() {
    return certificate;
  }

  /**
   * What is told of it.
   *
   * @param certificate which one, as {@link #certificate} has it
   */
  static String message(String certificate) {
    return "peer certificate revoked: " + certificate;
  }

  static String describe(X509Certificate certificate) {
    return "serial %s of %s"
        .formatted(
            certificate.getSerialNumber().toString(16),
            certificate.getIssuerX500Principal().getName());
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
