package io.ztunnel.hbone;

import java.security.cert.CertificateException;
import java.util.List;

/**
 * The peer's certificate is valid, but it is not one of those that may be here. Has no stack trace,
 * because it tells about the peer.
 */
final class WrongPeerException extends CertificateException {
  private static final long serialVersionUID = 1;

  private final transient List<String> expected;
  private final transient List<String> presented;

  WrongPeerException(List<String> expected, List<String> presented) {
    super(
        "identity verification error: peer did not present the expected SAN ("
            + String.join(",", expected)
            + "), got "
            + String.join(",", presented));
    this.expected = expected;
    this.presented = presented;
  }

  List<String> expected() {
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
