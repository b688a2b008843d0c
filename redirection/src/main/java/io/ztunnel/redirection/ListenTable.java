package io.ztunnel.redirection;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/** Who listens in a network namespace, as {@code /proc/net/tcp} tells it. Stateless. */
final class ListenTable {
  private static final List<Path> TABLES =
      List.of(Path.of("/proc/thread-self/net/tcp"), Path.of("/proc/thread-self/net/tcp6"));

  private static final String LISTENING = "0A";

  private ListenTable() {}

  /**
   * How many sockets listen, by port, in the namespace that the calling thread is in right now.
   * Ports where none does are missing.
   */
  static Map<Integer, Integer> listeners() throws IOException {
    Map<Integer, Integer> count = new HashMap<>();
    for (Path table : TABLES) {
      try (BufferedReader reader = Files.newBufferedReader(table)) {
        count(reader, count);
      } catch (NoSuchFileException _) {
        // a kernel without IPv6
      }
    }
    return count;
  }

  /** Reads no further than the listeners, which come first: a pod may have many connections. */
  static void count(BufferedReader table, Map<Integer, Integer> count) throws IOException {
    String line = table.readLine(); // the heading
    while ((line = table.readLine()) != null) {
      String[] columns = line.strip().split("\\s+", 5);
      if (columns.length < 5 || !columns[3].equals(LISTENING)) {
        break;
      }
      int port =
          HexFormat.fromHexDigits(columns[1], columns[1].indexOf(':') + 1, columns[1].length());
      count.merge(port, 1, Integer::sum);
    }
  }
}
