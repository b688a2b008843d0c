package io.ztunnel.app;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** A machine with these processors and files. */
final class FakeHost implements Host {
  private final int processors;
  private final Map<Path, String> files = new HashMap<>();

  FakeHost(int processors) {
    this.processors = processors;
    files.put(ResolverConfig.FILE, "nameserver 10.96.0.10\n");
  }

  FakeHost with(Path file, String text) {
    files.put(file, text);
    return this;
  }

  FakeHost without(Path file) {
    files.remove(file);
    return this;
  }

  @Override
  public int processors() {
    return processors;
  }

  @Override
  public String read(Path file) throws IOException {
    String text = files.get(file);
    if (text == null) {
      throw new NoSuchFileException(file.toString());
    }
    return text;
  }

  @Override
  public boolean exists(Path file) {
    return files.containsKey(file);
  }

  @Override
  public Path temporaryDirectory() {
    return Path.of("/tmp");
  }
}
