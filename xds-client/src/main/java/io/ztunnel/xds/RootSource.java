package io.ztunnel.xds;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;

/** Where the certificates are that a server must be signed by. Immutable; any thread reads. */
public sealed interface RootSource {
  /** A PEM file, which may have changed at each reading. */
  record PemFile(Path path) implements RootSource {}

  /** PEM text. */
  record Pem(String text) implements RootSource {}

  /**
   * The trust store of the system, which may have changed at each reading: the file and the
   * directories if there are any, or else the first bundle that exists, or else the JDK's own.
   *
   * @param file a PEM file, which must be there; null: none
   * @param directories with PEM files; what else is in them, or not there, is passed over
   * @param bundles PEM files, where systems have them
   */
  record SystemStore(@Nullable Path file, List<Path> directories, List<Path> bundles)
      implements RootSource {
    /** Debian, Fedora, openSUSE, OpenELEC, RHEL, Alpine. */
    private static final List<Path> USUAL =
        Stream.of(
                "/etc/ssl/certs/ca-certificates.crt",
                "/etc/pki/tls/certs/ca-bundle.crt",
                "/etc/ssl/ca-bundle.pem",
                "/etc/pki/tls/cacert.pem",
                "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                "/etc/ssl/cert.pem")
            .map(Path::of)
            .toList();

    public SystemStore {
      directories = List.copyOf(directories);
      bundles = List.copyOf(bundles);
    }

    /** With the bundles of the usual systems. */
    public SystemStore(@Nullable Path file, List<Path> directories) {
      this(file, directories, USUAL);
    }

    private List<X509Certificate> roots() throws IOException {
      if (file != null || !directories.isEmpty()) {
        return named();
      }
      for (Path bundle : bundles) {
        if (Files.exists(bundle)) {
          return new PemFile(bundle).read();
        }
      }
      return ofJdk();
    }

    private List<X509Certificate> named() throws IOException {
      Set<X509Certificate> roots = new LinkedHashSet<>(); // links lead to one file by many names
      if (file != null) {
        roots.addAll(new PemFile(file).read());
      }
      for (Path directory : directories) {
        if (Files.isDirectory(directory)) {
          roots.addAll(inside(directory));
        }
      }
      if (roots.isEmpty()) {
        throw new IOException(
            "root certificates: none in %s (expected: PEM files)".formatted(directories));
      }
      return List.copyOf(roots);
    }

    private static Set<X509Certificate> inside(Path directory) throws IOException {
      Set<X509Certificate> roots = new LinkedHashSet<>();
      try (DirectoryStream<Path> files =
          Files.newDirectoryStream(directory, Files::isRegularFile)) {
        for (Path one : files) {
          try {
            roots.addAll(new PemFile(one).read());
          } catch (IOException _) {
            // Another kind of file, or a link that leads nowhere any more.
          }
        }
      } catch (DirectoryIteratorException e) {
        throw e.getCause();
      }
      return roots;
    }
  }

  /**
   * The certificates as they are now, at least one. May read a file.
   *
   * @throws IOException that says what is wrong with the source
   */
  default List<X509Certificate> read() throws IOException {
    return switch (this) {
      case PemFile(Path path) -> parse(Files.readAllBytes(path), path.toString());
      case Pem(String text) -> parse(text.getBytes(StandardCharsets.UTF_8), "PEM text");
      case SystemStore store -> store.roots();
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

  private static List<X509Certificate> ofJdk() throws IOException {
    try {
      TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
      factory.init((KeyStore) null);
      List<X509Certificate> roots =
          Stream.of(factory.getTrustManagers())
              .filter(X509TrustManager.class::isInstance)
              .flatMap(manager -> Stream.of(((X509TrustManager) manager).getAcceptedIssuers()))
              .toList();
      if (roots.isEmpty()) {
        throw new IOException("root certificates: none in the JDK's trust store");
      }
      return roots;
    } catch (GeneralSecurityException e) {
      throw new IOException("root certificates: the JDK's trust store: " + e.getMessage(), e);
    }
  }
}
