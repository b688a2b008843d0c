package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The main job on real input: two nodes with a daemon each, fed by a control plane on a third, pods
 * whose traffic is redirected, real programs, and what can be seen of it all. For one thread.
 */
public final class Demo implements AutoCloseable {
  private static final Duration PROGRAM_DEADLINE = Duration.ofSeconds(30);
  private static final Duration LOG_DEADLINE = Duration.ofSeconds(5);
  private static final Duration CUT_DEADLINE = Duration.ofSeconds(5);
  private static final String NAMESPACE = WireMesh.NAMESPACE;
  private static final String VIP = "10.96.0.20";
  private static final int SERVICE_PORT = 80;
  private static final int WEB_PORT = 8080;
  private static final int HBONE_PORT = 15008;
  private static final int TLS_HANDSHAKE = 22;
  private static final int TLS_APPLICATION_DATA = 23;
  private static final int BULK_SECONDS = 3;
  private static final String GREETING = "Hello from cart.";

  /** What becomes of the mesh when everything has been shown. */
  public enum Afterwards {
    /** Nothing stays. */
    REMOVE,
    /** It stays up until the process is told to end. */
    KEEP
  }

  private final Path launcher;
  private final Story story;
  private final Lab lab;
  private final Lab.Pod web;
  private final Lab.Pod crawler;
  private final Lab.Pod cart;
  private final List<Daemon> daemons = new ArrayList<>();
  private final LabControlPlane controlPlane;

  private Demo(Path launcher, PrintStream out) throws IOException {
    this.launcher = launcher;
    this.story = new Story(out);
    this.lab = Lab.create("demo");
    try {
      Lab.Node first = lab.addNode();
      Lab.Node second = lab.addNode();
      this.web = first.addPod("web");
      this.crawler = first.addPod("crawler");
      this.cart = second.addPod("cart");
      this.controlPlane =
          LabControlPlane.startForAll(lab, lab.addNode(), ControlPlanePki.create("control plane"));
    } catch (IOException | RuntimeException e) {
      lab.close();
      throw e;
    }
  }

  /**
   * Runs the demo to its end.
   *
   * @param launcher the project's {@code ztunnel} script
   * @param afterwards what becomes of the mesh
   */
  public static void run(Path launcher, PrintStream out, Afterwards afterwards)
      throws IOException, InterruptedException {
    try (Demo demo = new Demo(launcher, out)) {
      demo.buildMesh();
      demo.callService();
      demo.denyCall();
      demo.pushPolicy();
      demo.moveBulk();
      demo.showLogs();
      demo.showCounters();
      demo.pointFurther(afterwards);
      if (afterwards == Afterwards.KEEP) {
        // The JVM's end (Ctrl-C) closes the lab.
        Thread.currentThread().join();
      }
    }
  }

  private void buildMesh() throws IOException {
    story.chapter("Two nodes, each with its own daemon, and a control plane");
    FakeControlPlane server = controlPlane.server();
    server.put(
        FakeControlPlane.ADDRESS,
        WireWorkload.of(web).at(web.ipv6()).entry(),
        WireWorkload.of(crawler).at(crawler.ipv6()).entry(),
        WireWorkload.of(cart)
            .at(cart.ipv6())
            .serving("cart", SERVICE_PORT, WEB_PORT)
            .under("no-crawlers")
            .entry(),
        WireMesh.service("cart", InetAddress.ofLiteral(VIP), SERVICE_PORT, WEB_PORT));
    server.put(
        FakeControlPlane.AUTHORIZATION,
        WireMesh.denyCaller("no-crawlers", WireMesh.Scope.SELECTED, principal(crawler)));
    story.say(
        "control plane  %s  delta xDS by gRPC over TLS, in this process"
            .formatted(controlPlane.address()));
    for (Lab.Node node : List.of(web.node(), cart.node())) {
      long begin = System.nanoTime();
      Daemon daemon = Daemon.start(lab, node, launcher, controlPlane);
      daemons.add(daemon);
      for (Lab.Pod pod : Stream.of(web, crawler, cart).filter(pod -> pod.node() == node).toList()) {
        daemon.add(pod, NAMESPACE, pod.name());
      }
      daemon.finishSnapshot();
      story.say(
          "%s  %s  daemon %d, ready after %.2f s"
              .formatted(
                  daemon.name(),
                  node.ipv4().getHostAddress(),
                  daemon.pid(),
                  (System.nanoTime() - begin) / 1e9));
      Stream.of(web, crawler, cart).filter(pod -> pod.node() == node).forEach(this::introduce);
    }
    startWebServer();
    story.say("service cart.shop: %s:%d -> cart:%d".formatted(VIP, SERVICE_PORT, WEB_PORT));
    story.say("policy shop/no-crawlers on cart: deny crawler");
  }

