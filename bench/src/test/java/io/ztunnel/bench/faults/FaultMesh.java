package io.ztunnel.bench.faults;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LiveObjects;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.Vitals;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Two nodes with a daemon each, near and far: on the near one a client and a bystander, on the far
 * one a server and a stranger, which is no captured pod but counts as a member of the mesh, so that
 * a test can play a node's proxy there. What must go on beside every fault is checked from here.
 * For one thread.
 */
final class FaultMesh implements AutoCloseable {
  static final Path LAUNCHER = Path.of("..", "ztunnel").toAbsolutePath().normalize();
  static final String NAMESPACE = "lab";
  static final int HBONE_PORT = 15008;

  /** Where the server and the extra pods echo. */
  static final int ECHO_PORT = 7;

  /** The service of all extra pods; its port is {@link #ECHO_PORT}, too. */
  static final InetAddress SERVICE = InetAddress.ofLiteral("10.96.0.30");

  private static final String SERVICE_NAME = "extra";

  private static final Duration DEADLINE = Duration.ofSeconds(15);
  private static final Duration POLL = Duration.ofMillis(20);

  /** A connection that ends waits 20 s for a peer that says nothing any more. */
  private static final Duration RECOVERY = Duration.ofSeconds(30);

  private final Lab lab;
  private final Lab.Pod client;
  private final Lab.Pod bystander;
  private final Lab.Pod server;
  private final Lab.Pod stranger;
  private final Daemon near;
  private boolean nearHasEnded;
  private final Daemon far;
  private final Map<String, Lab.Pod> extras = new LinkedHashMap<>();
  private final Map<String, Application> echoes = new LinkedHashMap<>();
  private final Vitals nearAtRest;
  private final Vitals farAtRest;

  private FaultMesh(String word, Map<String, String> environment, List<String> extraNames)
      throws IOException {
    lab = Lab.create(word);
    try {
      Lab.Node first = lab.addNode();
      Lab.Node second = lab.addNode();
      client = first.addPod("client");
      bystander = first.addPod("bystander");
      server = second.addPod("server");
      stranger = second.addPod("stranger", Lab.Without.REDIRECTION);
      MeshFile mesh = new MeshFile();
      for (Lab.Pod pod : List.of(client, bystander, server, stranger)) {
        mesh.workload(pod, NAMESPACE, pod.name(), List.of(), List.of());
      }
      mesh.service(SERVICE_NAME, NAMESPACE, SERVICE.getHostAddress(), ECHO_PORT, ECHO_PORT);
      for (String name : extraNames) {
        Lab.Pod pod = second.addPod(name);
        extras.put(name, pod);
        mesh.workload(
            pod,
            NAMESPACE,
            name,
            List.of(new MeshFile.ServicePort(SERVICE_NAME, ECHO_PORT, ECHO_PORT)),
            List.of());
      }
      Path file = lab.directory().resolve("mesh.yaml");
      mesh.write(file);
      Map<String, String> variables = new TreeMap<>();
      variables.put("POOL_UNUSED_RELEASE_TIMEOUT", "100ms");
      variables.put("ZTUNNEL_HANDSHAKE_TIMEOUT", "3s");
      variables.put("ZTUNNEL_CONNECT_TIMEOUT", "2s");
      variables.put("ZTUNNEL_HBONE_ANSWER_TIMEOUT", "3s");
      variables.put("JDK_JAVA_OPTIONS", "-Dio.netty.leakDetection.level=paranoid");
      variables.putAll(environment);
      near = Daemon.start(lab, first, LAUNCHER, file, variables);
      far = Daemon.start(lab, second, LAUNCHER, file, variables);
      near.add(client, NAMESPACE, client.name());
      near.add(bystander, NAMESPACE, bystander.name());
      near.finishSnapshot();
      far.add(server, NAMESPACE, server.name());
      startEcho(server);
      for (Lab.Pod pod : extras.values()) {
        far.add(pod, NAMESPACE, pod.name());
        startEcho(pod);
      }
      far.finishSnapshot();
      warmUp();
      nearAtRest = Vitals.awaitIdle(near, DEADLINE);
      farAtRest = Vitals.awaitIdle(far, DEADLINE);
    } catch (IOException | RuntimeException | AssertionError e) {
      keepLogs(lab);
      lab.close();
      throw e;
    }
  }

