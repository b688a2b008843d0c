package io.ztunnel.bench.scenarios;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * A file in a volume as the kubelet makes it: it leads through a symbolic link to the content, and
 * a change swaps that link. For one thread.
 */
final class Volume {
  private final Path directory;
  private final String name;
  private int version;

  private Volume(Path directory, String name) {
    this.directory = directory;
    this.name = name;
  }

  /** Makes the directory with the file in it. */
  static Volume create(Path directory, String name, String content) throws IOException {
    Files.createDirectories(directory);
    Volume volume = new Volume(directory, name);
    volume.swap(content);
    Files.createSymbolicLink(volume.file(), Path.of("..data", name));
    return volume;
  }

  /** Makes a file with revoked certificates, for one of the lab's daemons. */
  static Volume revocationList(Lab lab, String daemon, String content) throws IOException {
    return create(lab.directory().resolve("crl-" + daemon), "ca-crl.pem", content);
  }

  /** The path that programs know. */
  Path file() {
    return directory.resolve(name);
  }

  /** Takes the content away, until the next {@link #swap}. */
  void remove() throws IOException {
    Files.delete(directory.resolve("..data"));
  }

  /** Replaces the content. */
  void swap(String content) throws IOException {
    String next = "..version-" + ++version;
    Files.writeString(Files.createDirectory(directory.resolve(next)).resolve(name), content);
    Path link = directory.resolve("..data_tmp");
    Files.createSymbolicLink(link, Path.of(next));
    Files.move(link, directory.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
  }
}
