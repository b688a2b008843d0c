package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.JoinedCluster;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.Story;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Two joined clusters, with calls within and between them that have to succeed, calls that may not,
 * and changes of all kinds meanwhile. One cluster's nodes are told all of the mesh in advance, the
 * other one's what they ask for. For one thread.
 */
final class SoakLab implements AutoCloseable {
  private static final String GUESTS = "guests";
  private static final int RUDE_CLIENTS = 2;
  private static final int NO_SERVICE_PORT = 9;
  private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(1);

  /**
   * A socket whose far end is gone without a word stays for some seconds after its tunnel, which is
   * the last of it that a gauge counts: five, or what {@code ZTUNNEL_HALF_CLOSE_PROBE} takes.
   */
  private static final Duration UNTIL_SOCKETS_ARE_GIVEN_UP = Duration.ofSeconds(10);

  /** Shorter than anybody would have it, so that everything ends, and is made again, often. */
  private static final Map<String, String> RESTLESS =
      Map.of(
          "POOL_UNUSED_RELEASE_TIMEOUT", "2s",
          "SECRET_TTL", "30s",
          "CONNECTION_TERMINATION_DEADLINE", "15s",
          "ZTUNNEL_METRIC_IDLE", "20s",
          "ZTUNNEL_INNER_REFRESH", "5s",
          "ZTUNNEL_CONNECT_TIMEOUT", "2s",
          "ZTUNNEL_HALF_CLOSE_PROBE", "5s",
          "RUST_LOG", "info,access=off",
          "JDK_JAVA_OPTIONS", "-Dio.netty.leakDetection.level=paranoid");

  private final Lab lab;
  private final JoinedCluster west;
  private final JoinedCluster east;
  private final List<Route> routes = new ArrayList<>();
  private final List<Application> applications = new ArrayList<>();
  private final List<RudeCalls> rudeCalls;
  private final List<Questions> questions;
  private final OutsideNames outside;
  private final MeshChanges changes;

  /**
   * All but the daemons.
   *
   * @param transport their {@code ZTUNNEL_TRANSPORT}
   */
  SoakLab(Path launcher, String transport, PrintStream progress) throws IOException {
    this.lab = Lab.create("soak");
    try {
      Revocations revocations = new Revocations(lab);
      Map<String, String> environment = new HashMap<>(RESTLESS);
      environment.put("ZTUNNEL_TRANSPORT", transport);
      environment.putAll(revocations.environment());
      Story story = new Story(progress);
      this.west = new JoinedCluster(lab, launcher, story, "west", environment);
      environment.put("XDS_ON_DEMAND", "true");
      this.east = new JoinedCluster(lab, launcher, story, "east", environment);
      Lab.Pod westClient = west.addPod(west.first(), "client-west");
      Lab.Pod eastClient = east.addPod(east.first(), "client-east");
      Lab.Pod westServer = west.addPod(west.second(), "server-west");
      Lab.Pod eastServer = east.addPod(east.second(), "server-east");
      Lab.Pod neighbour = east.addPod(east.second(), "neighbour");
      Lab.Pod host = east.addPod(east.second(), "host");
      west.closeBorder(east);
      east.closeBorder(west);
      addRoute("within a cluster", east, eastClient, "near", neighbour);
      addRoute("to the east", east, westClient, "far-east", eastServer);
      addRoute("to the west", west, eastClient, "far-west", westServer);
      addService(GUESTS);
      east.setServing(host, GUESTS);
      applications.add(Application.start(host, JoinedCluster.WEB_PORT, Application.Service::echo));
      west.tell(east);
      east.tell(west);
      this.outside = new OutsideNames(eastClient.node());
      this.rudeCalls =
          List.of(
              new RudeCalls(westClient, targets(west, westServer)),
              new RudeCalls(eastClient, targets(east, eastServer)));
      this.questions =
          List.of(
              new Questions(westClient, GUESTS, null), new Questions(eastClient, GUESTS, outside));
      this.changes = new MeshChanges(west, east, GUESTS, revocations);
    } catch (IOException | RuntimeException e) {
      lab.close();
      throw e;
    }
  }

  /** Starts the daemons, which are ready when this returns. */
  void start() throws IOException {
    west.startDaemons();
    east.startDaemons();
  }

