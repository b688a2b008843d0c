package io.ztunnel.identity;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Reads files that others write, whatever their size. */
final class BoundedFile {
  private BoundedFile() {}

  /**
   * The whole content.
   *
   * @throws NoSuchFileException if it is not there
   * @throws NotNowException if it cannot be read
   * @throws IOException if there is more
   */
  static byte[] read(Path path, int maxBytes) throws IOException {
    byte[] content;
    try (InputStream in = Files.newInputStream(path)) {
      content = in.readNBytes(maxBytes + 1);
    } catch (NoSuchFileException e) {
      throw e;
    } catch (IOException e) {
      throw new NotNowException(e.toString(), e); // its message may be the name alone
    }
    if (content.length > maxBytes) {
      throw new IOException("more than %d bytes (expected: at most that)".formatted(maxBytes));
    }
    return content;
  }

  /** The content as text, in UTF-8; other bytes are replaced. */
  static String text(Path path, int maxBytes) throws IOException {
    return new String(read(path, maxBytes), StandardCharsets.UTF_8);
  }
}
