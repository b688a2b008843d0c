package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.ECHO_PORT;
import static io.ztunnel.bench.faults.FaultMesh.assertEchoes;
import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** A daemon that has no file descriptor left. */
@TestInstance(Lifecycle.PER_CLASS)
class DescriptorLimitIT {
  private static final Duration DEADLINE = Duration.ofSeconds(10);
  private static final int ROOM = 20;
  private static final int ATTEMPTS = 2 * ROOM;

  private FaultMesh mesh;
  private final List<Socket> open = new ArrayList<>();

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith("prlimit");
    mesh = FaultMesh.start("files", Map.of());
  }

  @AfterEach
  void othersGoOnAndNothingIsLeft() throws IOException {
    for (Socket socket : open) {
      socket.close();
    }
    open.clear();
    limit(mesh.near(), 20_000);
    limit(mesh.far(), 20_000);
    mesh.assertRecovered();
  }

  @AfterAll
  void stop() throws IOException {
    if (mesh != null) {
      mesh.close();
    }
  }

  /** Sets the soft limit. */
  private static void limit(Daemon daemon, long descriptors) throws IOException {
    Lab.Output output =
        daemon
            .node()
            .exec(DEADLINE, "prlimit", "--pid=" + daemon.pid(), "--nofile=" + descriptors + ":");
    assertEquals(0, output.exitStatus(), output::err);
  }

  /** Leaves a daemon room for a few descriptors above the highest that it has. */
  private static void leaveRoom(Daemon daemon) throws IOException {
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/" + daemon.pid() + "/fd"))) {
      int highest =
          descriptors
              .mapToInt(path -> Integer.parseInt(path.getFileName().toString()))
              .max()
              .orElseThrow();
      limit(daemon, highest + 1 + ROOM);
    }
  }

  /** Whether an open connection echoes; a refused or stuck one does not. */
  private static boolean echoes(Socket connection, Duration patience) throws IOException {
    connection.setSoTimeout(Math.toIntExact(patience.toMillis()));
    try {
      Peer.say(connection, "?");
      return connection.getInputStream().read() == '?';
    } catch (IOException e) {
      return false;
    }
  }

  /** Opens connections until one does not work. */
  private void openUntilOneFails() throws IOException {
    for (int i = 0; i < ATTEMPTS; i++) {
      Socket connection = mesh.connectToServer(ECHO_PORT);
      if (!echoes(connection, Duration.ofSeconds(2))) {
        connection.close();
        return;
      }
      open.add(connection);
    }
    throw new AssertionError(ATTEMPTS + " connections with " + ROOM + " descriptors");
  }

  private void assertEarlierGoOnAndLaterWorkAgain() throws IOException {
    assertTrue(open.size() > 2, () -> "only " + open.size() + " connections were open");
    for (Socket connection : open) {
      connection.setSoTimeout(5000);
      assertEchoes(connection);
    }
    for (Socket connection : open.subList(0, open.size() / 2)) {
      connection.close();
    }
    FaultMesh.await(
        "a new connection works",
        () -> {
          Socket connection = mesh.connectToServer(ECHO_PORT);
          open.add(connection);
          return echoes(connection, Duration.ofSeconds(2));
        });
  }

  @Test
  void noDescriptorForTheConnectionToTheApplication() throws IOException {
    int mark = mark(mesh.far());
    try (Socket first = mesh.connectToServer(ECHO_PORT)) { // the tunnel stands
      assertEchoes(first);
      leaveRoom(mesh.far());
      openUntilOneFails();
      String line =
          awaitLine(mesh.far(), mark, "connection complete", "reason=\"out_of_descriptors\"");
      assertTrue(line.contains("Too many open files"), line);
      assertEchoes(first);
      assertEarlierGoOnAndLaterWorkAgain();
    }
  }

  @Test
  void noDescriptorForTheConnectionOfTheApplication() throws IOException {
    int mark = mark(mesh.near());
    leaveRoom(mesh.near());
    openUntilOneFails();
    String line = awaitLine(mesh.near(), mark, "cannot accept on");
    assertTrue(line.contains("Too many open files"), line);
    assertEarlierGoOnAndLaterWorkAgain();
  }
}
