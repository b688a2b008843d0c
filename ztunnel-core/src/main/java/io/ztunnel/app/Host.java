package io.ztunnel.app;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the configuration needs to know of the machine, beside the environment. */
interface Host {
  /** Logical processors this process may use. */
  int processors();

  /** The text of a file; {@code NoSuchFileException} if there is none. */
  String read(Path file) throws IOException;

  /** Whether there is such a file. */
  boolean exists(Path file);

  /** The directory for temporary files. */
  Path temporaryDirectory();

  /** The machine this process runs on. */
  static Host local() {
    return new Host() {
      @Override
      public int processors() {
        return Runtime.getRuntime().availableProcessors();
      }

      @Override
      public String read(Path file) throws IOException {
        return Files.readString(file);
      }

      @Override
      public boolean exists(Path file) {
        return Files.exists(file);
      }

      @Override
      public Path temporaryDirectory() {
        return Path.of(System.getProperty("java.io.tmpdir"));
      }
    };
  }
}
