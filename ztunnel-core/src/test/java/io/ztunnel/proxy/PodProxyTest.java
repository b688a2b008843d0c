package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.Future;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Start and end of a pod's proxy, in a pod with redirection and with a client outside of it. */
class PodProxyTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);
  private static final int APPLICATION_PORT = 8080;
  private static final WorkloadInfo APP = new WorkloadInfo("app", "shop", "app");
  private static final List<Integer> PORTS = InProcessNode.PORTS;

  private static Lab lab;
  private static Lab.Pod pod;
  private static Lab.Pod outside;
  private static NetworkNamespace namespace;
  private static InProcessNode inProcess;
  private static MeshState mesh;

  @BeforeAll
  static void build() throws Exception {
    String missing = Lab.unavailableReason();
    if (!missing.isEmpty()) {
      System.out.println("SKIPPED, no pod to start a proxy in: " + missing);
    }
    Assumptions.assumeTrue(missing.isEmpty(), missing);
    lab = Lab.create("podproxy");
    Lab.Node node = lab.addNode();
    pod = node.addPod("app");
    outside = node.addPod("outside", Lab.Without.REDIRECTION);
    namespace = pod.open();
    inProcess = new InProcessNode(lab.directory().resolve("ca"));
    mesh = meshOf(inProcess);
  }

  @AfterAll
  static void tearDown() throws Exception {
    if (lab == null) {
      return;
    }
    try (AutoCloseable _ = lab;
        AutoCloseable _ = namespace;
        AutoCloseable _ = inProcess) {
      // Each, whatever the end of another one says.
    }
  }

  private static <T> T inControl(Callable<T> action) throws Exception {
    return inProcess.inControl(action);
  }

  private static PodProxy proxy(Duration drainDeadline) {
    return inProcess.proxy(namespace, mesh, APP, drainDeadline);
  }

  private static PodProxy started(Duration drainDeadline) throws Exception {
    return inProcess.started(namespace, mesh, APP, drainDeadline);
  }

  private static void assertEnds(Future<Void> drained) throws Exception {
    assertTrue(drained.await(10, TimeUnit.SECONDS), "drained in vain");
    assertTrue(drained.isSuccess());
  }

  private static ServerSocket listen(int port) throws IOException {
    return Peer.listen(pod, port);
  }

  private static void assertNothingBound() {
    for (int port : PORTS) {
      assertDoesNotThrow(() -> listen(port).close(), "port " + port);
    }
  }

  private static Socket connect() throws IOException {
    return Peer.connect(outside, pod.ipv4(), APPLICATION_PORT, TIMEOUT);
  }

  private static MeshState meshOf(InProcessNode node) throws Exception {
    MeshState mesh = node.mesh();
    node.replace(
        mesh,
        """
        workloads:
        - {uid: app, name: app, namespace: shop, serviceAccount: app, node: node-a,
           services: {}, workloadIps: [%s]}
        """
            .formatted(pod.ipv4().getHostAddress()));
    return mesh;
  }

  @Test
  void drainWaitsForWhatWasAcceptedAndHasNotReachedItsLoop() throws Exception {
    var busy = new CountDownLatch(1);
    var clients = new ArrayList<Socket>();
    try (InProcessNode wide =
        new InProcessNode(lab.directory().resolve("wide"), Discovery.NOTHING, 4)) {
      PodProxy proxy = wide.started(namespace, meshOf(wide), APP, Duration.ofMinutes(1));
      wide.parkLastLoop(busy); // for 10 s at most
      int waiting = 0;
      for (int i = 0; i < 8; i++) { // two on each loop; there is no application
        try {
          clients.add(connect());
          clients.getLast().setSoTimeout(300);
          waiting += clients.getLast().getInputStream().read() < 0 ? 0 : 1;
        } catch (SocketTimeoutException e) {
          waiting++;
        } catch (SocketException e) {
          // Its loop has found that there is no application.
        }
      }
      assertTrue(waiting > 0, "all were taken at once");
      Future<Void> drained = wide.inControl(() -> proxy.drain(DrainMode.GRACEFUL));
      assertFalse(drained.await(300, TimeUnit.MILLISECONDS), "over before all had arrived");
      busy.countDown();
      assertEnds(drained);
    } finally {
      for (Socket client : clients) {
        client.close();
      }
    }
  }

  /** A client outside the pod and the application, joined by the proxy. */
  private record Conversation(Socket client, Socket application) implements AutoCloseable {
    static Conversation begin(ServerSocket server) throws IOException {
      Socket client = connect();
      Socket application = server.accept();
      application.setSoTimeout(Math.toIntExact(TIMEOUT.toMillis()));
      Conversation conversation = new Conversation(client, application);
      conversation.goesOn();
      return conversation;
    }

    void goesOn() throws IOException {
      client.getOutputStream().write("ping".getBytes(StandardCharsets.US_ASCII));
      assertEquals(
          "ping",
          new String(application.getInputStream().readNBytes(4), StandardCharsets.US_ASCII));
      application.getOutputStream().write("pong".getBytes(StandardCharsets.US_ASCII));
      assertEquals(
          "pong", new String(client.getInputStream().readNBytes(4), StandardCharsets.US_ASCII));
    }

    void isCut() {
      assertThrows(SocketException.class, () -> client.getInputStream().read());
      assertThrows(SocketException.class, () -> application.getInputStream().read());
    }

    @Override
    public void close() throws IOException {
      client.close();
      application.close();
    }
  }

  /** By which way it is connected to. */
  enum Way {
    PLAIN_INBOUND,
    TUNNELS,
    OUTBOUND;

    Socket connect() throws IOException {
      return switch (this) {
        case PLAIN_INBOUND -> PodProxyTest.connect();
        case TUNNELS -> Peer.connect(outside, pod.ipv4(), ProxySettings.HBONE_PORT, TIMEOUT);
        case OUTBOUND -> Peer.connect(pod, outside.ipv4(), APPLICATION_PORT, TIMEOUT);
      };
    }
  }

  private static void hearNothing(Way way) throws IOException {
    try (Socket refused = way.connect()) {
      assertEquals(-1, refused.getInputStream().read());
    }
  }

  @ParameterizedTest
  @EnumSource
  void whileThereIsNoMemoryNothingIsTakenAndWhatIsOpenGoesOn(Way way) throws Exception {
    PodProxy proxy = started(Duration.ofSeconds(1));
    try (ServerSocket server = listen(APPLICATION_PORT);
        ServerSocket _ = Peer.listen(outside, APPLICATION_PORT);
        Conversation conversation = Conversation.begin(server);
        Socket before = way.connect()) {
      before.setSoTimeout(300);
      assertThrows(SocketTimeoutException.class, () -> before.getInputStream().read());
      inProcess.admission().set(Admission.Level.NOBODY);
      assertThrows(SocketException.class, () -> hearNothing(way));
      conversation.goesOn();
    } finally {
      inProcess.admission().set(Admission.Level.EVERYBODY);
      assertEnds(inControl(() -> proxy.drain(DrainMode.IMMEDIATE)));
    }
  }

  @ParameterizedTest(name = "port {0} is taken")
  @ValueSource(ints = {15008, 15006, 15001})
  void aStartThatFailsNamesThePortAndLeavesNothingBound(int taken) throws Exception {
    try (ServerSocket _ = listen(taken)) {
      Future<Void> started = inControl(proxy(Duration.ofSeconds(5))::start);
      assertTrue(started.await(10, TimeUnit.SECONDS));
      assertFalse(started.isSuccess());
      String message = String.valueOf(started.cause().getMessage());
      assertTrue(message.startsWith("failed to bind to address [::]:" + taken + ": "), message);
      for (int port : PORTS) {
        if (port != taken) {
          assertDoesNotThrow(() -> listen(port).close(), "port " + port);
        }
      }
    }
    PodProxy next = started(Duration.ofSeconds(5));
    assertEnds(inControl(() -> next.drain(DrainMode.IMMEDIATE)));
  }

  @ParameterizedTest
  @EnumSource(DrainMode.class)
  void anIdleProxyIsGoneWhenItsDrainEnds(DrainMode mode) throws Exception {
    for (int i = 0; i < 5; i++) {
      PodProxy proxy = started(Duration.ofSeconds(30));
      assertEnds(inControl(() -> proxy.drain(mode)));
      assertNothingBound();
    }
  }

  @Test
  void aProxyDrainedWhileItStartsLeavesNothingBound() throws Exception {
    for (int i = 0; i < 5; i++) {
      PodProxy proxy = proxy(Duration.ofSeconds(30));
      Future<Void> started =
          inControl(
              () -> {
                Future<Void> starting = proxy.start();
                Future<Void> _ = proxy.drain(DrainMode.IMMEDIATE);
                return starting;
              });
      assertEnds(inControl(() -> proxy.drain(DrainMode.IMMEDIATE)));
      assertNothingBound();
      assertTrue(started.await(10, TimeUnit.SECONDS));
      assertEquals("drained while starting", started.cause().getMessage());
    }
  }

  @Test
  void aGracefulDrainWaitsForTheLastConnectionAndAcceptsNoMore() throws Exception {
    PodProxy proxy = started(Duration.ofSeconds(30));
    try (ServerSocket server = listen(APPLICATION_PORT)) {
      Future<Void> drained;
      try (Conversation conversation = Conversation.begin(server)) {
        assertEquals(1, proxy.connections().size());
        drained = inControl(() -> proxy.drain(DrainMode.GRACEFUL));
        awaitRefusal();
        conversation.goesOn();
        assertFalse(drained.isDone());
      }
      assertEnds(drained);
      assertEquals(List.of(), proxy.connections());
    }
    assertNothingBound();
  }

  private static PodProxy lingering(Duration handoverWait) throws Exception {
    return inProcess.started(
        inProcess.proxy(namespace, mesh, APP, Duration.ofSeconds(30), handoverWait));
  }

  @Test
  void aGracefulDrainAcceptsUntilAnotherProxyListens() throws Exception {
    PodProxy old = lingering(Duration.ofSeconds(30));
    try (ServerSocket server = listen(APPLICATION_PORT)) {
      Future<Void> drained;
      PodProxy fresh;
      try (Conversation kept = Conversation.begin(server)) {
        drained = inControl(() -> old.drain(DrainMode.GRACEFUL));
        try (Conversation _ = Conversation.begin(server)) {
          assertEquals(2, old.connections().size());
          assertTrue(
              inProcess.metricsPage().contains("ztunnel_drain_connections_left 2"), "metrics");
        }
        fresh = started(Duration.ofSeconds(30));
        for (int i = 0; i < 50 || old.isAccepting(); i++) {
          try (Conversation _ = Conversation.begin(server)) {
            kept.goesOn();
          }
        }
        assertFalse(drained.isDone());
      }
      assertEnds(drained);
      try (Conversation _ = Conversation.begin(server)) {
        assertEquals(1, fresh.connections().size());
      }
      assertEnds(inControl(() -> fresh.drain(DrainMode.GRACEFUL)));
    }
    assertNothingBound();
  }

  @Test
  void aGracefulDrainAcceptsNoMoreWhenNobodyHasComeInTime() throws Exception {
    PodProxy proxy = lingering(Duration.ofMillis(300));
    try (ServerSocket server = listen(APPLICATION_PORT);
        Conversation kept = Conversation.begin(server)) {
      Future<Void> drained = inControl(() -> proxy.drain(DrainMode.GRACEFUL));
      Conversation.begin(server).close();
      awaitRefusal();
      kept.goesOn();
      assertEnds(inControl(() -> proxy.drain(DrainMode.IMMEDIATE)));
      assertTrue(drained.isDone());
    }
  }

  /** The listeners close on their own loops. What they accept before leaves nothing half-closed. */
  private static void awaitRefusal() throws IOException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (true) {
      try (Socket accepted = connect()) {
        accepted.setSoLinger(true, 0); // a reset: the application does not even take it
        assertTrue(System.nanoTime() < deadline, "still accepts after 10 s");
      } catch (ConnectException e) {
        return;
      } catch (SocketException _) {
        // It was in the queue of a listener that closed and had no other one to go to.
      }
    }
  }

  @Test
  void aGracefulDrainCutsWhatIsLeftAtItsDeadline() throws Exception {
    PodProxy proxy = started(Duration.ofMillis(300));
    try (ServerSocket server = listen(APPLICATION_PORT);
        Conversation conversation = Conversation.begin(server)) {
      long began = System.nanoTime();
      Future<Void> drained = inControl(() -> proxy.drain(DrainMode.GRACEFUL));
      assertEnds(drained);
      long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
      assertTrue(millis >= 290, "cut after " + millis + " ms");
      conversation.isCut();
      assertEquals(List.of(), proxy.connections());
    }
    assertNothingBound();
  }

  @Test
  void anImmediateDrainCutsAtOnce() throws Exception {
    PodProxy proxy = started(Duration.ofMinutes(5));
    try (ServerSocket server = listen(APPLICATION_PORT);
        Conversation conversation = Conversation.begin(server)) {
      assertEnds(inControl(() -> proxy.drain(DrainMode.IMMEDIATE)));
      conversation.isCut();
      assertEquals(List.of(), proxy.connections());
    }
    assertNothingBound();
  }

  @Test
  void anImmediateDrainOvertakesAGracefulOne() throws Exception {
    PodProxy proxy = started(Duration.ofMinutes(5));
    try (ServerSocket server = listen(APPLICATION_PORT);
        Conversation conversation = Conversation.begin(server)) {
      Future<Void> drained = inControl(() -> proxy.drain(DrainMode.GRACEFUL));
      assertFalse(drained.isDone());
      assertEnds(inControl(() -> proxy.drain(DrainMode.IMMEDIATE)));
      assertTrue(drained.isDone());
      conversation.isCut();
    }
  }
}
