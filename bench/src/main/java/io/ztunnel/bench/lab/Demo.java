package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * The main job on real input: two nodes with a daemon each, fed by a control plane on a third, pods
 * whose traffic is redirected, real programs, and what can be seen of it all. For one thread.
 */
public final class Demo implements AutoCloseable {
  private static final Duration PROGRAM_DEADLINE = Duration.ofSeconds(30);
  private static final String NAMESPACE = WireMesh.NAMESPACE;
  private static final String VIP = "10.96.0.20";
  private static final int SERVICE_PORT = 80;
  private static final int WEB_PORT = 8080;
  private static final int HBONE_PORT = 15008;
  private static final int TLS_HANDSHAKE = 22;
  private static final int TLS_APPLICATION_DATA = 23;
  private static final int BULK_SECONDS = 3;
  private static final String URL = "http://" + VIP + "/";
  private static final CounterView COUNTERS =
      new CounterView(
          List.of(
              "istio_tcp_connections_opened_total",
              "istio_tcp_connections_failed_total",
              "istio_tcp_received_bytes_total"),
          List.of(
              "reporter",
              "source_workload",
              "destination_workload",
              "destination_service_name",
              "response_flags",
              "connection_security_policy"));

  private final Story story;
  private final Lab lab;
  private final Lab.Pod web;
  private final Lab.Pod crawler;
  private final Lab.Pod cart;
  private final Caller webCaller;
  private final Caller crawlerCaller;
  private final WebServer webServer;
  private final DemoCluster cluster;

  private Demo(Path launcher, PrintStream out) throws IOException {
    this.story = new Story(out);
    this.lab = Lab.create("demo");
    try {
      Lab.Node first = lab.addNode();
      Lab.Node second = lab.addNode();
      this.web = first.addPod("web");
      this.crawler = first.addPod("crawler");
      this.cart = second.addPod("cart");
      this.webCaller = Caller.of(web, story);
      this.crawlerCaller = Caller.of(crawler, story);
      this.webServer = WebServer.start(lab, cart, WEB_PORT);
      this.cluster = new DemoCluster(lab, lab.addNode(), launcher, story, Map.of());
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
    FakeControlPlane server = cluster.controlPlane().server();
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
        WireMesh.denyCaller("no-crawlers", WireMesh.Scope.SELECTED, WireMesh.principal(crawler)));
    story.say(
        "control plane  %s  delta xDS by gRPC over TLS, in this process"
            .formatted(cluster.controlPlane().address()));
    cluster.startDaemon(List.of(web, crawler));
    cluster.startDaemon(List.of(cart));
    webServer.awaitStarted();
    story.say("service cart.shop: %s:%d -> cart:%d".formatted(VIP, SERVICE_PORT, WEB_PORT));
    story.say("policy shop/no-crawlers on cart: deny crawler");
  }

  private void callService() throws IOException {
    story.chapter("web calls the service cart, through both daemons");
    Capture wire =
        Capture.start(cart.node(), "up0", HBONE_PORT, lab.directory().resolve("wire.pcap"));
    Capture inPod = Capture.start(cart, "any", WEB_PORT, lab.directory().resolve("pod.pcap"));
    String answer = callCart();
    String greeting = webServer.greeting();
    boolean seenInPod = inPod.awaitText(greeting, PROGRAM_DEADLINE);
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
    int onTheWire = wire.occurrences(greeting);
    int behindTheDaemon = inPod.occurrences(greeting);
    story.say(
        "\"%s\" in clear: %d on the wire, %d inside the pod cart"
            .formatted(greeting, onTheWire, behindTheDaemon));
    if (onTheWire != 0) {
      throw new IOException("the wire carries the greeting in clear");
    }
    if (!seenInPod) {
      throw new IOException("no greeting in the pod: " + inPod.said());
    }
  }

  /** What web hears of cart. */
  private String callCart() throws IOException {
    String answer = webCaller.hear(URL);
    if (!answer.contains(webServer.greeting())) {
      throw new IOException("web heard \"%s\"".formatted(answer.strip()));
    }
    return answer;
  }

  private void showIdentities() throws IOException {
    AccessLine line =
        new AccessLine(
            cartLog()
                .await("src.workload=\"web\"", "direction=\"inbound\"", "connection complete"));
    story.say(
        "cart's daemon saw %s, proven by its certificate,".formatted(line.field("src.identity")));
    story.say("and answered as        %s.".formatted(line.field("dst.identity")));
  }

