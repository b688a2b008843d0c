package io.ztunnel.bench.lab;

import io.ztunnel.redirection.CniAgent;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The proxy of one node: a process of its own, started by the launcher in the node's network
 * namespace, and the CNI agent that tells it about pods. A proxy in dedicated mode and a gateway
 * run in their pod's namespace and have no agent. For one thread.
 */
public final class Daemon implements Closeable {
  private static final int ADMIN_PORT = 15000;
  private static final int STATS_PORT = 15020;
  private static final int READINESS_PORT = 15021;
  private static final Duration START_DEADLINE = Duration.ofSeconds(60);
  private static final Duration ACCEPT_SLICE = Duration.ofSeconds(1);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(20);
  private static final Duration HTTP_DEADLINE = Duration.ofSeconds(10);
  private static final Duration POLL = Duration.ofMillis(5);

  /** Lines that nothing a peer, an application or the mesh does may cause. */
  private static final Pattern ALARMING =
      Pattern.compile("LEAK:|Exception|^\\s+at |AssertionError|uncaught|unexpected|\\bfatal\\b");

  /** After it, another look tells more: whether the daemon still runs, for one. */
  private static final Duration READINESS_DEADLINE = Duration.ofSeconds(1);

  private final Lab.Node node;
  private final String name;
  private final Path log;
  private final NetworkNamespace namespace;
  private final Process process;
  private @Nullable Agent agent;
  private volatile boolean toldToEnd;

