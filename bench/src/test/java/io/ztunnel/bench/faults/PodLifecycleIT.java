package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.ECHO_PORT;
import static io.ztunnel.bench.faults.FaultMesh.assertEchoes;
import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** Pods that go while they are in use, and an agent that does. */
@TestInstance(Lifecycle.PER_CLASS)
class PodLifecycleIT {
  private FaultMesh mesh;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh = FaultMesh.start("pods", Map.of(), "retired", "vanished");
  }

  @AfterEach
  void othersGoOnAndNothingIsLeft() throws IOException {
    mesh.assertRecovered();
  }

  @AfterAll
  void stop() throws IOException {
    if (mesh != null) {
      mesh.close();
    }
  }

  private Socket connectTo(Lab.Pod pod) throws IOException {
    Socket connection = Peer.connect(mesh.client(), pod.ipv4(), ECHO_PORT);
    assertEchoes(connection);
    return connection;
  }

  @Test
  void podThatTheAgentTakesBackHasItsConnectionsCutAtOnce() throws IOException {
    Lab.Pod pod = mesh.extra("retired");
    int far = mark(mesh.far());
    int near = mark(mesh.near());
    try (Socket connection = connectTo(pod)) {
      connection.setSoTimeout(1000);
      mesh.far().delete(pod);
      assertThrows(SocketException.class, () -> connection.getInputStream().read());
    }
    String _ = awaitLine(mesh.far(), far, "connection complete", "reason=\"drained\"");

    // It is in the mesh's state still, but nobody serves its tunnels.
    try (Socket connection = Peer.connect(mesh.client(), pod.ipv4(), ECHO_PORT)) {
      assertThrows(SocketException.class, () -> connection.getInputStream().read());
    }
    String _ = awaitLine(mesh.near(), near, "reason=\"hbone_connect_refused\"");
  }

  @Test
  void namespaceThatVanishesUnderAConnection() throws IOException {
    Lab.Pod pod = mesh.extra("vanished");
    int far = mark(mesh.far());
    int near = mark(mesh.near());
    Socket connection = connectTo(pod);
    mesh.stopEcho(pod);
    pod.delete();
    mesh.far().delete(pod);
    String _ = awaitLine(mesh.far(), far, "connection complete");
    Application.reset(connection);

    try (Socket late = Peer.connect(mesh.client(), pod.ipv4(), ECHO_PORT)) {
      assertThrows(SocketException.class, () -> late.getInputStream().read());
    }
    String _ = awaitLine(mesh.near(), near, "reason=\"hbone_connect_");
  }

  @Test
  void agentThatRestartsWithinItsSnapshot() throws IOException {
    Daemon near = mesh.near();
    try (Socket connection = mesh.connectToServer(ECHO_PORT)) {
      assertEchoes(connection);

      near.reconnectAgent();
      near.add(mesh.client(), FaultMesh.NAMESPACE, mesh.client().name());
      near.reconnectAgent(); // before the bystander was named
      assertEchoes(connection);
      mesh.assertOthersGoOn();

      near.add(mesh.client(), FaultMesh.NAMESPACE, mesh.client().name());
      near.add(mesh.bystander(), FaultMesh.NAMESPACE, mesh.bystander().name());
      near.finishSnapshot();
      assertEchoes(connection);
    }
  }

  @Test
  void podThatANewSnapshotDoesNotNameIsTakenBack() throws IOException {
    Daemon near = mesh.near();
    int mark = mark(near);
    try (Socket kept = mesh.connectToServer(ECHO_PORT);
        Socket cut = Peer.connect(mesh.bystander(), mesh.server().ipv4(), ECHO_PORT)) {
      assertEchoes(kept);
      assertEchoes(cut);
      near.reconnectAgent();
      near.add(mesh.client(), FaultMesh.NAMESPACE, mesh.client().name());
      near.finishSnapshot();
      assertThrows(SocketException.class, () -> cut.getInputStream().read());
      String _ = awaitLine(near, mark, "reason=\"drained\"", "src.workload=\"bystander\"");
      assertEchoes(kept);
    }
    near.add(mesh.bystander(), FaultMesh.NAMESPACE, mesh.bystander().name());
  }
}