  /** The identity of a pod, as policies have it. */
  private static String principal(Lab.Pod pod) {
    return "cluster.local/ns/%s/sa/%s".formatted(NAMESPACE, pod.name());
  }

  private void introduce(Lab.Pod pod) {
    story.say(
        "   pod %-8s %-12s spiffe://%s"
            .formatted(pod.name(), pod.ipv4().getHostAddress(), principal(pod)));
  }

  private void startWebServer() throws IOException {
    Path pages = Files.createDirectory(lab.directory().resolve("pages"));
    Files.writeString(pages.resolve("index.html"), GREETING + "\n");
    Process _ =
        cart.spawn(
            webLog(),
            "python3",
            "-u",
            "-m",
            "http.server",
            "--directory",
            pages.toString(),
            String.valueOf(WEB_PORT));
    awaitText(webLog(), "Serving HTTP", PROGRAM_DEADLINE);
  }

  private Path webLog() {
    return lab.directory().resolve("web-server.log");
  }

  private void callService() throws IOException {
    story.chapter("web calls the service cart, through both daemons");
    Capture wire =
        Capture.start(cart.node(), "up0", HBONE_PORT, lab.directory().resolve("wire.pcap"));
    Capture inPod = Capture.start(cart, "any", WEB_PORT, lab.directory().resolve("pod.pcap"));
    String answer = callCart();
    boolean seenInPod = inPod.awaitText(GREETING, PROGRAM_DEADLINE);
    wire.stop();
    inPod.stop();
    story.quote(answer);
    showIdentities();
    showSource();

    story.chapter("What travelled between the nodes (tcpdump on node-2, port " + HBONE_PORT + ")");
    story.say(
        "%d packets; TLS handshake records (first byte 0x16): %d, encrypted records (0x17): %d"
            .formatted(
                wire.packets(cart.node(), ""),
                wire.tlsRecords(cart.node(), TLS_HANDSHAKE),
                wire.tlsRecords(cart.node(), TLS_APPLICATION_DATA)));
    int onTheWire = wire.occurrences(GREETING);
    int behindTheDaemon = inPod.occurrences(GREETING);
    story.say(
        "\"%s\" in clear: %d on the wire, %d inside the pod cart"
            .formatted(GREETING, onTheWire, behindTheDaemon));
    if (onTheWire != 0) {
      throw new IOException("the wire carries the greeting in clear");
    }
    if (!seenInPod) {
      throw new IOException("no greeting in the pod: " + inPod.said());
    }
  }

  /** What web hears of cart. */
  private String callCart() throws IOException {
    Lab.Output output = curl(web);
    if (output.exitStatus() != 0 || !output.out().contains(GREETING)) {
      throw new IOException(
          "web could not call cart: curl ended with %d: %s"
              .formatted(output.exitStatus(), output.err().strip()));
    }
    return output.out();
  }

  private Lab.Output curl(Lab.Pod pod) throws IOException {
    String[] command = {
      "curl", "--silent", "--show-error", "--max-time", "10", "http://" + VIP + "/"
    };
    story.command(
        Stream.concat(Stream.of("ip", "netns", "exec", pod.namespace()), Stream.of(command))
            .toArray(String[]::new));
    return pod.exec(PROGRAM_DEADLINE, command);
  }

  private void showIdentities() throws IOException {
    String line =
        awaitLine(
            daemon(cart), "src.workload=\"web\"", "direction=\"inbound\"", "connection complete");
    story.say(
        "cart's daemon saw %s, proven by its certificate,".formatted(field(line, "src.identity")));
    story.say("and answered as        %s.".formatted(field(line, "dst.identity")));
  }

  private void showSource() throws IOException {
    String client = web.ipv4().getHostAddress();
    String line = awaitText(webLog(), "GET / ", LOG_DEADLINE);
    story.say(
        "The web server's own log has web's address (%s), not that of a proxy:".formatted(client));
    story.quote(line);
    if (!line.startsWith(client + " ")) {
      throw new IOException("the server saw \"%s\" (expected: %s)".formatted(line, client));
    }
  }