  /** A service of one pod, which is called from another one all the time. */
  private void addRoute(
      String title, JoinedCluster cluster, Lab.Pod client, String service, Lab.Pod server)
      throws IOException {
    addService(service);
    cluster.setServing(server, service);
    JoinedCluster clients = client.node() == west.first() ? west : east;
    Route route = new Route(title, client, clients.vip(service), JoinedCluster.SERVICE_PORT);
    routes.add(route);
    applications.add(Application.start(server, JoinedCluster.WEB_PORT, route::serve));
  }

  /** In both clusters, each with an address of its own. */
  private void addService(String service) {
    int number = 10 + routes.size();
    west.addService(service, InetAddress.ofLiteral("10.96.0." + number));
    east.addService(service, InetAddress.ofLiteral("10.97.0." + number));
  }

  /** The guests, the address that most of them have had, a closed port, and nobody. */
  private static List<InetSocketAddress> targets(JoinedCluster cluster, Lab.Pod server) {
    InetSocketAddress guests =
        new InetSocketAddress(cluster.vip(GUESTS), JoinedCluster.SERVICE_PORT);
    String network = "10.240." + cluster.first().index();
    return List.of(
        guests,
        guests,
        guests,
        new InetSocketAddress(InetAddress.ofLiteral(network + ".12"), JoinedCluster.WEB_PORT),
        new InetSocketAddress(server.ipv4(), NO_SERVICE_PORT),
        new InetSocketAddress(InetAddress.ofLiteral(network + ".250"), NO_SERVICE_PORT));
  }

  /** Uses the daemons for so long; afterwards nothing of it goes on. */
  void disturb(Duration time, Random random) throws IOException {
    for (Route route : routes) {
      route.begin(random.nextLong());
    }
    List<Repeated> repeated = new ArrayList<>();
    repeated.add(Repeated.begin("changes", random.nextLong(), changes::change));
    repeated.add(Repeated.begin("looks", random.nextLong(), _ -> look()));
    for (RudeCalls each : rudeCalls) {
      for (int i = 0; i < RUDE_CLIENTS; i++) {
        repeated.add(Repeated.begin("rude-" + i, random.nextLong(), each::call));
      }
    }
    for (Questions each : questions) {
      repeated.add(Repeated.begin("questions", random.nextLong(), each::ask));
    }
    try {
      Pause.of(time);
    } finally {
      Repeated.closeAll(repeated);
    }
    for (Route route : routes) {
      route.end();
    }
    changes.settle();
  }

  /** As Prometheus and an operator do. */
  private void look() throws IOException {
    for (Daemon daemon : daemons()) {
      try {
        String _ = daemon.metrics();
        String _ = daemon.configDump();
        String _ = daemon.denials();
      } catch (IOException e) {
        if (!daemon.isToldToEnd()) {
          throw e;
        }
      }
    }
    Pause.of(BETWEEN_LOOKS);
  }

  /** What each daemon holds now that nobody uses it, by the daemon's name. */
  Map<String, Rest> rest() throws IOException {
    for (Daemon daemon : daemons()) {
      Rest.awaitIdle(daemon);
    }
    Pause.of(UNTIL_SOCKETS_ARE_GIVEN_UP);
    Map<String, Rest> rests = new LinkedHashMap<>();
    for (Daemon daemon : daemons()) {
      rests.put(daemon.name(), Rest.await(daemon));
    }
    return rests;
  }

  private List<Daemon> daemons() {
    List<Daemon> all = new ArrayList<>(west.allDaemons());
    all.addAll(east.allDaemons());
    return all;
  }

  /** What daemons have written that they should not have to, with their names. */
  List<String> alarmingLines() throws IOException {
    List<String> lines = new ArrayList<>();
    List<Daemon> all = daemons();
    all.addAll(west.goneDaemons());
    all.addAll(east.goneDaemons());
    for (Daemon daemon : all) {
      daemon.alarmingLines().forEach(line -> lines.add(daemon.name() + ": " + line));
    }
    return lines;
  }

  List<Route> routes() {
    return List.copyOf(routes);
  }

  MeshChanges changes() {
    return changes;
  }

  long rudeCalls() {
    return rudeCalls.stream().mapToLong(RudeCalls::calls).sum();
  }

  long questions() {
    return questions.stream().mapToLong(Questions::asked).sum();
  }

  @Override
  public void close() throws IOException {
    try (lab;
        outside;
        west;
        east) {
      for (Application application : applications) {
        application.close();
      }
    }
  }
}
