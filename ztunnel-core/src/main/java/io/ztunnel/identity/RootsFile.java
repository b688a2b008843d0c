package io.ztunnel.identity;

import io.ztunnel.hbone.TrustRoots;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.io.IOException;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.List;

/**
 * A file with the roots of one trust domain ({@code ZTUNNEL_TRUST_DOMAIN_ROOTS}), kept in force as
 * it changes. Content that cannot be used leaves the former in force, and says so loudly; until
 * there is some nobody of the trust domain is believed.
 *
 * <p>Confined to the watch's thread.
 */
public final class RootsFile {
  private static final Log LOG = Log.target("ztunnel::identity::roots");

  private static final int MAX_BYTES = 1 << 20;

  private final String trustDomain;
  private final Path path;
  private final TrustRoots roots = TrustRoots.none();

  private RootsFile(String trustDomain, Path path) {
    this.trustDomain = trustDomain;
    this.path = path;
  }

  /**
   * The roots in the file: read before this returns if that takes less than ten seconds, and again
   * whenever it changes, until the watch is closed. It may come later.
   */
  public static TrustRoots open(String trustDomain, Path path, FileWatch watch) {
    RootsFile file = new RootsFile(trustDomain, path);
    watch.load(path, file::load);
    return file.roots;
  }

  private void load(FileWatch.Change change) {
    try {
      List<X509Certificate> read = read();
      if (!read.equals(roots.roots())) {
        roots.replace(read);
        LOG.at(LogLevel.INFO, "roots of a trust domain")
            .string("domain", trustDomain)
            .string("path", path.toString())
            .number("roots", read.size())
            .log();
      }
    } catch (IOException | IllegalArgumentException e) {
      if (change.failed(path, e)) {
        LOG.at(
                LogLevel.ERROR,
                roots.roots().isEmpty()
                    ? "no roots of a trust domain, nobody of it is believed"
                    : "roots of a trust domain not taken over, the former stay in force")
            .string("domain", trustDomain)
            .string("path", path.toString())
            .string("error", e.toString())
            .log();
      }
    }
  }

  private List<X509Certificate> read() throws IOException {
    List<X509Certificate> read = PemText.certificates(BoundedFile.text(path, MAX_BYTES));
    if (read.isEmpty()) {
      throw new IOException("no certificate found (expected: X.509 PEM)");
    }
    return read;
  }
}
