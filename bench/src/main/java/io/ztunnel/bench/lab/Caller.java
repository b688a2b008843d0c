package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/** Programs of a pod or node that call others; what is run is told as it is. For one thread. */
final class Caller {
  private static final Duration PROGRAM_DEADLINE = Duration.ofSeconds(30);
  private static final Duration SOCKET_DEADLINE = Duration.ofSeconds(5);

  private final Lab.Place place;
  private final String name;
  private final Story story;

  Caller(Lab.Place place, String name, Story story) {
    this.place = place;
    this.name = name;
    this.story = story;
  }

  static Caller of(Lab.Pod pod, Story story) {
    return new Caller(pod, pod.name(), story);
  }

  /** Asks for a page, or for several where the URL has a range of numbers. */
  Lab.Output curl(String url) throws IOException {
    return run("curl", "--silent", "--show-error", "--max-time", "10", url);
  }

  private Lab.Output run(String... command) throws IOException {
    story.command(
        Stream.concat(Stream.of("ip", "netns", "exec", place.namespace()), Stream.of(command))
            .toArray(String[]::new));
    return place.exec(PROGRAM_DEADLINE, command);
  }

  /** What comes of a call that has to succeed. */
  String hear(String url) throws IOException {
    Lab.Output output = curl(url);
    if (output.exitStatus() != 0) {
      throw new IOException(
          "%s could not call %s: curl ended with %d: %s"
              .formatted(name, url, output.exitStatus(), output.err().strip()));
    }
    return output.out();
  }

  /** What curl says of a call that has to fail. */
  String failToHear(String url) throws IOException {
    Lab.Output output = curl(url);
    if (output.exitStatus() == 0) {
      throw new IOException(name + " was let in: " + output.out().strip());
    }
    return output.err();
  }

  /**
   * Opens a connection that says nothing.
   *
   * @param accepting the daemons of which one has accepted it when this returns
   * @param mark what its entry in that one's {@code /config_dump} has, without white space
   */
  Socket open(InetAddress address, int port, List<Daemon> accepting, String mark)
      throws IOException {
    Socket socket = Peer.connect(place, address, port, SOCKET_DEADLINE);
    try {
      long end = System.nanoTime() + SOCKET_DEADLINE.toNanos();
      while (!anyKnows(accepting, mark)) {
        if (System.nanoTime() > end) {
          throw new IOException("no daemon has a connection from " + name);
        }
        Pause.of(Duration.ofMillis(20));
      }
      return socket;
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  private static boolean anyKnows(List<Daemon> daemons, String mark) throws IOException {
    for (Daemon daemon : daemons) {
      if (daemon.configDump().replaceAll("\\s+", "").contains(mark)) {
        return true;
      }
    }
    return false;
  }

  /** Returns when such a connection has been reset. */
  static void awaitCut(Socket socket) throws IOException {
    int read;
    try {
      read = socket.getInputStream().read();
    } catch (SocketTimeoutException e) {
      throw new IOException("a connection stays open under a policy that forbids it", e);
    } catch (SocketException _) {
      return; // reset
    }
    throw new IOException("read %d (expected: a reset)".formatted(read));
  }
}
