package io.ztunnel.bench.scale;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.ztunnel.bench.lab.Pause;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A {@link ControlPlaneServer} in a process of its own, on a node. For one thread. */
final class ControlPlaneProcess implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(2);
  private static final Duration DEADLINE = Duration.ofMinutes(2);

  private final Process process;
  private final Path log;

  private ControlPlaneProcess(Process process, Path log) {
    this.process = process;
    this.log = log;
  }

  /**
   * Starts it; it has made its mesh, and does not listen yet, when this returns.
   *
   * @param name of its files
   * @param revision how often everything has changed before
   * @param replaced how many pods were replaced before
   */
  static ControlPlaneProcess start(
      Lab.Node node,
      Lab lab,
      String name,
      int workloads,
      int revision,
      int replaced,
      NodePod... pods)
      throws IOException {
    List<String> command = new ArrayList<>();
    // It stands for one that is elsewhere, and so does not take processors from those measured.
    command.addAll(List.of("nice", "-n", "10"));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of("-XX:+UseSerialGC", "-Xmx1500m", "--enable-native-access=ALL-UNNAMED", "-cp"));
    command.add(System.getProperty("java.class.path"));
    command.add(ControlPlaneServer.class.getName());
    command.addAll(
        List.of(
            String.valueOf(workloads),
            String.valueOf(revision),
            String.valueOf(replaced),
            rootFile(lab).toString()));
    for (NodePod pod : pods) {
      command.add(pod.toString());
    }
    Path log = lab.directory().resolve(name + ".log");
    ControlPlaneProcess started =
        new ControlPlaneProcess(node.spawn(log, command.toArray(String[]::new)), log);
    try {
      String _ = started.await("prepared", 0);
      return started;
    } catch (IOException e) {
      started.close();
      throw e;
    }
  }

  /** Where it writes the root of its certificate. */
  static Path rootFile(Lab lab) {
    return lab.directory().resolve("control-plane-root.pem");
  }

  /**
   * Listens on loopback.
   *
   * @param port 0: a free one
   * @return the port
   */
  int listen(int port) throws IOException {
    return Integer.parseInt(ask("listen " + port, "listening "));
  }

  /** Gives a command, and waits for a line that begins in this way; returns what follows there. */
  String ask(String command, String answer) throws IOException {
    int lines = lines().size();
    process.getOutputStream().write((command + "\n").getBytes(UTF_8));
    process.getOutputStream().flush();
    return await(answer, lines);
  }

  /** Waits for a line that begins in this way; returns what follows there. */
  String await(String beginning) throws IOException {
    return await(beginning, 0);
  }

  private String await(String beginning, int from) throws IOException {
    long end = System.nanoTime() + DEADLINE.toNanos();
    while (true) {
      List<String> lines = lines();
      for (String line : lines.subList(Math.min(from, lines.size()), lines.size())) {
        if (line.startsWith("rejected")) {
          throw new IOException("the daemon refuses the mesh: " + line);
        }
        if (line.startsWith(beginning)) {
          return line.substring(beginning.length());
        }
      }
      if (!process.isAlive() || System.nanoTime() > end) {
        throw new IOException(
            "the control plane says no \"%s\" (found: %s)"
                .formatted(beginning, lines.isEmpty() ? "nothing" : lines.getLast()));
      }
      Pause.of(POLL);
    }
  }

  private List<String> lines() throws IOException {
    return Files.readAllLines(log);
  }

  /** Ends it at once, as by force. */
  @Override
  public void close() throws IOException {
    process.destroyForcibly();
    try {
      if (!process.waitFor(DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        throw new IOException("the control plane does not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