  /** The agent of the node, and its conversation with the daemon. */
  private record Agent(CniAgent server, CniAgent.Session session) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      session.close();
      server.close();
    }
  }

  private Daemon(
      Lab.Node node,
      String name,
      Path log,
      NetworkNamespace namespace,
      Process process,
      @Nullable Agent agent) {
    this.node = node;
    this.name = name;
    this.log = log;
    this.namespace = namespace;
    this.process = process;
    this.agent = agent;
  }

  /**
   * Starts a daemon and waits until it has connected to its CNI agent.
   *
   * @param launcher the project's {@code ztunnel} script
   * @param meshFile what the daemon reads as its local mesh
   * @param environment more variables, which win over those of the lab
   */
  public static Daemon start(
      Lab lab, Lab.Node node, Path launcher, Path meshFile, Map<String, String> environment)
      throws IOException {
    return start(lab, node, nodeName(node), launcher, meshFile, environment);
  }

  /** As above, for a daemon that knows the mesh from a control plane alone. */
  static Daemon start(
      Lab lab,
      Lab.Node node,
      Path launcher,
      LabControlPlane controlPlane,
      Map<String, String> environment)
      throws IOException {
    return startIn(lab, node, nodeName(node), launcher, fedBy(controlPlane, environment));
  }

  /**
   * As above, for one that is to take a node's pods over from another daemon.
   *
   * @param place where it runs: not where the other one does
   * @param name of the daemon, for its files
   */
  static Daemon startSuccessor(
      Lab lab,
      Lab.Node place,
      Lab.Node node,
      String name,
      Path launcher,
      LabControlPlane controlPlane,
      Map<String, String> environment)
      throws IOException {
    Map<String, String> variables = fedBy(controlPlane, environment);
    variables.put("NODE_NAME", nodeName(node));
    return startIn(lab, place, name, launcher, variables);
  }

  private static Map<String, String> fedBy(
      LabControlPlane controlPlane, Map<String, String> environment) {
    Map<String, String> variables = new TreeMap<>(controlPlane.environment());
    variables.putAll(environment);
    return variables;
  }

  /**
   * As above, for one of several daemons of a node.
   *
   * @param name of the daemon, for its files
   */
  public static Daemon start(
      Lab lab,
      Lab.Node node,
      String name,
      Path launcher,
      Path meshFile,
      Map<String, String> environment)
      throws IOException {
    return startIn(lab, node, name, launcher, withMesh(meshFile, environment));
  }

  private static Map<String, String> withMesh(Path meshFile, Map<String, String> environment) {
    Map<String, String> variables = new TreeMap<>();
    variables.put("LOCAL_XDS_PATH", meshFile.toString());
    variables.putAll(environment);
    return variables;
  }

  private static Daemon startIn(
      Lab lab, Lab.Node node, String name, Path launcher, Map<String, String> environment)
      throws IOException {
    Path socket = lab.directory().resolve(name + ".sock");
    Path log = lab.directory().resolve(name + ".log");
    Map<String, String> variables = new TreeMap<>();
    variables.put("INPOD_UDS", socket.toString());
    variables.putAll(environment);

    CniAgent agent = new CniAgent(socket);
    NetworkNamespace namespace = null;
    Process process = null;
    try {
      namespace = node.open();
      process = node.spawn(log, command(lab, node, launcher, variables));
      return new Daemon(
          node, name, log, namespace, process, new Agent(agent, accept(agent, process, log)));
    } catch (IOException | RuntimeException e) {
      if (process != null) {
        process.destroyForcibly();
      }
      if (namespace != null) {
        namespace.close();
      }
      agent.close();
      throw e;
    }
  }

  /** Starts a daemon in dedicated mode in a pod's own namespace and waits until it is ready. */
  public static Daemon startDedicated(
      Lab lab,
      Lab.Pod pod,
      String podNamespace,
      String serviceAccount,
      Path launcher,
      Path meshFile,
      Map<String, String> environment)
      throws IOException {
    Map<String, String> variables = new TreeMap<>();
    variables.put("PROXY_MODE", "dedicated");
    variables.put("PROXY_WORKLOAD_INFO", podNamespace + "/" + pod.name() + "/" + serviceAccount);
    variables.putAll(withMesh(meshFile, environment));
    return startInPod(lab, pod, launcher, variables);
  }

  /** Starts a gateway between networks as a pod's own program and waits until it is ready. */
  public static Daemon startGateway(
      Lab lab,
      Lab.Pod pod,
      String podNamespace,
      String serviceAccount,
      Path launcher,
      Path meshFile,
      Map<String, String> environment)
      throws IOException {
    return startGatewayIn(
        lab, pod, podNamespace, serviceAccount, launcher, withMesh(meshFile, environment));
  }

  /** As above, for a gateway that knows the mesh from a control plane alone. */
  static Daemon startGateway(
      Lab lab,
      Lab.Pod pod,
      String podNamespace,
      String serviceAccount,
      Path launcher,
      LabControlPlane controlPlane,
      Map<String, String> environment)
      throws IOException {
    return startGatewayIn(
        lab, pod, podNamespace, serviceAccount, launcher, fedBy(controlPlane, environment));
  }

  private static Daemon startGatewayIn(
      Lab lab,
      Lab.Pod pod,
      String podNamespace,
      String serviceAccount,
      Path launcher,
      Map<String, String> environment)
      throws IOException {
    Map<String, String> variables = new TreeMap<>();
    variables.put("PROXY_MODE", "gateway");
    variables.put("POD_NAME", pod.name());
    variables.put("POD_NAMESPACE", podNamespace);
    variables.put("SERVICE_ACCOUNT", serviceAccount);
    variables.putAll(environment);
    return startInPod(lab, pod, launcher, variables);
  }

  private static Daemon startInPod(
      Lab lab, Lab.Pod pod, Path launcher, Map<String, String> variables) throws IOException {
    Path log = lab.directory().resolve(pod.name() + ".log");
    NetworkNamespace namespace = pod.open();
    Process process = null;
    try {
      process = pod.spawn(log, command(lab, pod.node(), launcher, variables));
      Daemon daemon = new Daemon(pod.node(), pod.name(), log, namespace, process, null);
      daemon.awaitReady();
      return daemon;
    } catch (IOException | RuntimeException e) {
      if (process != null) {
        process.destroyForcibly();
      }
      namespace.close();
      throw e;
    }
  }

  private static String[] command(
      Lab lab, Lab.Node node, Path launcher, Map<String, String> environment) {
    Map<String, String> variables = new TreeMap<>();
    variables.put("PATH", System.getenv("PATH"));
    variables.put("JAVA_HOME", System.getProperty("java.home"));
    variables.put("ZTUNNEL_BUILD", "never");
    variables.put("NODE_NAME", nodeName(node));
    variables.put("XDS_ADDRESS", "");
    variables.put("FAKE_CA", "true");
    variables.put("FAKE_CA_DIR", trialAuthority(lab).toString());
    variables.put("CONNECTION_TERMINATION_DEADLINE", "1s");
    variables.putAll(environment);
    // What a shell starts in the background ignores SIGINT, and so would what it starts.
    List<String> command = new ArrayList<>(List.of("env", "-i", "--default-signal=INT"));
    variables.forEach((key, value) -> command.add(key + "=" + value));
    command.addAll(List.of(launcher.toString(), "proxy"));
    return command.toArray(String[]::new);
  }

  /** Where the daemons of a lab share the root of their certificates. */
  public static Path trialAuthority(Lab lab) {
    return lab.directory().resolve("ca");
  }

  /** The name that the node has in the mesh. */
  public static String nodeName(Lab.Node node) {
    return "node-" + node.index();
  }

  private static CniAgent.Session accept(CniAgent agent, Process process, Path log)
      throws IOException {
    long end = System.nanoTime() + START_DEADLINE.toNanos();
    while (true) {
      try {
        return agent.accept(ACCEPT_SLICE);
      } catch (IOException e) {
        if (!process.isAlive()) {
          throw new IOException(
              "the daemon ended with %d: %s".formatted(process.exitValue(), lastLine(log)), e);
        }
        if (System.nanoTime() > end) {
          throw new IOException("the daemon does not connect: " + lastLine(log), e);
        }
      }
    }
  }

  /** Announces a pod; its listeners are there when this returns. */
  public void add(Lab.Pod pod, String podNamespace, String serviceAccount) throws IOException {
    String error = session().add(uid(pod), pod.name(), podNamespace, serviceAccount, pod.netns());
    if (!error.isEmpty()) {
      throw new IOException("%s refused pod %s: %s".formatted(name(), pod.name(), error));
    }
  }

  /**
   * Ends the CNI agent's connection as a restart of the agent does, and waits for the daemon to
   * connect again; it wants a whole new snapshot then.
   */
  public void reconnectAgent() throws IOException {
    Agent before = agent();
    before.session().close();
    agent = new Agent(before.server(), accept(before.server(), process, log));
  }

  /** Takes a pod back: its proxy ends at once. */
  public void delete(Lab.Pod pod) throws IOException {
    String error = session().delete(uid(pod));
    if (!error.isEmpty()) {
      throw new IOException(
          "%s does not let go of pod %s: %s".formatted(name(), pod.name(), error));
    }
  }

  private static String uid(Lab.Pod pod) {
    return "uid-" + pod.namespace();
  }

  /** The agent's conversation with the daemon, for whoever wants to say something else. */
  public CniAgent.Session session() {
    return agent().session();
  }

  private Agent agent() {
    if (agent == null) {
      throw new IllegalStateException(name + " is dedicated to its pod (expected: a shared one)");
    }
    return agent;
  }

  /** Ends the initial snapshot and waits until the daemon calls itself ready. */
  public void finishSnapshot() throws IOException {
    String error = session().snapshotSent();
    if (!error.isEmpty()) {
      throw new IOException("%s refused the snapshot: %s".formatted(name(), error));
    }
    awaitReady();
  }

  private void awaitReady() throws IOException {
    long deadline = System.nanoTime() + START_DEADLINE.toNanos();
    while (!isReady()) {
      if (!process.isAlive()) {
        throw new IOException("%s ended: %s".formatted(name(), lastLine(log)));
      }
      if (System.nanoTime() > deadline) {
        throw new IOException("%s is not ready: %s".formatted(name(), lastLine(log)));
      }
      Pause.of(POLL);
    }
  }

  private boolean isReady() {
    try {
      return NodeHttp.get(namespace, READINESS_PORT, "/healthz/ready", READINESS_DEADLINE).status()
          == 200;
    } catch (IOException e) {
      return false; // does not listen yet
    }
  }

  public String name() {
    return name;
  }

  public Lab.Node node() {
    return node;
  }

  public long pid() {
    return process.pid();
  }

  /** Waits for the process to end by itself; returns its exit status. */
  public int awaitExit(Duration deadline) throws IOException {
    try {
      if (!process.waitFor(deadline.toNanos(), TimeUnit.NANOSECONDS)) {
        throw new IOException("%s did not end in %s".formatted(name(), deadline));
      }
      return process.exitValue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting for the end of " + name());
    }
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /** The page of the metrics. */
  public String metrics() throws IOException {
    return get(STATS_PORT, "/metrics");
  }

  /** What the daemon knows, as JSON. */
  public String configDump() throws IOException {
    return get(ADMIN_PORT, "/config_dump");
  }

  /** The last denials of each workload, as JSON. */
  public String denials() throws IOException {
    return get(ADMIN_PORT, "/debug/denials");
  }

  private String get(int port, String path) throws IOException {
    NodeHttp.Answer answer = NodeHttp.get(namespace, port, path, HTTP_DEADLINE);
    if (answer.status() != 200) {
      throw new IOException(
          "%s: status %d for %s (expected: 200)".formatted(name(), answer.status(), path));
    }
    return answer.body();
  }

  /** What the daemon has written so far. */
  public List<String> logLines() throws IOException {
    return Files.readAllLines(log);
  }

  /** Those of them that a daemon which is well does not write, whatever happens to it. */
  public List<String> alarmingLines() throws IOException {
    return logLines().stream().filter(ALARMING.asPredicate()).toList();
  }

  /** The file that it writes to. */
  public Path log() {
    return log;
  }

  private static String lastLine(Path log) throws IOException {
    List<String> lines = Files.readAllLines(log);
    return lines.isEmpty() ? "it wrote nothing" : lines.getLast();
  }

  /** Sends the process this signal, such as STOP. */
  public void signal(String name) throws IOException {
    Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(pid())).inheritIO().start();
    try {
      if (kill.waitFor() != 0) {
        throw new IOException("%s got no SIG%s".formatted(name(), name));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** Tells the daemon to end; several do so side by side. */
  public void tellToEnd() {
    toldToEnd = true;
    process.destroy();
  }

  /** Whether somebody has told it to. By any thread. */
  public boolean isToldToEnd() {
    return toldToEnd;
  }

  /** Ends the daemon as its supervisor would; fails if it does not go by itself in time. */
  @Override
  public void close() throws IOException {
    tellToEnd();
    try {
      if (!process.waitFor(STOP_DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        throw new IOException("%s did not end in %s".formatted(name(), STOP_DEADLINE));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      process.destroyForcibly();
      namespace.close();
      if (agent != null) {
        agent.close();
      }
    }
  }
}
