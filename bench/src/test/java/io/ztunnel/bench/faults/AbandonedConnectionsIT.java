package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Pause;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Connections that their client half-closes and then abandons while the server keeps its side, and
 * one that both have ended. The setting is 3 s here, so that what holds for a minute by default is
 * seen soon; the user timeout of half an hour, for which the kernel would wait, must not matter.
 */
@TestInstance(Lifecycle.PER_CLASS)
class AbandonedConnectionsIT {
  private static final int PORT = 9000;
  private static final int OTHER_PORT = 9001;
  private static final int MANY = 500;

  /** More than all buffers on the way hold. */
  private static final int ANSWER_BYTES = 64 << 20;

  /** More than a server's kernel takes that does not read, less than the one of the proxy does. */
  private static final int QUESTION_BYTES = 1 << 20;

  private static final int CHUNK_BYTES = 64 << 10;
  private static final Duration STALLED_FOR = Duration.ofMillis(400);

  /** Three times what a peer that is dead may go unnoticed here. */
  private static final Duration LONG_AFTER = Duration.ofSeconds(12);

  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private final AtomicInteger halfClosed = new AtomicInteger();

  /** Bytes of {@link #pour}. */
  private final AtomicLong taken = new AtomicLong();

  private final CountDownLatch end = new CountDownLatch(1);
  private FaultMesh mesh;
  private Application patient;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh =
        FaultMesh.start(
            "abandon",
            Map.of("ZTUNNEL_HALF_CLOSE_PROBE", "3s", "USER_TIMEOUT_ENABLED", "true"),
            "gone");
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
    return halfClose(client, PORT, count);
  }

  private List<Socket> halfClose(Lab.Pod client, int port, int count) throws IOException {
    halfClosed.set(0);
    List<Socket> connections = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Socket connection = Peer.connect(client, mesh.server().ipv4(), port);
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
  private static void forgetSoon(Lab.Pod pod) throws IOException {
    pod.setParameter("ipv4/tcp_fin_timeout", "2");
  }

  @Test
  void clientsThatWereKilled() throws IOException {
    forgetSoon(mesh.client());
    List<Socket> connections = halfClose(mesh.client(), MANY);
    assertEquals(MANY, openTunnels());
    for (Socket connection : connections) {
      connection.close(); // as the kernel does for a process that dies
    }
    FaultMesh.await("the tunnels are gone", () -> openTunnels() == 0);
  }

  /** Its kernel answers the probes by a reset then. */
  @ParameterizedTest(name = "in the mesh: {0}")
  @ValueSource(booleans = {false, true})
  void clientThatHasSaidAllAndGoneIsHeardByAServerThatPauses(boolean inMesh) throws Exception {
    Lab.Pod client = inMesh ? mesh.client() : mesh.stranger();
    forgetSoon(client);
    CountDownLatch pause = new CountDownLatch(1);
    CompletableFuture<Integer> heard = new CompletableFuture<>();
    Application.Service paused =
        connection -> {
          boolean _ = pause.await(60, TimeUnit.SECONDS);
          try {
            heard.complete(connection.getInputStream().readAllBytes().length);
          } catch (IOException e) {
            heard.completeExceptionally(e);
          }
        };
    try (Application _ = Application.start(mesh.server(), OTHER_PORT, paused)) {
      try (Socket connection = Peer.connect(client, mesh.server().ipv4(), OTHER_PORT)) {
        connection.getOutputStream().write(new byte[QUESTION_BYTES]);
      }
      Pause.of(LONG_AFTER); // the kernel's clock cannot be turned
      pause.countDown();
      assertEquals(QUESTION_BYTES, heard.get(10, TimeUnit.SECONDS));
    }
  }

  /** The stranger's machine hears and says nothing from here on, or does again. */
  private void strangerIsGone(boolean isGone) throws IOException {
    for (String chain : List.of("INPUT", "OUTPUT")) {
      Lab.Output output =
          mesh.stranger().exec(DEADLINE, "iptables", isGone ? "-I" : "-D", chain, "-j", "DROP");
      assertEquals(0, output.exitStatus(), output::err);
    }
  }

  private void awaitAbandoned(int mark) throws IOException {
    String _ =
        awaitLine(mesh.far(), mark, "connection complete", "reason=\"half_closed_abandoned\"");
  }

  @Test
  void clientWhoseMachineIsGone() throws IOException {
    int mark = mark(mesh.far());
    List<Socket> connections = halfClose(mesh.stranger(), 20);
    strangerIsGone(true);
    try {
      awaitAbandoned(mark);
    } finally {
      strangerIsGone(false);
    }
    for (Socket connection : connections) {
      connection.close();
    }
  }

  /** As long as bytes are on their way to it, the kernel only sends them again, for 15 minutes. */
  @Test
  void clientWhoseMachineIsGoneBeforeTheAnswer() throws IOException {
    CountDownLatch answer = new CountDownLatch(1);
    Application.Service late =
        connection -> {
          byte[] _ = connection.getInputStream().readAllBytes();
          int _ = halfClosed.incrementAndGet();
          boolean _ = answer.await(60, TimeUnit.SECONDS);
          Peer.say(connection, "answer");
          boolean _ = end.await(60, TimeUnit.SECONDS);
        };
    int mark = mark(mesh.far());
    try (Application _ = Application.start(mesh.server(), OTHER_PORT, late);
        Socket _ = halfClose(mesh.stranger(), OTHER_PORT, 1).getFirst()) {
      strangerIsGone(true);
      try {
        answer.countDown();
        awaitAbandoned(mark);
      } finally {
        strangerIsGone(false);
      }
    }
  }

  /** Sends more than anybody takes who does not read, once the client's half has ended. */
  private void pour(Socket connection) throws IOException {
    byte[] _ = connection.getInputStream().readAllBytes();
    int _ = halfClosed.incrementAndGet();
    for (int i = 0; i < ANSWER_BYTES / CHUNK_BYTES; i++) {
      connection.getOutputStream().write(new byte[CHUNK_BYTES]);
      long _ = taken.addAndGet(CHUNK_BYTES);
    }
  }

  /** From the stranger, whose window is shut when this returns. */
  private Socket connectAndReadNothing() throws IOException {
    taken.set(0);
    Socket connection = halfClose(mesh.stranger(), OTHER_PORT, 1).getFirst();
    long before = -1;
    while (taken.get() == 0 || taken.get() != before) {
      before = taken.get();
      Pause.of(STALLED_FOR);
    }
    assertTrue(before < ANSWER_BYTES, "all is taken, and nobody reads");
    return connection;
  }

  /** Then the kernel does not send again, but asks for a window. */
  @Test
  void clientWhoseMachineIsGoneBeforeItReads() throws IOException {
    int mark = mark(mesh.far());
    try (Application _ = Application.start(mesh.server(), OTHER_PORT, this::pour);
        Socket _ = connectAndReadNothing()) {
      strangerIsGone(true);
      try {
        awaitAbandoned(mark);
      } finally {
        strangerIsGone(false);
      }
    }
  }

  /** Its window is shut all the while, but its kernel answers those who ask for it. */
  @Test
  void clientThatIsThereReadsWhenItLikes() throws IOException {
    try (Application _ = Application.start(mesh.server(), OTHER_PORT, this::pour);
        Socket connection = connectAndReadNothing()) {
      Pause.of(LONG_AFTER); // the kernel's clock cannot be turned
      assertEquals(ANSWER_BYTES, connection.getInputStream().readAllBytes().length);
    }
  }

  /** Limits what the kernel holds of a connection within the pod, in bytes each way. */
  private static void limitBuffers(Lab.Pod pod, int bytes) throws IOException {
    for (String key : List.of("ipv4/tcp_rmem", "ipv4/tcp_wmem")) {
      pod.setParameter(key, "4096 %1$d %1$d".formatted(bytes));
    }
  }

  /** Nothing is half closed any more, and what is left for one of them waits in the daemon. */
  @Test
  void serverWhoseMachineIsGoneWithTheRestUnread() throws IOException {
    Application.Service silent =
        connection -> {
          connection.shutdownOutput();
          boolean _ = end.await(60, TimeUnit.SECONDS);
        };
    Lab.Pod pod = mesh.extra("gone");
    limitBuffers(pod, 64 << 10);
    int mark = mark(mesh.far());
    try (Application _ = Application.start(pod, OTHER_PORT, silent);
        Socket connection = Peer.connect(mesh.client(), pod.ipv4(), OTHER_PORT)) {
      assertEquals(-1, connection.getInputStream().read());
      connection.getOutputStream().write(new byte[3 << 20]); // less than a window of the tunnel
      connection.shutdownOutput();
      FaultMesh.await("both have ended", () -> openTunnels() == 0);
      pod.dropPort(OTHER_PORT);
      try {
        awaitAbandoned(mark);
      } finally {
        pod.acceptPort(OTHER_PORT);
      }
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