  private void showSource() throws IOException {
    String client = web.ipv4().getHostAddress();
    String line = webServer.log().await("GET / ");
    story.say(
        "The web server's own log has web's address (%s), not that of a proxy:".formatted(client));
    story.quote(line);
    if (!line.startsWith(client + " ")) {
      throw new IOException("the server saw \"%s\" (expected: %s)".formatted(line, client));
    }
  }

  private void denyCall() throws IOException {
    story.chapter("crawler calls the same service, and a policy forbids it");
    showDenied(crawlerCaller, crawler, "no-crawlers");
  }

  private void showDenied(Caller caller, Lab.Pod pod, String policy) throws IOException {
    story.quote(caller.failToHear(URL));
    story.say("What cart's daemon noted:");
    story.quote(
        cartLog()
            .await(
                "direction=\"inbound\"",
                pod.name(),
                "policy rejection: explicitly denied by: " + NAMESPACE + '/' + policy));
  }

  /** A policy comes and goes while everything runs. */
  private void pushPolicy() throws IOException {
    story.chapter("The control plane pushes a policy against web, and takes it back");
    FakeControlPlane server = cluster.controlPlane().server();
    String source = "\"src\":\"%s:".formatted(web.ipv4().getHostAddress());
    try (Socket open =
        webCaller.open(
            InetAddress.ofLiteral(VIP), SERVICE_PORT, List.of(cluster.daemon(cart)), source)) {
      long begin = System.nanoTime();
      server.put(
          FakeControlPlane.AUTHORIZATION,
          WireMesh.denyCaller("no-web", WireMesh.Scope.NAMESPACE, WireMesh.principal(web)));
      Caller.awaitCut(open);
      long cut = System.nanoTime();
      server.awaitAnswers();
      story.say(
          "policy shop/no-web on all of shop: deny web; an open connection of web's was cut after %.0f ms"
              .formatted((cut - begin) / 1e6));
    }
    story.quote(
        cartLog().await("direction=\"inbound\"", "policy change", NAMESPACE + "/no-web rule 0"));
    showDenied(webCaller, web, "no-web");
    long begin = System.nanoTime();
    server.remove(FakeControlPlane.AUTHORIZATION, List.of(NAMESPACE + "/no-web"));
    server.awaitAnswers();
    story.say(
        "taken back; both daemons had acknowledged it after %.0f ms"
            .formatted((System.nanoTime() - begin) / 1e6));
    story.quote(callCart());
  }

  private void moveBulk() throws IOException {
    story.chapter("web sends as fast as it can for " + BULK_SECONDS + " s (iperf3)");
    Path log = lab.directory().resolve("iperf3.log");
    Process _ = cart.spawn(log, "iperf3", "--server", "--forceflush");
    String _ = LogFile.of(log).await(PROGRAM_DEADLINE, "Server listening");
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
    for (Daemon daemon : cluster.daemons()) {
      sum = sum.plus(ProcessUsage.cpuTime(daemon.pid()));
    }
    return sum;
  }

  private void showLogs() throws IOException {
    story.chapter("The access log: one line a connection on each side");
    for (Daemon daemon : cluster.daemons()) {
      story.say("%s:".formatted(daemon.name()));
      story.quote(
          daemon.logLines().stream().filter(line -> line.contains("\taccess\t")).limit(2).toList());
    }
  }

  private void showCounters() throws IOException {
    story.chapter("The counters (/metrics), with a few of their labels");
    for (Daemon daemon : cluster.daemons()) {
      story.say("%s:".formatted(daemon.name()));
      story.quote(COUNTERS.of(daemon));
    }
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
        story.command("tail -f " + cluster.daemon(cart).log());
      }
      case REMOVE -> {
        story.say("./ztunnel demo --keep        leaves this mesh up to play with");
        story.say("./ztunnel demo multicluster  joins two such clusters by their gateways");
        story.say("./ztunnel bench              measures it beside direct TCP");
      }
    }
    story.say("ARCHITECTURE.md              has the life of such a connection");
  }

  private LogFile cartLog() {
    return LogFile.of(cluster.daemon(cart));
  }

  @Override
  public void close() throws IOException {
    try (lab) {
      cluster.close();
    }
  }
}