  private void denyCall() throws IOException {
    story.chapter("crawler calls the same service, and a policy forbids it");
    showDenied(crawler, "no-crawlers");
  }

  private void showDenied(Lab.Pod pod, String policy) throws IOException {
    Lab.Output output = curl(pod);
    if (output.exitStatus() == 0) {
      throw new IOException(pod.name() + " was let in: " + output.out().strip());
    }
    story.quote(output.err());
    story.say("What cart's daemon noted:");
    story.quote(
        awaitLine(
            daemon(cart),
            "direction=\"inbound\"",
            pod.name(),
            "policy rejection: explicitly denied by: " + NAMESPACE + '/' + policy));
  }

  /** A policy comes and goes while everything runs. */
  private void pushPolicy() throws IOException {
    story.chapter("The control plane pushes a policy against web, and takes it back");
    FakeControlPlane server = controlPlane.server();
    try (Socket open = openConnection()) {
      long begin = System.nanoTime();
      server.put(
          FakeControlPlane.AUTHORIZATION,
          WireMesh.denyCaller("no-web", WireMesh.Scope.NAMESPACE, principal(web)));
      awaitCut(open);
      long cut = System.nanoTime();
      server.awaitAnswers();
      story.say(
          "policy shop/no-web on all of shop: deny web; an open connection of web's was cut after %.0f ms"
              .formatted((cut - begin) / 1e6));
    }
    story.quote(
        awaitLine(
            daemon(cart), "direction=\"inbound\"", "policy change", NAMESPACE + "/no-web rule 0"));
    showDenied(web, "no-web");
    long begin = System.nanoTime();
    server.remove(FakeControlPlane.AUTHORIZATION, List.of(NAMESPACE + "/no-web"));
    server.awaitAnswers();
    story.say(
        "taken back; both daemons had acknowledged it after %.0f ms"
            .formatted((System.nanoTime() - begin) / 1e6));
    story.quote(callCart());
  }

