package io.ztunnel.redirection;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A small cluster on this machine: nodes and pods in network namespaces of their own, wired through
 * one that plays the switch. Nothing touches the machine's own namespace.
 *
 * <p>Node {@code i} has pods in 10.240.i.0/24 and fd00:10:240:i::/64 behind a bridge, and reaches
 * the other nodes by 10.241.0.i and fd00:10:241::i. A pod has the redirection of a captured pod
 * unless it is made without.
 *
 * <p>Everything is gone after {@link #close}, which also runs when the JVM ends; what a killed JVM
 * left behind goes when the next lab is made. Used by one thread; {@code synchronized} because the
 * JVM's end may close it meanwhile.
 */
public final class Lab implements AutoCloseable {
  private static final Duration SETUP_DEADLINE = Duration.ofSeconds(20);
  private static final Pattern NAME = Pattern.compile("ztt-[a-z0-9]+-([0-9]+)-.*");
  private static final Path NAMESPACES = Path.of("/run/netns");
  private static final AtomicInteger SEQUENCE = new AtomicInteger();

  private final String prefix;
  private final Path directory;
  private final Thread hook = new Thread(this::closeAtExit, "lab-close");
  private final List<String> namespaces = new ArrayList<>();
  private final List<Process> processes = new ArrayList<>();
  private final List<Node> nodes = new ArrayList<>();
  private final String hub;
  private boolean closed;

  /** What a pod can do without. */
  public enum Without {
    /** Not captured: no redirection. */
    REDIRECTION,
    /** IPv6 is switched off in its namespace. */
    IPV6
  }

  /** What a program said, and its exit status. */
  public record Output(int exitStatus, String out, String err) {}

  /**
   * A new lab without nodes; the word is a part of its namespaces' names. Where {@link
   * #unavailableReason} has something to say, this fails.
   */
  public static Lab create(String word) throws IOException {
    sweep();
    Lab lab = new Lab(word);
    try {
      lab.addNamespace(lab.hub);
      ip(lab.hub, "link add br0 type bridge\nlink set br0 up\n");
      return lab;
    } catch (IOException | RuntimeException e) {
      lab.close();
      throw e;
    }
  }

  private Lab(String word) throws IOException {
    this.prefix =
        "ztt-%s-%d-%d-".formatted(word, ProcessHandle.current().pid(), SEQUENCE.incrementAndGet());
    if (!NAME.matcher(prefix).matches()) {
      throw new IllegalArgumentException(
          "word: %s (expected: lower case letters and digits)".formatted(word));
    }
    this.directory = Files.createDirectory(Path.of("/tmp", prefix + "dir"));
    this.hub = prefix + "hub";
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** What this machine lacks for a lab, in one line; empty if nothing. */
  public static String unavailableReason() {
    try {
      if (!Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0)) {
        return "needs root, for network namespaces";
      }
    } catch (IOException e) {
      return "needs Linux: " + e.getMessage();
    }
    for (String program : List.of("ip", "iptables-restore", "ip6tables-restore")) {
      if (!isOnPath(program)) {
        return "needs the program " + program + " (Debian packages: iproute2, iptables)";
      }
    }
    return probe();
  }

  /** Tries what a lab does, because root in a container may not. */
  private static String probe() {
    String name =
        "ztt-probe-%d-%d".formatted(ProcessHandle.current().pid(), SEQUENCE.incrementAndGet());
    try {
      LabCommand.run(SETUP_DEADLINE, "", List.of("ip", "netns", "add", name));
      try {
        for (RedirectionRules rules : RedirectionRules.values()) {
          LabCommand.run(SETUP_DEADLINE, rules.text(), inside(name, rules.program(), "--noflush"));
        }
        return "";
      } finally {
        LabCommand.run(SETUP_DEADLINE, "", List.of("ip", "netns", "del", name));
      }
    } catch (IOException e) {
      return "needs network namespaces with iptables: " + e.getMessage();
    }
  }

  private static boolean isOnPath(String program) {
    return Stream.concat(
            Arrays.stream(Optional.ofNullable(System.getenv("PATH")).orElse("").split(":")),
            Stream.of("/usr/sbin", "/sbin"))
        .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
  }

  /** A directory of this lab, for sockets and files; removed with it. */
  public Path directory() {
    return directory;
  }

  /** Adds a node, with routes from and to those that are there. */
  public synchronized Node addNode() throws IOException {
    Node node = new Node(nodes.size() + 1);
    addNamespace(node.namespace);
    sysctl(node.namespace, "ipv4/ip_forward", "1");
    sysctl(node.namespace, "ipv6/conf/all/forwarding", "1");
    String port = "sw" + node.index;
    ip(
        hub,
        """
        link add %1$s type veth peer name up0 netns %2$s
        link set %1$s master br0 up
        """
            .formatted(port, node.namespace));
    ip(
        node.namespace,
        """
        addr add 10.241.0.%1$d/16 dev up0
        addr add fd00:10:241::%1$x/64 dev up0 nodad
        link set up0 up
        link add cni0 address 0a:58:0a:f0:%1$02x:01 type bridge
        addr add 10.240.%1$d.1/24 dev cni0
        addr add fd00:10:240:%1$x::1/64 dev cni0 nodad
        link set cni0 up
        """
            .formatted(node.index));
    for (Node other : nodes) {
      ip(node.namespace, routesTo(other));
      ip(other.namespace, routesTo(node));
    }
    nodes.add(node);
    return node;
  }

  private static String routesTo(Node node) {
    return """
        route add 10.240.%1$d.0/24 via 10.241.0.%1$d
        route add fd00:10:240:%1$x::/64 via fd00:10:241::%1$x
        """
        .formatted(node.index);
  }

  /** A place in the cluster where programs run. */
  public sealed interface Place {
    /** The name of its network namespace, for {@code ip netns exec}. */
    String namespace();

    /** The path of its network namespace. */
    default Path netns() {
      return NAMESPACES.resolve(namespace());
    }

    /** A new handle of its namespace, which the caller closes. */
    default NetworkNamespace open() throws IOException {
      return NetworkNamespace.ofPath(netns());
    }

    /** Runs a program here to its end; fails if it takes longer than the deadline. */
    default Output exec(Duration deadline, String... command) throws IOException {
      return LabCommand.runAnyway(deadline, "", inside(namespace(), command));
    }

    /**
     * Starts a program here, with these variables besides our own, all its output in a file. The
     * lab ends it at the latest.
     */
    Process spawn(Map<String, String> environment, Path output, String... command)
        throws IOException;

    /** Starts a program here, all its output in a file. */
    default Process spawn(Path output, String... command) throws IOException {
      return spawn(Map.of(), output, command);
    }
  }

  private synchronized Process spawnIn(
      String namespace, Map<String, String> environment, Path output, String... command)
      throws IOException {
    requireOpen();
    ProcessBuilder builder =
        new ProcessBuilder(inside(namespace, command))
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    builder.environment().putAll(environment);
    Process process = builder.start();
    processes.add(process);
    return process;
  }

  /** A machine of the cluster. */
  public final class Node implements Place {
    /** Those below are the node's. */
    private static final int FIRST_POD = 10;

    private final int index;
    private final String namespace;

    /** Numbers that pods have now; the address of one that is deleted goes to the next pod. */
    private final BitSet taken = new BitSet();

    /** Pods so far. */
    private int pods;

    private Node(int index) {
      this.index = index;
      this.namespace = prefix + "n" + index;
    }

    @Override
    public String namespace() {
      return namespace;
    }

    /** Counts from 1. */
    public int index() {
      return index;
    }

    /** Its address towards other nodes. */
    public InetAddress ipv4() {
      return address("10.241.0." + index);
    }

    @Override
    public Process spawn(Map<String, String> environment, Path output, String... command)
        throws IOException {
      return spawnIn(namespace, environment, output, command);
    }

    /** Adds a pod, captured and with IPv6 unless made without. */
    public Pod addPod(String name, Without... without) throws IOException {
      synchronized (Lab.this) {
        Set<Without> lacks = EnumSet.noneOf(Without.class);
        lacks.addAll(List.of(without));
        int number = taken.nextClearBit(FIRST_POD);
        taken.set(number);
        Pod pod = new Pod(this, name, "p" + ++pods, number, lacks.contains(Without.IPV6));
        pod.create(lacks.contains(Without.REDIRECTION));
        return pod;
      }
    }
  }

  /** A pod of a node. */
  public final class Pod implements Place {
    private static final String DROP = "-j DROP";
    private static final String REFUSE = "--syn -j REJECT --reject-with tcp-reset";

    private final Node node;
    private final String name;
    private final String namespace;
    private final String nodeLink;
    private final int number;
    private final boolean ipv4Only;

    private Pod(Node node, String name, String nodeLink, int number, boolean ipv4Only) {
      this.node = node;
      this.name = name;
      this.namespace = node.namespace + "-" + name;
      this.nodeLink = nodeLink;
      this.number = number;
      this.ipv4Only = ipv4Only;
    }

    private void create(boolean uncaptured) throws IOException {
      addNamespace(namespace);
      if (ipv4Only) {
        for (String scope : List.of("all", "default", "lo")) {
          sysctl(namespace, "ipv6/conf/" + scope + "/disable_ipv6", "1");
        }
      }
      ip(
          node.namespace,
          """
          link add %1$s type veth peer name eth0 netns %2$s
          link set %1$s master cni0 up
          """
              .formatted(nodeLink, namespace));
      ip(
          namespace,
          """
          addr add 10.240.%1$d.%2$d/24 dev eth0
          link set eth0 up
          route add default via 10.240.%1$d.1
          """
              .formatted(node.index, number));
      if (!ipv4Only) {
        ip(
            namespace,
            """
            addr add fd00:10:240:%1$x::%2$x/64 dev eth0 nodad
            route add default via fd00:10:240:%1$x::1
            """
                .formatted(node.index, number));
      }
      if (!uncaptured) {
        redirect("-4", RedirectionRules.IPV4);
        if (!ipv4Only) {
          redirect("-6", RedirectionRules.IPV6);
        }
      }
    }

    private void redirect(String family, RedirectionRules rules) throws IOException {
      LabCommand.run(SETUP_DEADLINE, rules.text(), inside(namespace, rules.program(), "--noflush"));
      LabCommand.run(
          SETUP_DEADLINE, rules.routes(), List.of("ip", family, "-n", namespace, "-batch", "-"));
    }

    /** Its name as it was given. */
    public String name() {
      return name;
    }

    public Node node() {
      return node;
    }

    @Override
    public String namespace() {
      return namespace;
    }

    public InetAddress ipv4() {
      return address("10.240.%d.%d".formatted(node.index, number));
    }

    /** Fails for a pod that was made without IPv6. */
    public InetAddress ipv6() {
      if (ipv4Only) {
        throw new IllegalStateException(name + " has no IPv6");
      }
      return address("fd00:10:240:%x::%x".formatted(node.index, number));
    }

    @Override
    public Process spawn(Map<String, String> environment, Path output, String... command)
        throws IOException {
      return spawnIn(namespace, environment, output, command);
    }

    /** Makes packets that arrive for a TCP port vanish, as a network policy does. */
    public void dropPort(int port) throws IOException {
      filter("-I", port, DROP);
    }

    /** Ends {@link #dropPort}. */
    public void acceptPort(int port) throws IOException {
      filter("-D", port, DROP);
    }

    /** Resets new connections to a TCP port; those begun already go on. */
    public void refusePort(int port) throws IOException {
      filter("-I", port, REFUSE);
    }

    /** Ends {@link #refusePort}. */
    public void stopRefusingPort(int port) throws IOException {
      filter("-D", port, REFUSE);
    }

    /**
     * Sets a parameter of the pod's network.
     *
     * @param key below {@code /proc/sys/net}
     */
    public void setParameter(String key, String value) throws IOException {
      sysctl(namespace, key, value);
    }

    private void filter(String change, int port, String what) throws IOException {
      String rule =
          "*filter\n%s INPUT -p tcp --dport %d %s\nCOMMIT\n".formatted(change, port, what);
      for (RedirectionRules rules : RedirectionRules.values()) {
        LabCommand.run(SETUP_DEADLINE, rule, inside(namespace, rules.program(), "--noflush"));
      }
    }

    /** Takes the pod's network away as at its deletion, whoever still holds sockets in it. */
    public void delete() throws IOException {
      synchronized (Lab.this) {
        ip(node.namespace, "link del " + nodeLink + "\n");
        deleteNamespace(namespace);
        namespaces.remove(namespace);
        node.taken.clear(number);
      }
    }
  }

  private void addNamespace(String name) throws IOException {
    requireOpen();
    LabCommand.run(SETUP_DEADLINE, "", List.of("ip", "netns", "add", name));
    namespaces.add(name);
    sysctl(name, "ipv6/conf/all/accept_dad", "0");
    sysctl(name, "ipv6/conf/default/accept_dad", "0");
    sysctl(name, "ipv4/conf/all/rp_filter", "0");
    sysctl(name, "ipv4/conf/default/rp_filter", "0");
    ip(name, "link set lo up\n");
  }

  private void requireOpen() throws IOException {
    if (closed) {
      throw new IOException("lab " + prefix + " is closed");
    }
  }

  private static void ip(String namespace, String batch) throws IOException {
    LabCommand.run(SETUP_DEADLINE, batch, List.of("ip", "-n", namespace, "-batch", "-"));
  }

  private static void sysctl(String namespace, String key, String value) throws IOException {
    try (NetworkNamespace opened = NetworkNamespace.ofPath(NAMESPACES.resolve(namespace))) {
      Path _ = opened.call(() -> Files.writeString(Path.of("/proc/sys/net").resolve(key), value));
    }
  }

  private static List<String> inside(String namespace, String... command) {
    return Stream.concat(Stream.of("ip", "netns", "exec", namespace), Arrays.stream(command))
        .toList();
  }

  private static InetAddress address(String literal) {
    return InetAddress.ofLiteral(literal);
  }

  /** Removes what labs of processes that are no more have left behind. */
  private static void sweep() throws IOException {
    for (Path namespace : leftOvers(NAMESPACES)) {
      String name = namespace.getFileName().toString();
      sweep(() -> emptyAndDelete(name));
    }
    for (Path directory : leftOvers(Path.of("/tmp"))) {
      sweep(() -> deleteTree(directory));
    }
  }

  @FunctionalInterface
  private interface Removal {
    void run() throws IOException;
  }

  private static void sweep(Removal removal) {
    try {
      removal.run();
    } catch (IOException e) {
      // Somebody else sweeps at the same time. What stays all the same, the next lab tries again.
    }
  }

  private static List<Path> leftOvers(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.filter(Lab::isLeftOver).toList();
    }
  }

  private static boolean isLeftOver(Path entry) {
    Matcher matcher = NAME.matcher(entry.getFileName().toString());
    return matcher.matches() && ProcessHandle.of(Long.parseLong(matcher.group(1))).isEmpty();
  }

  /** Ends what still runs in a namespace, too: it lives as long as a program in it. */
  private static void emptyAndDelete(String namespace) throws IOException {
    LabCommand.run(SETUP_DEADLINE, "", List.of("ip", "netns", "pids", namespace))
        .lines()
        .map(pid -> ProcessHandle.of(Long.parseLong(pid.strip())))
        .flatMap(Optional::stream)
        .forEach(ProcessHandle::destroyForcibly);
    deleteNamespace(namespace);
  }

  private static void deleteNamespace(String name) throws IOException {
    LabCommand.run(SETUP_DEADLINE, "", List.of("ip", "netns", "del", name));
  }

  private static void deleteTree(Path root) throws IOException {
    try (Stream<Path> entries = Files.walk(root)) {
      for (Path entry : entries.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.deleteIfExists(entry);
      }
    }
  }

  /** Ends the lab's programs, and removes its namespaces and files. A second close does nothing. */
  @Override
  public synchronized void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    dropHook();
    processes.forEach(LabCommand::end);
    for (Process process : processes) {
      awaitEnd(process);
    }
    for (String namespace : namespaces.reversed()) {
      emptyAndDelete(namespace); // programs may have left others behind, such as workers
    }
    deleteTree(directory);
  }

  private void dropHook() {
    try {
      boolean _ = Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is ending: the hook runs, or waits for this very close and will find nothing to do.
    }
  }

  private static void awaitEnd(Process process) {
    try {
      boolean _ = process.waitFor(5, TimeUnit.SECONDS); // it was killed: a moment at most
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void closeAtExit() {
    try {
      close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