  /**
   * Starts it.
   *
   * @param word a part of the namespaces' names
   * @param environment variables of the daemons, which win over those of a mesh for faults
   * @param extras names of more pods on the far node, which echo, and are a service together
   */
  static FaultMesh start(String word, Map<String, String> environment, String... extras)
      throws IOException {
    return new FaultMesh(word, environment, List.of(extras));
  }

  /**
   * The first connections of a daemon are slower than the limits of a mesh for faults may allow,
   * and what is made for them stays.
   */
  private void warmUp() throws IOException {
    await(
        "a connection works",
        () -> {
          try {
            assertOthersGoOn();
            return true;
          } catch (IOException e) {
            return false;
          }
        });
  }

  private void startEcho(Lab.Pod pod) throws IOException {
    echoes.put(pod.name(), Application.start(pod, ECHO_PORT, Application.Service::echo));
  }

  Lab.Pod extra(String name) {
    return Objects.requireNonNull(extras.get(name), name);
  }

  /**
   * Lets the echo of a pod take no new connections; it ends those that it has in order. Closing the
   * listener resets connections that the kernel has taken and the application has not, so first the
   * pod's network refuses new ones, until none waits any more.
   */
  void refuseEcho(Lab.Pod pod) throws IOException {
    Application echo = Objects.requireNonNull(echoes.get(pod.name()), pod.name());
    pod.refusePort(ECHO_PORT);
    await("the application has all connections", () -> isNoneWaitingForEcho(pod));
    echo.refuse();
    pod.stopRefusingPort(ECHO_PORT); // from now on the port refuses by itself
  }

  /** True if the listener's queue is empty and no handshake is under way. */
  private static boolean isNoneWaitingForEcho(Lab.Pod pod) throws IOException {
    Lab.Output sockets =
        pod.exec(
            DEADLINE,
            "ss",
            "--no-header",
            "--tcp",
            "--numeric",
            "state",
            "listening",
            "state",
            "syn-recv",
            "sport = :" + ECHO_PORT);
    assertEquals(0, sockets.exitStatus(), sockets::err);
    List<String> lines = sockets.out().lines().toList();
    assertTrue(lines.stream().anyMatch(line -> line.startsWith("LISTEN")), sockets::out);
    return lines.stream().allMatch(line -> line.matches("LISTEN\\s+0\\s.*"));
  }

  /** Waits until the echo of a pod has ended the connections that it has. */
  void awaitEchoesDone(Lab.Pod pod) throws IOException {
    Application echo = Objects.requireNonNull(echoes.get(pod.name()), pod.name());
    await("the application has ended", () -> echo.connections() == 0);
  }

  /** Ends the echo of a pod. */
  void stopEcho(Lab.Pod pod) throws IOException {
    Application echo = echoes.remove(pod.name());
    if (echo != null) {
      echo.close();
    }
  }

  Lab lab() {
    return lab;
  }

  Lab.Pod client() {
    return client;
  }

  Lab.Pod bystander() {
    return bystander;
  }

  Lab.Pod server() {
    return server;
  }

  Lab.Pod stranger() {
    return stranger;
  }

  /** The daemon of the client's node. */
  Daemon near() {
    return near;
  }

  /** The daemon of the server's node. */
  Daemon far() {
    return far;
  }

  /** The SPIFFE identity of a pod. */
  static String identity(Lab.Pod pod) {
    return "spiffe://cluster.local/ns/%s/sa/%s".formatted(NAMESPACE, pod.name());
  }

  /** From the client to a port of the server. */
  Socket connectToServer(int port) throws IOException {
    return Peer.connect(client, server.ipv4(), port);
  }

