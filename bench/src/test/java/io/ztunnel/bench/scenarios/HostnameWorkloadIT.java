package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Endpoints that have a hostname instead of an address, which the daemon asks DNS for. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HostnameWorkloadIT {
  private static final int PORT = 8080;
  private static final String KNOWN = "10.96.0.1";
  private static final String EMPTY = "10.96.0.2";
  private static final String UNKNOWN = "10.96.0.3";

  private Scene scene;
  private NameServer names;
  private Lab.Node node;
  private Lab.Pod client;
  private Daemon daemon;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("names");
    node = scene.lab().addNode();
    client = scene.pod(node, "client");
    names =
        new NameServer(
            node,
            Map.of("known.example.com", List.of(node.ipv4()), "empty.example.com", List.of()));
    scene.closeLater(names);
    endpoint("known", KNOWN);
    endpoint("empty", EMPTY);
    endpoint("unknown", UNKNOWN);
    scene.app(node, PORT, App.saying("found"));
    daemon = scene.daemon(node, Map.of(), client);
  }

  private void endpoint(String name, String vip) {
    scene.service(Entry.service(name, vip, "{80: 8080}"));
    scene.workload(
        Entry.workload(name)
            .with("protocol", "TCP")
            .with("hostname", name + ".example.com")
            .serving(name, 80, PORT));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @Test
  void theAddressIsAskedForOnceAndEachUseIsCounted() throws Exception {
    Journal log = Journal.of(daemon);
    Counters before = Counters.of(daemon);

    for (int i = 0; i < 2; i++) {
      assertEquals("found", PodSockets.exchange(client, InetAddress.ofLiteral(KNOWN), 80, "?"));
    }

    assertEquals(1, names.questions().stream().filter("known.example.com."::equals).count());
    assertEquals(
        Map.of(
            "istio_on_demand_dns_total{source_workload=\"client-app\",source_canonical_service=\"client-name\",source_canonical_revision=\"v1\",source_workload_namespace=\"shop\",source_principal=\"%s\",source_app=\"client-name\",source_version=\"v1\",source_cluster=\"Kubernetes\",hostname=\"known.example.com\"}"
                .formatted(Entry.identity(client)),
            2.0),
        before.growth("istio_on_demand_dns_total"));
    String line = log.awaitAny("direction=\"outbound\"");
    assertTrue(
        line.contains("dst.addr=" + node.ipv4().getHostAddress() + ":8080 dst.service="), line);
  }

  @Test
  void aNameWithoutAddressesFails() throws Exception {
    isRefused(EMPTY, "empty");
  }

  @Test
  void aNameThatDoesNotExistFails() throws Exception {
    isRefused(UNKNOWN, "unknown");
  }

  private void isRefused(String vip, String workload) throws Exception {
    Journal log = Journal.of(daemon);
    PodSockets.isReset(client, InetAddress.ofLiteral(vip), 80);
    String line = log.await("dst.addr=" + vip + ":80");
    assertTrue(line.startsWith("warn connection failed"), line);
    assertTrue(
        line.contains(
            "error=\"no ip addresses were resolved for workload: lab//Pod/shop/%s\" reason=\"dns_failed\""
                .formatted(workload)),
        line);
  }
}
