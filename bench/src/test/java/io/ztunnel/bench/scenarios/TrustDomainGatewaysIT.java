package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Two clusters of different trust domains, each with a CA that gives out its own root only, joined
 * as the document on joining clusters says: nodes and gateways of both name the other domain as an
 * alias, and have a file with each domain's root. Each is told of the other's gateway and service
 * as if they were of its own domain.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TrustDomainGatewaysIT {
  private static final String WEST = "west.example";
  private static final String EAST = "east.example";
  private static final String ALIASES = "ZTUNNEL_TRUST_DOMAIN_ALIASES";
  private static final String ROOTS = "ZTUNNEL_TRUST_DOMAIN_ROOTS";

  private final TestPki tls = TestPki.root("control plane");
  private final TestPki westRoot = TestPki.root("west");
  private final TestPki eastRoot = TestPki.root("east");
  private Scene scene;
  private Side west;
  private Side east;
  private Lab.Pod outside;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("domaingws");
    west = new Side(scene, "west", 1, WEST);
    east = new Side(scene, "east", 2, EAST);
    west.join(east);
    east.join(west);
    outside = west.node().addPod("outside", Lab.Without.REDIRECTION);
    String roots = "%s=%s,%s=%s".formatted(WEST, file(westRoot), EAST, file(eastRoot));
    start(west, westRoot, Map.of(ALIASES, EAST, ROOTS, roots));
    start(east, eastRoot, Map.of(ALIASES, WEST, ROOTS, roots));
  }

  private String file(TestPki root) throws IOException {
    String name = root.certificate().getSubjectX500Principal().getName().substring("CN=".length());
    return Volume.create(
            scene.lab().directory().resolve("root-" + name),
            name + ".pem",
            TestPki.pem(List.of(root.rootCertificate())))
        .file()
        .toString();
  }

  private void start(Side side, TestPki root, Map<String, String> environment) throws IOException {
    NodeCa gatewayCa = NodeCa.start(scene, side.gatewayPod(), tls, root);
    gatewayCa.server().callerIs(side.cluster().gatewayIdentity().toString());
    Map<String, String> ofGateway = new TreeMap<>(environment);
    ofGateway.put("GATEWAY_EXPORTS", "shop/*");
    side.start(
        NodeCa.start(scene, side.node(), tls, root).environment(environment),
        gatewayCa.environment(ofGateway));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @Test
  void callsGoBothWaysAndLogsNameTheRealIdentities() throws Exception {
    reaches(west, east);
    reaches(east, west);
  }

  private static void reaches(Side from, Side to) throws IOException {
    Journal log = Journal.of(from.daemon());
    Journal gatewayLog = Journal.now(to.gateway());
    Journal farLog = Journal.of(to.daemon());
    new QuickCalls(from.client()).once(to.vip());
    String client = from.cluster().identity(from.client()).toString();
    String server = to.cluster().identity(to.server()).toString();
    for (String line : List.of(log.await("outbound"), farLog.await("inbound"))) {
      assertTrue(line.startsWith("info connection complete"), line);
      assertTrue(line.contains(" src.identity=\"" + client + "\""), line);
      assertTrue(line.contains(" dst.identity=\"" + server + "\""), line);
    }
    // The tunnel ends when it was idle for a while.
    gatewayLog.awaitAny("\tinfo\t", "connection complete", " src.identity=\"" + client + "\"");
  }

  /**
   * The gateway of the east hears from somebody with a certificate of its own CA.
   *
   * @param said who that is
   * @param reason why it is refused
   */
  @ParameterizedTest
  @CsvSource({
    "spiffe://elsewhere.example/ns/shop/sa/stranger, wrong_trust_domain, elsewhere.example",
    "spiffe://west.example/ns/shop/sa/client-west, tls_failed, unknown root"
  })
  void aTrustDomainThatNobodyNamedIsRefusedAndSoIsOneThatTheCaDoesNotSpeakFor(
      String said, String reason, String detail) throws Exception {
    Journal log = Journal.now(east.gateway());
    try (MeshClient client = new MeshClient(outside, said, eastRoot.workload(said))) {
      MeshClient.Answer answer =
          client.connect(
              east.gatewayPod(),
              east.cluster().gatewayIdentity().toString(),
              new InetSocketAddress(east.gatewayPod().ipv4(), 15008),
              new ConnectRequest(Entry.hostname(east.service()) + ":80", "", null, null, null));
      IOException refused = assertThrows(IOException.class, answer::status);
      assertTrue(refused.toString().contains("peer sent TLS alert: "), refused::toString);
    }
    log.awaitAny("connection failed", "reason=\"" + reason + "\"", detail);
  }
}