  /** A connection of web's to cart, which cart's daemon has accepted; nothing was asked on it. */
  private Socket openConnection() throws IOException {
    Socket socket = new Socket();
    try (NetworkNamespace namespace = web.open()) {
      namespace.call(
          () -> {
            socket.bind(null); // opens the socket, here
            return socket;
          });
      socket.setSoTimeout(Math.toIntExact(CUT_DEADLINE.toMillis()));
      socket.connect(
          new InetSocketAddress(InetAddress.ofLiteral(VIP), SERVICE_PORT),
          Math.toIntExact(CUT_DEADLINE.toMillis()));
      String source = "\"src\":\"%s:".formatted(web.ipv4().getHostAddress());
      long end = System.nanoTime() + CUT_DEADLINE.toNanos();
      while (!daemon(cart).configDump().replaceAll("\\s+", "").contains(source)) {
        if (System.nanoTime() > end) {
          throw new IOException("cart's daemon has no connection from web");
        }
        Pause.of(Duration.ofMillis(20));
      }
      return socket;
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  private static void awaitCut(Socket socket) throws IOException {
    int read;
    try {
      read = socket.getInputStream().read();
    } catch (SocketTimeoutException e) {
      throw new IOException("web's connection stays open under a policy that forbids it", e);
    } catch (SocketException _) {
      return; // reset
    }
    throw new IOException("read %d (expected: a reset)".formatted(read));
  }

  private void moveBulk() throws IOException {
    story.chapter("web sends as fast as it can for " + BULK_SECONDS + " s (iperf3)");
    Path log = lab.directory().resolve("iperf3.log");
    Process _ = cart.spawn(log, "iperf3", "--server", "--forceflush");
    awaitText(log, "Server listening", PROGRAM_DEADLINE);
    Duration before = cpuTime();
    long begin = System.nanoTime();
    Lab.Output output =
        web.exec(
            PROGRAM_DEADLINE,
            "iperf3",
            "--client",
            cart.ipv4().getHostAddress(),
            "--time",
            String.valueOf(BULK_SECONDS),
            "--format",
            "g");
    double seconds = (System.nanoTime() - begin) / 1e9;
    if (output.exitStatus() != 0) {
      throw new IOException("iperf3: " + (output.err() + output.out()).strip());
    }
    story.quote(output.out().lines().filter(line -> line.endsWith("receiver")).toList());
    double cpu = cpuTime().minus(before).toMillis() / 1e3;
    story.say(
        "Both daemons together used %.1f s of CPU time in %.1f s. Fresh JVMs: `./ztunnel bench` warms up first."
            .formatted(cpu, seconds));
  }

  private Duration cpuTime() throws IOException {
    Duration sum = Duration.ZERO;
    for (Daemon daemon : daemons) {
      sum = sum.plus(ProcessUsage.cpuTime(daemon.pid()));
    }
    return sum;
  }

  private void showLogs() throws IOException {
    story.chapter("The access log: one line a connection on each side");
    for (Daemon daemon : daemons) {
      story.say("%s:".formatted(daemon.name()));
      story.quote(
          daemon.logLines().stream().filter(line -> line.contains("\taccess\t")).limit(2).toList());
    }
  }

  private void showCounters() throws IOException {
    story.chapter("The counters (/metrics), with a few of their labels");
    for (Daemon daemon : daemons) {
      story.say("%s:".formatted(daemon.name()));
      story.quote(
          daemon
              .metrics()
              .lines()
              .filter(line -> SHOWN_COUNTER.matcher(line).lookingAt())
              .map(Demo::shorten)
              .toList());
    }
  }

  private static final Pattern SHOWN_COUNTER =
      Pattern.compile("istio_tcp_(connections_opened|connections_failed|received_bytes)_total\\{");

  private static final Pattern SHOWN_LABEL =
      Pattern.compile(
          "(?<=[{,])(reporter|source_workload|destination_workload|destination_service_name|response_flags|connection_security_policy)=\"[^\"]*\"");

  /** Twenty-seven labels are for machines: keeps those that tell the story. */
  private static String shorten(String line) {
    List<String> labels =
        SHOWN_LABEL.matcher(line).results().map(result -> result.group()).toList();
    return "%s{%s} %s"
        .formatted(
            line.substring(0, line.indexOf('{')),
            String.join(",", labels),
            line.substring(line.lastIndexOf(' ') + 1));
  }

  private void pointFurther(Afterwards afterwards) {
    story.chapter("Where to look further");
    switch (afterwards) {
      case KEEP -> {
        String node = "ip netns exec " + cart.node().namespace();
        story.say("The mesh stays up until Ctrl-C. In another terminal:");
        story.command("ip netns exec " + web.namespace() + " curl http://" + VIP + "/");
        story.command(node + " curl localhost:15000/config_dump");
        story.command(node + " curl localhost:15020/metrics");
        story.command(node + " curl -X POST 'localhost:15000/logging?level=debug'");
        story.command("tail -f " + daemon(cart).log());
      }
      case REMOVE -> {
        story.say("./ztunnel demo --keep   leaves this mesh up to play with");
        story.say("./ztunnel bench         measures it beside direct TCP");
      }
    }
    story.say("ARCHITECTURE.md         has the life of such a connection");
  }

  private Daemon daemon(Lab.Pod pod) {
    return daemons.get(pod.node().index() - 1);
  }

  /**
   * The first line of a daemon's log that has all the words; it is written when a connection ends.
   */
  private static String awaitLine(Daemon daemon, String... words) throws IOException {
    return awaitText(daemon.log(), LOG_DEADLINE, words);
  }

  private static String awaitText(Path file, String text, Duration deadline) throws IOException {
    return awaitText(file, deadline, text);
  }

  private static String awaitText(Path file, Duration deadline, String... words)
      throws IOException {
    long end = System.nanoTime() + deadline.toNanos();
    while (true) {
      for (String line : Files.readAllLines(file)) {
        if (Stream.of(words).allMatch(line::contains)) {
          return line;
        }
      }
      if (System.nanoTime() > end) {
        throw new IOException(
            "%s has no line with %s".formatted(file.getFileName(), String.join(", ", words)));
      }
      Pause.of(Duration.ofMillis(20));
    }
  }

  private static String field(String line, String name) {
    Matcher matcher = Pattern.compile(Pattern.quote(name) + "=\"([^\"]*)\"").matcher(line);
    return matcher.find() ? matcher.group(1) : "(no " + name + ")";
  }

  /** Ends the daemons as a node does, then removes everything. */
  @Override
  public void close() throws IOException {
    try (lab;
        controlPlane) {
      for (Daemon daemon : daemons) {
        daemon.close();
      }
    }
  }
}
