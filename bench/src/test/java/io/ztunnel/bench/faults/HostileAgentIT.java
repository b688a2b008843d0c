package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.ECHO_PORT;
import static io.ztunnel.bench.faults.FaultMesh.assertEchoes;
import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.CniAgent;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import io.ztunnel.redirection.proto.WorkloadRequest;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A CNI agent that breaks the protocol, or goes in the middle of it: pods are served on, and no
 * descriptor that it has sent stays.
 */
@TestInstance(Lifecycle.PER_CLASS)
class HostileAgentIT {
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  /** A namespace, but not of a network. */
  private static final Path OTHER_NAMESPACE = Path.of("/proc/self/ns/uts");

  private static final Path NETWORK = Path.of("/proc/self/ns/net");

  private FaultMesh mesh;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh = FaultMesh.start("hostile", Map.of(), "first", "second");
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

  private static WorkloadRequest add(String uid, String name) {
    return CniAgent.Session.added(uid, name, FaultMesh.NAMESPACE, name);
  }

  /** A new conversation, with the pods that the near daemon has to have. */
  private void startAnew() throws IOException {
    Daemon near = mesh.near();
    near.reconnectAgent();
    near.add(mesh.client(), FaultMesh.NAMESPACE, mesh.client().name());
    near.add(mesh.bystander(), FaultMesh.NAMESPACE, mesh.bystander().name());
    near.finishSnapshot();
  }

  static Stream<Arguments> unreadable() {
    byte[] add = add("odd", "odd").toByteArray();
    byte[] large = add("x".repeat(70_000), "odd").toByteArray();
    byte[] garbage = "garbage".getBytes(StandardCharsets.UTF_8);
    return Stream.of(
        Arguments.of("garbage", garbage, List.of(), "7 bytes that are no WorkloadRequest"),
        Arguments.of("garbage", garbage, List.of(NETWORK), "7 bytes that are no WorkloadRequest"),
        Arguments.of("a message that is too long", large, List.of(NETWORK), "truncated packet"),
        Arguments.of("an add", add, List.of(), "No control message"),
        Arguments.of("an add", add, List.of(NETWORK, OTHER_NAMESPACE), "2 file descriptors"),
        Arguments.of(
            "a delete",
            CniAgent.Session.deleted("odd").toByteArray(),
            List.of(NETWORK),
            "Unexpected control"));
  }

  @ParameterizedTest(name = "{0} with {2}")
  @MethodSource("unreadable")
  void whatCannotBeReadCostsTheConversationAndNothingElse(
      String kind, byte[] packet, List<Path> files, String error) throws IOException {
    CniAgent.Session session = mesh.near().session();
    try (Socket connection = mesh.connectToServer(ECHO_PORT)) {
      assertEchoes(connection);
      String answer = session.exchangeRaw(packet, files);
      assertTrue(answer.startsWith("failure to read message : " + error), answer);
      assertTrue(session.isEnded(DEADLINE), kind);
      assertEchoes(connection);
      startAnew();
      assertEchoes(connection);
    }
  }

  @Test
  void descriptorThatIsNoNetworkNamespaceIsRefusedAndGivenBackWithThePod() throws IOException {
    Daemon near = mesh.near();
    CniAgent.Session session = near.session();
    String answer = session.exchange(add("odd", "odd"), List.of(OTHER_NAMESPACE));
    assertTrue(answer.startsWith("failure to start proxy : "), answer);
    assertTrue(answer.contains("cannot enter network namespace"), answer);
    mesh.assertOthersGoOn();
    assertTrue(near.metrics().contains("workload_manager_pending_proxy_count 1\n"), "it waits");
    assertEquals("", session.delete("odd"));
  }

  @Test
  void sameUidWithAnotherNamespaceIsAnotherPod() throws IOException {
    Daemon far = mesh.far();
    Lab.Pod first = mesh.extra("first");
    Lab.Pod second = mesh.extra("second");
    far.delete(first);
    far.delete(second);
    assertEquals("", far.session().exchange(add("moving", first.name()), List.of(first.netns())));
    try (Socket connection = Peer.connect(mesh.client(), first.ipv4(), ECHO_PORT)) {
      assertEchoes(connection);
      assertEquals(
          "", far.session().exchange(add("moving", second.name()), List.of(second.netns())));
      assertThrows(SocketException.class, () -> connection.getInputStream().read());
    }
    assertEchoes(mesh.client(), second);
    try (Socket late = Peer.connect(mesh.client(), first.ipv4(), ECHO_PORT)) {
      assertThrows(SocketException.class, () -> late.getInputStream().read());
    }
    assertEquals("", far.session().delete("moving"));
    far.add(first, FaultMesh.NAMESPACE, first.name());
    far.add(second, FaultMesh.NAMESPACE, second.name());
    assertEchoes(mesh.client(), first);
  }

  @Test
  void unknownPodCanBeDeleted() throws IOException {
    CniAgent.Session session = mesh.near().session();
    for (int i = 0; i < 100; i++) {
      assertEquals("", session.delete("nobody-" + i));
    }
  }

  @Test
  void agentThatGoesBeforeItIsAnswered() throws IOException {
    Daemon near = mesh.near();
    Lab.Pod pod = mesh.stranger(); // on no other daemon
    try (Socket connection = mesh.connectToServer(ECHO_PORT)) {
      assertEchoes(connection);
      for (int i = 0; i < 10; i++) {
        near.session().send(add("hasty-" + i, "stranger"), List.of(pod.netns()));
        startAnew(); // which does not name the pod
        assertEchoes(connection);
      }
    }
  }

  @Test
  void agentThatReadsNoAnswersIsLeft() throws IOException {
    CniAgent.Session session = mesh.near().session();
    int mark = mark(mesh.near());
    try (Socket connection = mesh.connectToServer(ECHO_PORT)) {
      assertThrows(
          IOException.class,
          () -> {
            while (true) {
              session.send(CniAgent.Session.deleted("nobody"), List.of());
            }
          });
      String _ = awaitLine(mesh.near(), mark, "connection to the CNI agent ended: send");
      assertEchoes(connection);
      startAnew();
      assertEchoes(connection);
    }
  }

  @Test
  void snapshotThatIsSentTwiceEndsTheProcessForAFreshStartWhateverIsOpen() throws IOException {
    try (FaultMesh own =
        FaultMesh.start("twice", Map.of("CONNECTION_TERMINATION_DEADLINE", "10m"))) {
      try (Socket open = own.connectToServer(ECHO_PORT)) {
        assertEchoes(open);
        Daemon daemon = own.near();
        assertEquals(
            "failure to process message : snapshot sent twice on one connection",
            daemon.session().snapshotSent());
        assertTrue(daemon.session().isEnded(DEADLINE));
        assertEquals(1, own.awaitEndOfNear(DEADLINE));
      }
    }
  }
}
