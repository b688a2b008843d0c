package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** A gateway that lets clients of other networks reach servers behind it, by TLS and by name. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayPassthroughIT {
  private static final int XDS = 15012;
  private static final int OTHER = 16443;
  private static final int LIMITED = 20;
  private static final String ISTIOD = "istiod.shop.svc";
  private static final String FOREIGN = "server.example.com";

  private Scene scene;
  private TlsEnds tls;
  private Lab.Pod gatewayPod;
  private Lab.Pod outside;
  private Lab.Pod stranger;
  private Lab.Pod istiod;
  private Daemon gateway;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("passing");
    Lab.Node node = scene.lab().addNode();
    gatewayPod = node.addPod("gateway", Lab.Without.REDIRECTION);
    outside = node.addPod("outside", Lab.Without.REDIRECTION);
    stranger = node.addPod("stranger", Lab.Without.REDIRECTION);
    istiod = node.addPod("istiod", Lab.Without.REDIRECTION);
    Lab.Pod broken = node.addPod("broken", Lab.Without.REDIRECTION); // nobody listens
    scene.closeLater(
        new NameServer(gatewayPod, Map.of(FOREIGN, List.of(InetAddress.ofLiteral("127.0.0.1")))));
    tls = TlsEnds.of(ISTIOD, FOREIGN);
    scene.app(istiod, 25012, tls.serving(App.ECHO_AT_THE_END));
    scene.app(gatewayPod, 9443, tls.serving(App.saying("by the name service")));
    for (Lab.Pod pod : List.of(gatewayPod, istiod, broken)) {
      Entry entry = Entry.workload(pod, pod.ipv4()).with("protocol", "TCP");
      if (!pod.equals(gatewayPod)) {
        entry.serving("istiod", XDS, 25012);
      }
      scene.workload(entry);
    }
    scene.service(Entry.service("istiod", "10.96.0.1", "{15012: 0}"));
    scene.service(Entry.service("alone", "10.96.0.2", "{443: 443}"));
    gateway =
        scene.gateway(
            gatewayPod,
            Map.of(
                "GATEWAY_PASSTHROUGH",
                "15012:%s:15012,%d:%s:9443,%d:alone.shop.svc:443,%d:nowhere.example.com:443"
                    .formatted(ISTIOD, OTHER, FOREIGN, OTHER, OTHER),
                "GATEWAY_MAX_SOURCE_CONNECTIONS",
                String.valueOf(LIMITED),
                "ZTUNNEL_HANDSHAKE_TIMEOUT",
                "2s"));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @Test
  void aServerOfTheMeshIsReachedByAnyOfItsNamesAndLogged() throws Exception {
    Journal log = Journal.of(gateway);
    Counters before = Counters.of(gateway);
    assertEquals("hello", tls.exchange(outside, gatewayPod, XDS, ISTIOD, "hello"));
    String line = log.await("istiod");
    assertTrue(
        line.matches(
            "info connection complete src\\.addr=%s:\\* dst\\.addr=%s:25012 dst\\.service=\"%s\" dst\\.workload=\"istiod\" dst\\.namespace=\"shop\" dst\\.cluster=\"Kubernetes\" direction=\"inbound\" bytes_sent=\\d+ bytes_recv=\\d+ duration=\"\\*\""
                .formatted(
                    outside.ipv4().getHostAddress().replace(".", "\\."),
                    istiod.ipv4().getHostAddress().replace(".", "\\."),
                    Entry.hostname("istiod"))),
        line);
    assertEquals(
        1,
        before.growth(
            "istio_tcp_connections_closed_total",
            "reporter=\"gateway\"",
            "destination_service=\"" + Entry.hostname("istiod") + "\"",
            "destination_workload=\"istiod-app\"",
            "connection_security_policy=\"unknown\""));
    for (String name : List.of("istiod.shop", "ISTIOD.shop.svc.cluster.local")) {
      assertEquals("hello", tls.exchange(outside, gatewayPod, XDS, name, "hello"));
    }
  }

  @Test
  void megabytesComeBackAfterTheClientHasEnded() throws Exception {
    String much = "0123456789abcdef".repeat(1 << 17);
    assertEquals(much, tls.exchange(outside, gatewayPod, XDS, ISTIOD, much));
  }

  @Test
  void aServerThatTheMeshDoesNotKnowIsFoundByTheNameService() throws Exception {
    Journal log = Journal.of(gateway);
    assertEquals("by the name service", tls.exchange(outside, gatewayPod, OTHER, FOREIGN, "hello"));
    String line = log.await("9443");
    assertTrue(line.contains("dst.service=\"server.example.com\""), line);
  }

  @Test
  void aNameIsOnlyKnownOnItsPort() throws Exception {
    isRefused(OTHER, ISTIOD, "reason=\"server_name_unknown\"", "no server of this name: " + ISTIOD);
    isRefused(XDS, "evil.example", "no server of this name: evil.example");
    isRefused(XDS, null, "reason=\"server_name_unknown\"", "no TLS server name was given");
  }

  private void isRefused(int port, @Nullable String name, String... logged) throws IOException {
    Journal log = Journal.now(gateway);
    SSLException refusal =
        assertThrows(
            SSLHandshakeException.class,
            () -> tls.exchange(outside, gatewayPod, port, name, "hello"));
    assertTrue(
        String.valueOf(refusal.getMessage()).contains("unrecognized_name"), () -> "" + refusal);
    log.awaitAny(logged);
  }

  @Test
  void aServerWithoutEndpointsOrAddressesIsNamedInTheLog() throws Exception {
    Journal log = Journal.now(gateway);
    assertThrows(
        IOException.class, () -> tls.exchange(outside, gatewayPod, OTHER, "alone.shop", "hello"));
    log.awaitAny("reason=\"no_healthy_upstream\"", Entry.hostname("alone"));
    assertThrows(
        IOException.class,
        () -> tls.exchange(outside, gatewayPod, OTHER, "nowhere.example.com", "hello"));
    log.awaitAny("reason=\"hostname_unresolved\"", "no address for hostname: nowhere.example.com");
  }

  @Test
  void whoDoesNotSpeakTlsOrDoesNotSpeakIsClosed() throws Exception {
    Journal log = Journal.now(gateway);
    try (Socket socket = PodSockets.connect(outside, gatewayPod.ipv4(), XDS)) {
      PodSockets.say(socket, "GET / HTTP/1.1\r\n\r\n");
      assertEquals(7, socket.getInputStream().readAllBytes().length, "an alert");
    }
    log.awaitAny("no TLS server name was given");
    try (Socket socket = PodSockets.connect(outside, gatewayPod.ipv4(), XDS)) {
      socket.getOutputStream().write(new byte[] {22, 3, 1}); // a ClientHello that does not go on
      assertThrows(
          IOException.class,
          () -> {
            if (socket.getInputStream().read() < 0) {
              throw new IOException("closed");
            }
          });
    }
    log.awaitAny("reason=\"tls_failed\"", "handshake timed out after 2000ms");
  }

  @Test
  void oneAddressCannotTakeWhatOthersNeed() throws Exception {
    Journal log = Journal.of(gateway);
    List<SSLSocket> open = new ArrayList<>();
    for (int i = 0; i < LIMITED; i++) {
      SSLSocket socket = tls.connect(stranger, gatewayPod, XDS, ISTIOD);
      socket.startHandshake();
      open.add(socket);
    }
    assertThrows(IOException.class, () -> tls.exchange(stranger, gatewayPod, XDS, ISTIOD, "hello"));
    log.awaitAny(
        "reason=\"source_connections_limit\"", stranger.ipv4().getHostAddress() + " has 20");
    assertEquals("hello", tls.exchange(outside, gatewayPod, XDS, ISTIOD, "hello"));
    Await.equal( // the connection before has just been closed
        20.0,
        () ->
            Counters.sum(
                Counters.read(gateway), "ztunnel_gateway_endpoint_tunnels{rank=\"most\"}"));
    for (SSLSocket socket : open) {
      socket.close();
    }
    Await.equal(0.0, () -> Counters.sum(Counters.read(gateway), "ztunnel_gateway_tunnels_open"));
    Await.equal(
        0.0,
        () -> Counters.sum(Counters.read(gateway), "istio_tcp_sockets_open{reporter=\"gateway\""));
    assertEquals("hello", tls.exchange(stranger, gatewayPod, XDS, ISTIOD, "hello"));
  }

  @Test
  void aServerThatRefusesIsPassedOver() throws Exception {
    // Half of the endpoints are broken: all calls succeed nonetheless.
    for (int i = 0; i < 10; i++) {
      assertEquals("hello", tls.exchange(outside, gatewayPod, XDS, ISTIOD, "hello"));
    }
    assertTrue(
        Counters.sum(Counters.read(gateway), "ztunnel_gateway_retries_total") >= 1,
        "nothing was retried");
  }
}
