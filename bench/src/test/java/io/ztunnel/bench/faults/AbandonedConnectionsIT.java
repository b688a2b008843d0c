package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/**
 * Connections that their client half-closes and then abandons while the server keeps its side. The
 * setting is 3 s here, so that what holds for a minute by default is seen soon; the user timeout of
 * half an hour, for which the kernel would wait, must not matter.
 */
@TestInstance(Lifecycle.PER_CLASS)
class AbandonedConnectionsIT {
  private static final int PORT = 9000;
  private static final int MANY = 500;
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private final AtomicInteger halfClosed = new AtomicInteger();
  private final CountDownLatch end = new CountDownLatch(1);
  private FaultMesh mesh;
  private Application patient;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh =
        FaultMesh.start(
            "abandon", Map.of("ZTUNNEL_HALF_CLOSE_PROBE", "3s", "USER_TIMEOUT_ENABLED", "true"));
    patient = Application.start(mesh.server(), PORT, this::keepOpen);
  }

  @AfterEach
  void othersGoOnAndNothingIsLeft() throws IOException {
    mesh.assertRecovered();
  }

  @AfterAll
  void stop() throws IOException {
    end.countDown();
    if (mesh != null) {
      patient.close();
      mesh.close();
    }
  }

  /** Reads to the end of the client's half, and keeps its own open and silent. */
  private void keepOpen(Socket connection) throws IOException, InterruptedException {
    byte[] _ = connection.getInputStream().readAllBytes();
    int _ = halfClosed.incrementAndGet();
    boolean _ = end.await(60, TimeUnit.SECONDS);
  }

  private List<Socket> halfClose(Lab.Pod client, int count) throws IOException {
    halfClosed.set(0);
    List<Socket> connections = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Socket connection = Peer.connect(client, mesh.server().ipv4(), PORT);
      connections.add(connection);
      connection.shutdownOutput();
    }
    FaultMesh.await("the server has seen the ends", () -> halfClosed.get() == count);
    return connections;
  }

  private long openTunnels() throws IOException {
    return mesh.far()
        .metrics()
        .lines()
        .filter(line -> line.startsWith("ztunnel_tunnels_open{role=\"server\"}"))
        .mapToLong(line -> Long.parseLong(line.substring(line.lastIndexOf(' ') + 1)))
        .sum();
  }

  /** The kernel forgets what a dead process had half closed after a minute; here after 2 s. */
  @Test
  void clientsThatWereKilled() throws IOException {
    Lab.Output output =
        mesh.client().exec(DEADLINE, "sh", "-c", "echo 2 > /proc/sys/net/ipv4/tcp_fin_timeout");
    assertEquals(0, output.exitStatus(), output::err);
    List<Socket> connections = halfClose(mesh.client(), MANY);
    assertEquals(MANY, openTunnels());
    for (Socket connection : connections) {
      connection.close(); // as the kernel does for a process that dies
    }
    FaultMesh.await("the tunnels are gone", () -> openTunnels() == 0);
  }

  @Test
  void clientWhoseMachineIsGone() throws IOException {
    int mark = mark(mesh.far());
    List<Socket> connections = halfClose(mesh.stranger(), 20);
    Lab.Output output = mesh.stranger().exec(DEADLINE, "ip", "link", "set", "eth0", "down");
    assertEquals(0, output.exitStatus(), output::err);
    String _ =
        awaitLine(mesh.far(), mark, "connection complete", "reason=\"half_closed_abandoned\"");
    for (Socket connection : connections) {
      connection.close();
    }
  }

  @Test
  void clientThatIsThereKeepsItsHalf() throws IOException {
    Socket connection = halfClose(mesh.client(), 1).getFirst();
    connection.setSoTimeout(5000); // longer than the setting: several probes are answered
    assertThrows(SocketTimeoutException.class, () -> connection.getInputStream().read());
    assertEquals(1, openTunnels());
    Application.reset(connection);
  }
}
