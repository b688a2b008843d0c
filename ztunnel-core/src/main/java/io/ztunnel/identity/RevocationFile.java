package io.ztunnel.identity;

import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
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

  /** A list of a million certificates is a third of this. */
  private static final int MAX_BYTES = 128 << 20;

  private final Path path;
  private final RevokedCertificates target;
  private byte @Nullable [] loaded;

  private RevocationFile(Path path, RevokedCertificates target) {
    this.path = path;
    this.target = target;
  }

  /**
   * Puts the file in force, before this returns if it is read within ten seconds, and again
   * whenever it changes, until the watch is closed.
   */
  public static void open(Path path, RevokedCertificates target, FileWatch watch) {
    RevocationFile file = new RevocationFile(path, target);
    watch.load(path, file::load);
  }

  private void load(FileWatch.Change change) {
    byte[] content;
    try {
      content = BoundedFile.read(path, MAX_BYTES);
      if (Arrays.equals(content, loaded)) {
        return;
      }
      RevocationList list = RevocationList.parse(content);
      boolean first = loaded == null;
      loaded = content;
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
