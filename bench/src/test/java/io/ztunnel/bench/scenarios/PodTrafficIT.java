package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.Socket;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Calls from pod to pod by address: which of them are tunnelled, what the server sees, and what
 * both daemons report.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PodTrafficIT {
  private static final int PORT = 8080;
  private static final int LATE_PORT = 8081;

  /** Words of the reference's tests: 11 bytes there, 22 back. */
  private static final String REQUEST = "hello world";

  private static final String REPLY = "hello worldhello world";

  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod near;
  private Lab.Pod far;
  private Lab.Pod bare;
  private Lab.Pod outsider;
  private Lab.Pod legacyClient;
  private Lab.Pod legacyServer;
  private Lab.Node farNode;
  private Daemon daemon1;
  private Daemon daemon2;
  private App nearApp;
  private App farApp;
  private App bareApp;
  private App nodeApp;

  enum Family {
    IPV4,
    IPV6;

    InetAddress of(Lab.Pod pod) {
      return this == IPV4 ? pod.ipv4() : pod.ipv6();
    }
  }

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("pods");
    Lab.Node node1 = scene.lab().addNode();
    farNode = scene.lab().addNode();
    client = scene.pod(node1, "client");
    near = scene.pod(node1, "near");
    far = scene.pod(farNode, "far");
    bare = farNode.addPod("bare", Lab.Without.REDIRECTION);
    scene.workload(Entry.workload(bare, bare.ipv4(), bare.ipv6()).with("protocol", "TCP"));
    outsider = node1.addPod("outsider", Lab.Without.REDIRECTION);
    legacyClient = node1.addPod("oldclient", Lab.Without.IPV6);
    scene.workload(Entry.workload(legacyClient, legacyClient.ipv4()));
    legacyServer = farNode.addPod("oldserver", Lab.Without.IPV6);
    scene.workload(Entry.workload(legacyServer, legacyServer.ipv4()));
    nearApp = scene.app(near, PORT, App.ECHO_TWICE);
    farApp = scene.app(far, PORT, App.ECHO_TWICE);
    bareApp = scene.app(bare, PORT, App.ECHO_TWICE);
    nodeApp = scene.app(farNode, PORT, App.ECHO_TWICE);
    for (Lab.Pod server : List.of(near, far, bare)) {
      App _ = scene.app(server, LATE_PORT, App.ECHO_AT_THE_END);
    }
    daemon1 = scene.daemon(node1, Map.of(), client, near, legacyClient);
    daemon2 = scene.daemon(farNode, Map.of(), far, legacyServer);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private static String text(InetAddress address) {
    String literal = address.getHostAddress();
    return address instanceof Inet6Address
        ? "[" + literal.replaceFirst("(:0){2,}:", "::") + "]"
        : literal;
  }

  private static String tunnelled(
      Lab.Pod from,
      Lab.Pod to,
      InetAddress source,
      InetAddress destination,
      String direction,
      String bytes) {
    return "info connection complete src.addr=%s:* src.workload=\"%s\" src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"Kubernetes\" dst.addr=%s:15008 dst.hbone_addr=%s:8080 dst.workload=\"%s\" dst.namespace=\"shop\" dst.identity=\"%s\" dst.cluster=\"Kubernetes\" direction=\"%s\" %s duration=\"*\""
        .formatted(
            text(source),
            from.name(),
            Entry.identity(from),
            text(destination),
            text(destination),
            to.name(),
            Entry.identity(to),
            direction,
            bytes);
  }

  private static final String SENT_11 = "bytes_sent=11 bytes_recv=22";
  private static final String SENT_22 = "bytes_sent=22 bytes_recv=11";

  /** Both ends log one call that went through a tunnel. */
  private static void awaitTunnelled(
      Journal atClient, Journal atServer, Lab.Pod from, Lab.Pod to, Family family)
      throws IOException {
    InetAddress source = family.of(from);
    InetAddress destination = family.of(to);
    assertEquals(
        tunnelled(from, to, source, destination, "outbound", SENT_11),
        atClient.await("direction=\"outbound\""));
    assertEquals(
        tunnelled(from, to, source, destination, "inbound", SENT_22),
        atServer.await("direction=\"inbound\""));
  }

  /** The labels of a call between two pods of the mesh, in the order of the reference. */
  private static String labels(
      String reporter, Lab.Pod from, String sourcePrincipal, Lab.Pod to, String security) {
    return "{reporter=\"%s\",%s,destination_service=\"unknown\",destination_service_namespace=\"unknown\",destination_service_name=\"unknown\",%s,request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"%s\",source_region=\"unknown\",source_zone=\"unknown\",destination_region=\"unknown\",destination_zone=\"unknown\"}"
        .formatted(
            reporter,
            peer("source", from, sourcePrincipal),
            peer("destination", to, Entry.identity(to)),
            security);
  }

  private static String peer(String side, Lab.Pod pod, String principal) {
    return "%1$s_workload=\"%2$s-app\",%1$s_canonical_service=\"%2$s-name\",%1$s_canonical_revision=\"v1\",%1$s_workload_namespace=\"shop\",%1$s_principal=\"%3$s\",%1$s_app=\"%2$s-name\",%1$s_version=\"v1\",%1$s_cluster=\"Kubernetes\""
        .formatted(side, pod.name(), principal);
  }

  /** What one call of 11 bytes, answered by 22, adds to the counters. */
  private static Map<String, Double> oneCall(String labels) {
    Map<String, Double> samples = new TreeMap<>();
    samples.put("istio_tcp_connections_opened_total" + labels, 1.0);
    samples.put("istio_tcp_connections_closed_total" + labels, 1.0);
    samples.put("istio_tcp_received_bytes_total" + labels, 11.0);
    samples.put("istio_tcp_sent_bytes_total" + labels, 22.0);
    return samples;
  }

  private static Map<String, Double> both(Map<String, Double> one, Map<String, Double> other) {
    Map<String, Double> all = new TreeMap<>(one);
    all.putAll(other);
    return all;
  }

  private static Map<String, Double> traffic(Counters before) throws IOException {
    Map<String, Double> growth = before.growth("istio_tcp_");
    growth.keySet().removeIf(sample -> sample.startsWith("istio_tcp_sockets_open"));
    return growth;
  }

  @ParameterizedTest
  @EnumSource
  void podsOfOneNodeAreTunnelledToo(Family family) throws Exception {
    Journal log = Journal.of(daemon1);
    Counters before = Counters.of(daemon1);

    assertEquals(REPLY, PodSockets.exchange(client, family.of(near), PORT, REQUEST));

    assertEquals(family.of(client), nearApp.clients().getLast().getAddress());
    awaitTunnelled(log, log, client, near, family);
    Await.equal(
        both(
            oneCall(labels("source", client, Entry.identity(client), near, "mutual_tls")),
            oneCall(labels("destination", client, Entry.identity(client), near, "mutual_tls"))),
        () -> traffic(before));
  }

  @ParameterizedTest
  @EnumSource
  void podsOfTwoNodesAreTunnelled(Family family) throws Exception {
    Journal log1 = Journal.of(daemon1);
    Journal log2 = Journal.of(daemon2);
    Counters before1 = Counters.of(daemon1);
    Counters before2 = Counters.of(daemon2);

    assertEquals(REPLY, PodSockets.exchange(client, family.of(far), PORT, REQUEST));

    assertEquals(family.of(client), farApp.clients().getLast().getAddress());
    awaitTunnelled(log1, log2, client, far, family);
    Await.equal(
        oneCall(labels("source", client, Entry.identity(client), far, "mutual_tls")),
        () -> traffic(before1));
    Await.equal(
        oneCall(labels("destination", client, Entry.identity(client), far, "mutual_tls")),
        () -> traffic(before2));
  }

  @ParameterizedTest
  @EnumSource
  void aServerThatIsNotCapturedGetsPlainTcp(Family family) throws Exception {
    Journal log = Journal.of(daemon1);
    Counters before = Counters.of(daemon1);
    InetAddress source = family.of(client);
    InetAddress destination = family.of(bare);

    assertEquals(REPLY, PodSockets.exchange(client, destination, PORT, REQUEST));

    assertEquals(source, bareApp.clients().getLast().getAddress());
    assertEquals(
        "info connection complete src.addr=%s:* src.workload=\"client\" src.namespace=\"shop\" src.cluster=\"Kubernetes\" dst.addr=%s:8080 dst.workload=\"bare\" dst.namespace=\"shop\" dst.cluster=\"Kubernetes\" direction=\"outbound\" %s duration=\"*\""
            .formatted(text(source), text(destination), SENT_11),
        log.await("direction=\"outbound\""));
    Await.equal(
        oneCall(labels("source", client, "unknown", bare, "unknown")), () -> traffic(before));
  }

  @ParameterizedTest
  @EnumSource
  void aClientThatIsNotCapturedComesInPlainWithItsOwnAddress(Family family) throws Exception {
    Journal log = Journal.of(daemon2);
    Counters before = Counters.of(daemon2);
    InetAddress source = family.of(outsider);
    InetAddress destination = family.of(far);

    assertEquals(REPLY, PodSockets.exchange(outsider, destination, PORT, REQUEST));

    assertEquals(source, farApp.clients().getLast().getAddress());
    assertEquals(
        "info connection complete src.addr=%s:* dst.addr=%s:8080 dst.workload=\"far\" dst.namespace=\"shop\" dst.cluster=\"Kubernetes\" direction=\"inbound\" %s duration=\"*\""
            .formatted(text(source), text(destination), SENT_22),
        log.await("direction=\"inbound\""));
    Await.equal(
        4.0,
        () ->
            (double)
                traffic(before).keySet().stream()
                    .filter(
                        sample ->
                            sample.contains("reporter=\"destination\",source_workload=\"unknown\""))
                    .filter(
                        sample -> sample.contains(peer("destination", far, Entry.identity(far))))
                    .filter(sample -> sample.contains("connection_security_policy=\"unknown\""))
                    .count());
  }

  @Test
  void podsWithoutIpv6AreServed() throws Exception {
    Journal log1 = Journal.of(daemon1);
    Journal log2 = Journal.of(daemon2);

    scene.app(legacyServer, PORT, App.ECHO_TWICE);
    assertEquals(REPLY, PodSockets.exchange(legacyClient, legacyServer.ipv4(), PORT, REQUEST));

    awaitTunnelled(log1, log2, legacyClient, legacyServer, Family.IPV4);
  }

  /** All buffers on the way are full when the client ends its side, and again on the way back. */
  @ParameterizedTest
  @ValueSource(strings = {"near", "far", "bare"})
  void megabytesComeBackWholeAfterTheClientHasEndedItsSide(String name) throws Exception {
    Lab.Pod server =
        switch (name) {
          case "near" -> near;
          case "far" -> far;
          case "bare" -> bare;
          default -> throw new IllegalArgumentException(name);
        };
    byte[] bytes = new byte[12 << 20];
    new Random(15008).nextBytes(bytes);
    for (int i = 0; i < 6; i++) {
      try (Socket socket = PodSockets.connect(client, server.ipv4(), LATE_PORT)) {
        Thread writer =
            Thread.ofVirtual()
                .start(
                    () -> {
                      try {
                        socket.getOutputStream().write(bytes);
                        socket.shutdownOutput();
                      } catch (IOException e) {
                        throw new UncheckedIOException(
                            e); // the reader sees an end that is too early
                      }
                    });
        assertArrayEquals(bytes, socket.getInputStream().readAllBytes());
        assertTrue(writer.join(PodSockets.DEADLINE));
      }
    }
  }

  @Test
  void anAddressThatTheMeshDoesNotKnowIsPassedOn() throws Exception {
    Journal log = Journal.of(daemon1);

    assertEquals(REPLY, PodSockets.exchange(client, farNode.ipv4(), PORT, REQUEST));

    assertEquals(client.ipv4(), nodeApp.clients().getLast().getAddress());
    assertEquals(
        "info connection complete src.addr=%s:* src.workload=\"client\" src.namespace=\"shop\" src.cluster=\"Kubernetes\" dst.addr=%s:8080 direction=\"outbound\" %s duration=\"*\""
            .formatted(text(client.ipv4()), text(farNode.ipv4()), SENT_11),
        log.await("direction=\"outbound\""));
  }
}
