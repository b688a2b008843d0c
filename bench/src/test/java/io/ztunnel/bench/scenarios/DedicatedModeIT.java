package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.ServerSocket;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Daemons that each serve one pod, from inside its namespace, without an agent. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DedicatedModeIT {
  private static final int PORT = 8080;
  private static final String REPLY = "hello worldhello world";

  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod bare;
  private Lab.Pod taken;
  private Daemon ofClient;
  private Daemon ofServer;
  private App serverApp;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("dedicated");
    Lab.Node node1 = scene.lab().addNode();
    Lab.Node node2 = scene.lab().addNode();
    client = scene.pod(node1, "client");
    server = scene.pod(node2, "server");
    taken = scene.pod(node1, "taken");
    bare = node2.addPod("bare", Lab.Without.REDIRECTION);
    scene.workload(Entry.workload(bare, bare.ipv4()).with("protocol", "TCP"));
    serverApp = scene.app(server, PORT, App.ECHO_TWICE);
    scene.app(bare, PORT, App.ECHO_TWICE);
    ofClient = scene.dedicated(client);
    ofServer = scene.dedicated(server);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private static String call(Lab.Place from, Lab.Pod to) throws IOException {
    return PodSockets.exchange(from, to.ipv4(), PORT, "hello world");
  }

  @Test
  void podsWithDaemonsOfTheirOwnAreTunnelled() throws Exception {
    Journal log1 = Journal.of(ofClient);
    Journal log2 = Journal.of(ofServer);

    assertEquals(REPLY, call(client, server));

    String ends =
        "src.addr=%s:* src.workload=\"client\" src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"Kubernetes\" dst.addr=%3$s:15008 dst.hbone_addr=%3$s:8080 dst.workload=\"server\" dst.namespace=\"shop\" dst.identity=\"%4$s\" dst.cluster=\"Kubernetes\""
            .formatted(
                client.ipv4().getHostAddress(),
                Entry.identity(client),
                server.ipv4().getHostAddress(),
                Entry.identity(server));
    assertEquals(
        "info connection complete "
            + ends
            + " direction=\"outbound\" bytes_sent=11 bytes_recv=22 duration=\"*\"",
        log1.await("direction=\"outbound\""));
    assertEquals(
        "info connection complete "
            + ends
            + " direction=\"inbound\" bytes_sent=22 bytes_recv=11 duration=\"*\"",
        log2.await("direction=\"inbound\""));
    assertEquals(client.ipv4(), serverApp.clients().getLast().getAddress());
  }

  @Test
  void aServerThatIsNotCapturedGetsPlainTcp() throws Exception {
    Journal log = Journal.of(ofClient);
    assertEquals(REPLY, call(client, bare));
    String line = log.await("direction=\"outbound\"");
    assertTrue(line.contains("dst.addr=" + bare.ipv4().getHostAddress() + ":8080 "), line);
    assertFalse(line.contains("identity"), line);
  }

  @Test
  void aClientThatIsNotCapturedComesInPlain() throws Exception {
    Journal log = Journal.of(ofServer);
    assertEquals(REPLY, call(bare, server));
    String line = log.await("direction=\"inbound\"");
    assertTrue(line.contains("dst.addr=" + server.ipv4().getHostAddress() + ":8080 "), line);
    assertFalse(line.contains("identity"), line);
  }

  @Test
  void theDumpSaysWhoseDaemonItIs() throws Exception {
    String dump = ofClient.configDump();
    assertTrue(dump.contains("\"proxyMode\": \"Dedicated\""), dump);
    assertFalse(dump.contains("\"workloadState\""), dump);
  }

  @ParameterizedTest
  @ValueSource(ints = {15001, 15006, 15008, 15053, 15000, 15020, 15021})
  void aPortThatIsTakenEndsTheStart(int port) throws Exception {
    try (ServerSocket _ = PodSockets.listen(taken, port)) {
      IOException failure =
          assertThrows(
              IOException.class,
              () -> {
                Daemon daemon =
                    Daemon.startDedicated(
                        scene.lab(),
                        taken,
                        "shop",
                        "taken",
                        Scene.LAUNCHER,
                        scene.meshFile(),
                        Map.of());
                daemon.close();
              });
      String text = String.valueOf(failure.getMessage());
      assertTrue(
          text.matches(
              "taken ended: ztunnel: .*failed to bind to address \\S+:%d: .*Address already in use.*"
                  .formatted(port)),
          text);
    }
  }
}
