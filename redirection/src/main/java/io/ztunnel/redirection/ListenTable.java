package io.ztunnel.redirection;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/** Who listens in a network namespace, as {@code /proc/net/tcp} tells it. Stateless. */
final class ListenTable {
  private static final List<Path> TABLES =
      List.of(Path.of("/proc/thread-self/net/tcp"), Path.of("/proc/thread-self/net/tcp6"));

  private static final String LISTENING = "0A";

  private ListenTable() {}

  /** How many sockets listen on a port in the namespace that the calling thread is in right now. */
  static int listeners(int port) throws IOException {
    int count = 0;
    for (Path table : TABLES) {
      try (BufferedReader reader = Files.newBufferedReader(table)) {
        count += listeners(reader, port);
      } catch (NoSuchFileException _) {
        // a kernel without IPv6
      }
    }
    return count;
  }

  /** Reads no further than the listeners, which come first: a pod may have many connections. */
  static int listeners(BufferedReader table, int port) throws IOException {
    String suffix = ":%04X".formatted(port);
    int count = 0;
    String line = table.readLine(); // the heading
    while ((line = table.readLine()) != null) {
      String[] columns = line.strip().split("\\s+", 5);
      if (columns.length < 5 || !columns[3].equals(LISTENING)) {
        break;
      }
      if (columns[1].endsWith(suffix)) {
        count++;
      }
    }
    return count;
  }
}
