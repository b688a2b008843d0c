package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Two clusters on two networks that act as one mesh: each has two nodes with a daemon each, a
 * control plane, and a gateway, which is the same daemon in another mode. For one thread.
 */
public final class MulticlusterDemo implements AutoCloseable {
  private static final String CATALOG = "catalog";
  private static final String CART = "cart";
  private static final int SPREAD_CALLS = 90;

  /** Of three pods; each would have a third. */
  private static final int LEAST_SHARE = SPREAD_CALLS / 5;

  private static final CounterView COUNTERS =
      new CounterView(
          List.of("istio_tcp_connections_opened_total"),
          List.of(
              "reporter",
              "source_workload",
              "source_cluster",
              "destination_workload",
              "destination_service_name",
              "destination_cluster",
              "response_flags"));

  private static final CounterView GATEWAY_COUNTERS =
      new CounterView(
          List.of(
              "istio_tcp_connections_opened_total",
              "ztunnel_gateway_tunnels_open",
              "ztunnel_gateway_endpoints_open",
              "ztunnel_gateway_endpoint_tunnels"),
          List.of(
              "reporter",
              "source_workload",
              "source_cluster",
              "destination_workload",
              "destination_service_name",
              "rank"));

  private final Story story;
  private final Lab lab;
  private final JoinedCluster west;
  private final JoinedCluster east;
  private final Lab.Pod web;
  private final Lab.Pod crawler;
  private final Lab.Pod cartWest;
  private final Lab.Pod cartEast;
  private final List<Lab.Pod> catalogs;
  private final Map<Lab.Pod, WebServer> servers = new LinkedHashMap<>();
  private final Caller webCaller;
  private final Caller crawlerCaller;

