package io.ztunnel.xds;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.stream.Stream;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** Where the certificates are that a server must be signed by. Immutable; any thread reads. */
public sealed interface RootSource {
  /** A PEM file, which may have changed at each reading. */
  record PemFile(Path path) implements RootSource {}

  /** PEM text. */
  record Pem(String text) implements RootSource {}

  /** The trust store of the system. */
  record SystemStore() implements RootSource {}

  /**
   * The certificates as they are now, at least one. May read a file.
   *
   * @throws IOException that says what is wrong with the source
   */
  default List<X509Certificate> read() throws IOException {
    return switch (this) {
      case PemFile(Path path) -> parse(Files.readAllBytes(path), path.toString());
      case Pem(String text) -> parse(text.getBytes(StandardCharsets.UTF_8), "PEM text");
      case SystemStore _ -> system();
    };
  }

  private static List<X509Certificate> parse(byte[] pem, String source) throws IOException {
    try {
      CertificateFactory factory = CertificateFactory.getInstance("X.509");
      List<X509Certificate> roots =
          factory.generateCertificates(new ByteArrayInputStream(pem)).stream()
              .map(X509Certificate.class::cast)
              .toList();
      if (roots.isEmpty()) {
        throw new IOException(
            "root certificates: none in " + source + " (expected: PEM, at least one)");
      }
      return roots;
    } catch (CertificateException e) {
      throw new IOException(
          "root certificates: cannot read " + source + " (expected: PEM): " + e.getMessage(), e);
    }
  }

  private static List<X509Certificate> system() throws IOException {
    try {
      TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
      factory.init((KeyStore) null);
      List<X509Certificate> roots =
          Stream.of(factory.getTrustManagers())
              .filter(X509TrustManager.class::isInstance)
              .flatMap(manager -> Stream.of(((X509TrustManager) manager).getAcceptedIssuers()))
              .toList();
      if (roots.isEmpty()) {
        throw new IOException("root certificates: none in the system's trust store");
      }
      return roots;
    } catch (GeneralSecurityException e) {
      throw new IOException("root certificates: the system's trust store: " + e.getMessage(), e);
    }
  }
}
