package io.ztunnel.identity;

import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import java.io.IOException;
import java.security.PrivateKey;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Makes key material of what an authority has signed, or says what is wrong with it. Pure. */
final class SignedChain {
  private static final int URI_NAME = 6; // RFC 5280, 4.2.1.6

  private SignedChain() {}

  /**
   * The answer of Istio's CA: the leaf, then intermediates, then the roots in one element.
   *
   * @param expected whom the leaf must certify; null if that does not matter
   * @throws IOException if it is not usable
   */
  static KeyMaterial ofAnswer(
      PrivateKey key, List<String> answer, @Nullable SpiffeId expected, Instant now)
      throws IOException {
    if (answer.isEmpty()) {
      throw new IOException("chain returned from CA is empty");
    }
    List<X509Certificate> chain = new ArrayList<>();
    for (int i = 0; i < Math.max(1, answer.size() - 1); i++) {
      try {
        chain.add(PemText.certificate(answer.get(i)));
      } catch (IOException e) {
        throw new IOException(
            "certificate %d of the chain returned from CA: %s".formatted(i + 1, e.getMessage()), e);
      }
    }
    if (expected != null) {
      String presented = firstUri(chain.getFirst()).orElse("none");
      if (!presented.equals(expected.toString())) {
        throw new IOException(
            "did not find expected SAN: " + presented + " (expected: " + expected + ")");
      }
    }
    if (answer.size() == 1) {
      throw new IOException("no root certificate present");
    }
    List<X509Certificate> roots;
    try {
      roots = PemText.certificates(answer.getLast());
    } catch (IOException e) {
      throw new IOException("root certificates returned from CA: " + e.getMessage(), e);
    }
    if (roots.isEmpty()) {
      throw new IOException("no root certificate present");
    }
    checkTime(chain, now);
    return new KeyMaterial(key, chain, roots);
  }

  /**
   * Peers would refuse an expired certificate, with an error far from the cause.
   *
   * @throws IOException if one of the chain has expired
   */
  static void checkTime(List<X509Certificate> chain, Instant now) throws IOException {
    for (X509Certificate certificate : chain) {
      Instant end = certificate.getNotAfter().toInstant();
      if (now.isAfter(end)) {
        throw new IOException(
            "%s expired at %s (expected: later than the time here)"
                .formatted(
                    certificate.equals(chain.getFirst())
                        ? "the certificate"
                        : "the intermediate certificate " + certificate.getSubjectX500Principal(),
                    end));
      }
    }
  }

  /** The first URI among the alternative names of a certificate. */
  static Optional<String> firstUri(X509Certificate leaf) throws IOException {
    try {
      @Nullable Collection<List<?>> names = leaf.getSubjectAlternativeNames();
      if (names != null) {
        for (List<?> name : names) {
          if (name.get(0) instanceof Integer type
              && type == URI_NAME
              && name.get(1) instanceof String uri) {
            return Optional.of(uri);
          }
        }
      }
      return Optional.empty();
    } catch (CertificateParsingException e) {
      throw new IOException("leaf with malformed names: " + e.getMessage(), e);
    }
  }
}
