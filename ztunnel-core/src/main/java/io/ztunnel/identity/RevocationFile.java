package io.ztunnel.identity;

import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The file with revoked certificates ({@code CRL_PATH}), kept in force as it changes. A file that
 * does not parse leaves the former content in force, and says so loudly; a file that is not there
 * yet is waited for. In no case the mesh stops for it.
 *
 * <p>Confined to the watch's thread.
 */
public final class RevocationFile {
  private static final Log LOG = Log.target("ztunnel::tls::crl");

  private final Path path;
  private final int maxBytes;
  private final RevokedCertificates target;
  private @Nullable RevocationList loaded;

  private RevocationFile(Path path, int maxBytes, RevokedCertificates target) {
    this.path = path;
    this.maxBytes = maxBytes;
    this.target = target;
  }

  /**
   * Puts the file in force, before this returns if it is read within ten seconds, and again
   * whenever it changes, until the watch is closed.
   *
   * @param maxBytes a longer one is refused; while one is read and the former is in force, they
   *     take six times as much
   */
  public static void open(Path path, int maxBytes, RevokedCertificates target, FileWatch watch) {
    RevocationFile file = new RevocationFile(path, maxBytes, target);
    watch.load(path, file::load);
  }

  private void load(FileWatch.Change change) {
    try {
      RevocationList list = RevocationList.parse(BoundedFile.read(path, maxBytes));
      if (loaded != null && list.equals(loaded)) {
        return;
      }
      boolean first = loaded == null;
      loaded = list;
      target.replace(list);
      LOG.at(LogLevel.INFO, first ? "CRL loaded" : "CRL loaded again")
          .string("path", path.toString())
          .number("lists", list.lists())
          .number("revoked", list.entries())
          .log();
    } catch (NoSuchFileException e) {
      LOG.at(
              LogLevel.WARN,
              loaded == null ? "no CRL yet" : "CRL is gone, the former stays in force")
          .string("path", path.toString())
          .log();
    } catch (IOException e) {
      if (change.failed(path, e)) {
        LOG.at(
                LogLevel.ERROR,
                loaded == null
                    ? "CRL not loaded, nothing counts as revoked until it is mended"
                    : "CRL not loaded, the former stays in force")
            .string("path", path.toString())
            .string("error", String.valueOf(e.getMessage()))
            .log();
      }
    }
  }
}
