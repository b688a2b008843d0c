package io.ztunnel.hbone;

import java.security.cert.CertificateException;
import java.util.List;

/**
 * The client's certificate is valid, but none of its identities is of our trust domain. Has no
 * stack trace, because it tells about the peer.
 */
final class WrongTrustDomainException extends CertificateException {
  private static final long serialVersionUID = 1;

  private final String expected;
  private final transient List<String> presented;

  WrongTrustDomainException(String expected, List<String> presented) {
    super(message(expected, presented));
    this.expected = expected;
    this.presented = List.copyOf(presented);
  }

  static String message(String expected, List<String> presented) {
    return "identity verification error: peer did not present the expected trustdomain ("
        + expected
        + "), got "
        + String.join(",", presented);
  }

  String expected() {
    return expected;
  }

  List<String> presented() {
    return presented;
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