  private MulticlusterDemo(Path launcher, PrintStream out) throws IOException {
    this.story = new Story(out);
    this.lab = Lab.create("multi");
    try {
      this.west = new JoinedCluster(lab, launcher, story, "west", Map.of());
      this.east = new JoinedCluster(lab, launcher, story, "east", Map.of());
      this.web = west.addPod(west.first(), "web");
      this.crawler = west.addPod(west.first(), "crawler");
      this.cartWest = west.addPod(west.second(), "cart-west");
      this.catalogs =
          List.of(
              east.addPod(east.first(), "catalog-1"),
              east.addPod(east.second(), "catalog-2"),
              east.addPod(east.second(), "catalog-3"));
      this.cartEast = east.addPod(east.second(), "cart-east");
      this.webCaller = Caller.of(web, story);
      this.crawlerCaller = Caller.of(crawler, story);
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
    try (MulticlusterDemo demo = new MulticlusterDemo(launcher, out)) {
      demo.buildClusters();
      demo.callAcross();
      demo.spread();
      demo.denyOverThere();
      demo.failOverAndReturn();
      demo.callBack();
      demo.showCounters();
      demo.pointFurther(afterwards);
      if (afterwards == Afterwards.KEEP) {
        // The JVM's end (Ctrl-C) closes the lab.
        Thread.currentThread().join();
      }
    }
  }

  private void buildClusters() throws IOException {
    story.chapter(
        "Two clusters on two networks, each with two nodes, a gateway and a control plane");
    for (Lab.Pod pod : Stream.concat(catalogs.stream(), Stream.of(cartEast, cartWest)).toList()) {
      servers.put(pod, WebServer.start(lab, pod, JoinedCluster.WEB_PORT));
    }
    west.closeBorder(east);
    east.closeBorder(west);
    west.addService(CATALOG, InetAddress.ofLiteral("10.96.0.20"));
    west.addService(CART, InetAddress.ofLiteral("10.96.0.30"));
    east.addService(CATALOG, InetAddress.ofLiteral("10.97.0.20"));
    east.addService(CART, InetAddress.ofLiteral("10.97.0.30"));
    catalogs.forEach(pod -> east.setServing(pod, CATALOG));
    east.setServing(cartEast, CART);
    west.setServing(cartWest, CART);
    tellBoth();
    for (JoinedCluster cluster : List.of(west, east)) {
      story.say(
          "cluster %s, network %s, control plane %s"
              .formatted(
                  cluster.name(), cluster.network(), cluster.daemons().controlPlane().address()));
      cluster.startDaemons();
      story.say(
          "   published to other networks at %s:15008"
              .formatted(cluster.gatewayAddress().getHostAddress()));
    }
    for (WebServer server : servers.values()) {
      server.awaitStarted();
    }
    story.say(
        "Each control plane knows its own pods, how many the other cluster has of a service,");
    story.say("by which identities, and behind which gateway. No pod is reached from the other");
    story.say("network, not even by its node:");
    showUnreachable();
  }

  /** Both control planes, as their daemons are to see the clusters now; in effect afterwards. */
  private void tellBoth() {
    west.tell(east);
    east.tell(west);
  }

  private void showUnreachable() throws IOException {
    String url =
        "http://%s:%d/"
            .formatted(catalogs.getFirst().ipv4().getHostAddress(), JoinedCluster.WEB_PORT);
    Caller node = new Caller(west.first(), Daemon.nodeName(west.first()), story);
    story.quote(node.failToHear(url));
  }

  private static String url(JoinedCluster cluster, String service) {
    return "http://" + cluster.vip(service).getHostAddress() + "/";
  }

  private void callAcross() throws IOException {
    story.chapter("web, in the west, calls the service catalog, whose pods are all in the east");
    Daemon client = west.daemons().daemon(web);
    story.quote(webCaller.hear(url(west, CATALOG)));

    story.chapter("The path that call took, as each daemon on it has logged");
    AccessLine outbound =
        new AccessLine(
            LogFile.of(client).await("connection complete", "outbound", "src.workload=\"web\""));
    Lab.Pod reached = catalog(outbound.field("dst.workload"));
    showHop("%s, web's node".formatted(client.name()), outbound);
    AccessLine passedOn =
        new AccessLine(
            LogFile.of(east.gateway())
                .await("connection opened", "dst.workload=\"" + reached.name() + "\""));
    showHop("%s: what is in its tunnels it cannot read".formatted(east.gateway().name()), passedOn);
    Daemon server = east.daemons().daemon(reached);
    AccessLine inbound =
        new AccessLine(
            LogFile.of(server).await("connection complete", "inbound", "src.workload=\"web\""));
    showHop("%s, %s's node".formatted(server.name(), reached.name()), inbound);

    outbound.expect("dst.addr", east.gatewayAddress().getHostAddress() + ":15008");
    outbound.expect("dst.identity", "spiffe://" + WireMesh.principal(reached));
    outbound.expect("dst.cluster", east.name());
    passedOn.expect("src.identity", "spiffe://" + WireMesh.principal(web));
    passedOn.expect("dst.addr", reached.ipv4().getHostAddress() + ":15008");
    inbound.expect("src.identity", "spiffe://" + WireMesh.principal(web));
    inbound.expect("src.cluster", west.name());
    story.say("Each end has the other's pod and its identity, proven by the inner certificate.");
  }

  private Lab.Pod catalog(String name) throws IOException {
    return catalogs.stream()
        .filter(pod -> pod.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IOException(
                    "web's daemon logged \"%s\" as the peer (expected: a pod of catalog)"
                        .formatted(name)));
  }

  private void showHop(String title, AccessLine line) {
    story.say(title + ':');
    line.showEnds(story);
  }

  private void spread() throws IOException {
    story.chapter(
        "%d calls, a connection each, spread over the three pods".formatted(SPREAD_CALLS));
    String answers = webCaller.hear(url(west, CATALOG) + "?[1-" + SPREAD_CALLS + "]");
    SortedMap<String, Long> shares =
        answers
            .lines()
            .collect(Collectors.groupingBy(line -> line, TreeMap::new, Collectors.counting()));
    shares.forEach((answer, count) -> story.quote("%3d x %s".formatted(count, answer)));
    for (Lab.Pod pod : catalogs) {
      long share = shares.getOrDefault(WebServer.greeting(pod), 0L);
      if (share < LEAST_SHARE) {
        throw new IOException(
            "%s answered %d calls (expected: at least %d)"
                .formatted(pod.name(), share, LEAST_SHARE));
      }
    }
  }

  /** The policy lives where the pods are; the caller's cluster knows nothing of it. */
  private void denyOverThere() throws IOException {
    story.chapter("The east's control plane pushes a policy against crawler, a pod of the west");
    String url = url(west, CATALOG);
    story.quote(crawlerCaller.hear(url));
    FakeControlPlane server = east.daemons().controlPlane().server();
    List<LogFile> logs = LogFile.fromNow(east.daemons().daemons());
    String connection = "\"originalDst\":\"" + WireMesh.hostname(CATALOG) + '"';
    try (Socket open =
        crawlerCaller.open(
            west.vip(CATALOG), JoinedCluster.SERVICE_PORT, east.daemons().daemons(), connection)) {
      long begin = System.nanoTime();
      server.put(
          FakeControlPlane.AUTHORIZATION,
          WireMesh.denyCaller(
              "no-crawlers", WireMesh.Scope.NAMESPACE, WireMesh.principal(crawler)));
      Caller.awaitCut(open);
      story.say(
          "policy shop/no-crawlers: an open connection of crawler's was cut after %.0f ms"
              .formatted((System.nanoTime() - begin) / 1e6));
    }
    server.awaitAnswers();
    story.quote(crawlerCaller.failToHear(url));
    story.say("What the pod's daemon noted, in the east:");
    String denied = LogFile.awaitAny(logs, "inbound", "policy rejection: explicitly denied by");
    story.quote(denied);
    new AccessLine(denied).expect("src.identity", "spiffe://" + WireMesh.principal(crawler));
    story.say("and crawler's, in the west:");
    story.quote(
        LogFile.of(west.daemons().daemon(crawler))
            .await("outbound", "src.workload=\"crawler\"", "401 Unauthorized"));
    story.say("web goes on as before:");
    story.quote(webCaller.hear(url));
  }

  /** While a client calls on and on, which notices nothing but the other name. */
  private void failOverAndReturn() throws IOException {
    story.chapter("The west's pod of cart goes and comes back, while web calls it all the time");
    CallSeries calls = CallSeries.start(lab, web, url(west, CART), story);
    String here = WebServer.greeting(cartWest);
    String there = WebServer.greeting(cartEast);
    calls.await(here);
    story.say("cart-west goes: from the control planes' lists first, then its process");
    west.setServing(cartWest, "");
    tellBoth();
    calls.await(there);
    WebServer gone = servers.get(cartWest);
    if (gone != null) {
      gone.stop();
    }
    calls.await(there);
    story.say("cart-west comes back: its process first");
    WebServer back = WebServer.start(lab, cartWest, JoinedCluster.WEB_PORT);
    servers.put(cartWest, back);
    back.awaitStarted();
    west.setServing(cartWest, CART);
    tellBoth();
    calls.await(here);
    List<CallSeries.Stretch> stretches = calls.finish();
    for (CallSeries.Stretch stretch : stretches) {
      story.quote("%3d x %s".formatted(stretch.calls(), stretch.answer()));
    }
    List<String> answers = stretches.stream().map(CallSeries.Stretch::answer).toList();
    if (!answers.equals(List.of(here, there, here))) {
      throw new IOException("web heard %s (expected: west, east, west)".formatted(answers));
    }
    story.say("Not one call failed.");
  }

  private void callBack() throws IOException {
    story.chapter(
        "The other way: the east's pod of cart goes, and catalog-1 of the east calls cart");
    Lab.Pod caller = catalogs.getFirst();
    east.setServing(cartEast, "");
    tellBoth();
    String answer = Caller.of(caller, story).hear(url(east, CART));
    story.quote(answer);
    AccessLine line =
        new AccessLine(
            LogFile.of(west.gateway()).await("connection opened", "dst.workload=\"cart-west\""));
    showHop(west.gateway().name(), line);
    line.expect("src.identity", "spiffe://" + WireMesh.principal(caller));
    if (!answer.contains(WebServer.greeting(cartWest))) {
      throw new IOException("%s heard \"%s\"".formatted(caller.name(), answer.strip()));
    }
    east.setServing(cartEast, CART);
    tellBoth();
  }

  private void showCounters() throws IOException {
    story.chapter("The counters (/metrics), with a few of their labels");
    showCounters(west.daemons().daemon(web), COUNTERS, "source");
    for (Daemon daemon : east.daemons().daemons()) {
      showCounters(daemon, COUNTERS, "destination");
    }
    showCounters(east.gateway(), GATEWAY_COUNTERS, "gateway");
    story.chapter("What it takes: resident memory");
    for (JoinedCluster cluster : List.of(west, east)) {
      for (Daemon daemon : cluster.allDaemons()) {
        story.say(
            "%-12s %4d MiB"
                .formatted(daemon.name(), ProcessUsage.residentBytes(daemon.pid()) >> 20));
      }
    }
  }

  /** They have to name web of the west, and a pod of the service catalog. */
  private void showCounters(Daemon daemon, CounterView view, String reporter) throws IOException {
    story.say("%s:".formatted(daemon.name()));
    List<String> lines = view.of(daemon);
    story.quote(lines);
    boolean named =
        lines.stream()
            .anyMatch(
                line ->
                    Stream.of(
                            "reporter=\"" + reporter + '"',
                            "source_workload=\"web\"",
                            "source_cluster=\"west\"",
                            "destination_workload=\"catalog-",
                            "destination_service_name=\"catalog\"")
                        .allMatch(line::contains));
    if (!named) {
      throw new IOException(daemon.name() + " does not name both peers of web's calls to catalog");
    }
  }

  private void pointFurther(Afterwards afterwards) {
    story.chapter("Where to look further");
    switch (afterwards) {
      case KEEP -> {
        String node = "ip netns exec " + west.first().namespace();
        story.say("The clusters stay up until Ctrl-C. In another terminal:");
        story.command("ip netns exec " + web.namespace() + " curl " + url(west, CATALOG));
        story.command(
            node
                + " curl 'localhost:15000/debug/explain?src=shop/web&dst=%s&port=80'"
                    .formatted(west.vip(CATALOG).getHostAddress()));
        story.command(node + " curl localhost:15000/config_dump");
        story.command("ip netns exec " + east.gatewayNamespace() + " curl localhost:15020/metrics");
        story.command("tail -f " + east.gateway().log());
      }
      case REMOVE -> {
        story.say("./ztunnel demo multicluster --keep   leaves the clusters up to play with");
        story.say("./ztunnel bench --path double        measures this path beside direct TCP");
      }
    }
    story.say("docs/multicluster.md                 says how clusters are joined under istiod");
  }

  @Override
  public void close() throws IOException {
    try (lab;
        west) {
      east.close();
    }
  }
}