  /** A new connection of the bystander to the server works, in both directions and to its end. */
  void assertOthersGoOn() throws IOException {
    assertEchoes(bystander, server);
  }

  /** A new connection between two pods works, in both directions and to its end. */
  static void assertEchoes(Lab.Pod from, Lab.Pod to) throws IOException {
    try (Socket connection = Peer.connect(from, to.ipv4(), ECHO_PORT)) {
      assertEchoes(connection);
      connection.shutdownOutput();
      assertEquals(-1, connection.getInputStream().read(), "end of the echo");
    }
  }

  /** An open connection still works. */
  static void assertEchoes(Socket connection) throws IOException {
    String word = "still here";
    Peer.say(connection, word);
    try {
      assertEquals(word, Peer.hear(connection, word.length()));
    } catch (SocketTimeoutException e) {
      throw new AssertionError("no echo", e);
    }
  }

  /** After a fault: others go on, and neither daemon has anything left of it. */
  void assertRecovered() throws IOException {
    assertOthersGoOn();
    Vitals.awaitNothingLeft(near, nearAtRest, RECOVERY);
    Vitals.awaitNothingLeft(far, farAtRest, RECOVERY);
  }

  /** How many lines a daemon has written; what comes later is what a fault has caused. */
  static int mark(Daemon daemon) throws IOException {
    return daemon.logLines().size();
  }

  /** The first line after the mark with all the words; fails if it does not come in time. */
  static String awaitLine(Daemon daemon, int mark, String... words) throws IOException {
    long end = System.nanoTime() + DEADLINE.toNanos();
    while (true) {
      List<String> lines = daemon.logLines();
      for (String line : lines.subList(mark, lines.size())) {
        if (Stream.of(words).allMatch(line::contains)) {
          return line;
        }
      }
      if (System.nanoTime() > end) {
        throw new AssertionError(
            "%s has no line with %s after:%n%s"
                .formatted(
                    daemon.name(),
                    List.of(words),
                    String.join("\n", lines.subList(mark, lines.size()))));
      }
      Pause.of(POLL);
    }
  }

  /** Waits for something that another process does. */
  static void await(String what, Condition condition) throws IOException {
    await(what, DEADLINE, condition);
  }

  static void await(String what, Duration deadline, Condition condition) throws IOException {
    long end = System.nanoTime() + deadline.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() > end) {
        throw new AssertionError("not within " + deadline + ": " + what);
      }
      Pause.of(POLL);
    }
  }

  /** What can be waited for. */
  @FunctionalInterface
  interface Condition {
    boolean holds() throws IOException;
  }

  /** Waits until the near daemon has ended by itself, as it has to; returns its status. */
  int awaitEndOfNear(Duration deadline) throws IOException {
    int status = near.awaitExit(deadline);
    nearHasEnded = true;
    return status;
  }

  /** Ends both daemons, after a last look for lost buffers and lines that alarm. */
  @Override
  public void close() throws IOException {
    try (lab) {
      try (far;
          near) {
        inspect();
      } finally {
        for (Application echo : echoes.values()) {
          echo.close();
        }
        keepLogs(lab);
      }
    }
  }

  private void inspect() throws IOException {
    LiveObjects _ = LiveObjects.of(far); // collects garbage
    if (!nearHasEnded) {
      LiveObjects _ = LiveObjects.of(near);
      assertOthersGoOn(); // lost buffers show at the next allocation
    }
    assertEquals(List.of(), near.alarmingLines(), near.name());
    assertEquals(List.of(), far.alarmingLines(), far.name());
  }

  /** Beside the test's report, for whoever looks for the cause of a failure. */
  private static void keepLogs(Lab lab) throws IOException {
    Path directory = Files.createDirectories(Path.of("target", "fault-logs"));
    try (Stream<Path> files = Files.list(lab.directory())) {
      for (Path file : files.filter(path -> path.toString().endsWith(".log")).toList()) {
        Files.copy(
            file, directory.resolve(lab.directory().getFileName() + "-" + file.getFileName()));
      }
    }
  }
}
