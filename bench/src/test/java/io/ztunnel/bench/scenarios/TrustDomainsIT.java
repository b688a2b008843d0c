package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * Two clusters of different trust domains, each with a CA and a root of its own, of which both know
 * the roots: calls from one to the other through a gateway of the other.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TrustDomainsIT {
  private static final int PORT = 8080;
  private static final String VIP = "10.96.0.1";

  /** Of the service whose servers are told to be of the caller's trust domain. */
  private static final String MISTOLD_VIP = "10.96.0.2";

  private static final SpiffeId GATEWAY =
      new SpiffeId("east.example", "istio-system", "istio-eastwestgateway");

  private final TestPki tls = TestPki.root("control plane");
  private final TestPki westRoot = TestPki.root("west");
  private final TestPki eastRoot = TestPki.root("east");
  private final X509Certificate[] roots = {westRoot.rootCertificate(), eastRoot.rootCertificate()};
  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod banned;
  private Lab.Pod stranger;
  private Lab.Pod stockClient;
  private Volume eastRoots;
  private Daemon west;

  /** With an alias; its control plane knows one trust domain, as a stock istiod. */
  private Daemon stock;

  private Daemon east;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("domains");
    Lab.Node near = scene.lab().addNode();
    Lab.Node stockNear = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    stockClient = stockNear.addPod("stock-client");
    client = near.addPod("client");
    banned = near.addPod("banned");
    stranger = near.addPod("stranger");
    Lab.Pod server = far.addPod("server");
    Lab.Pod gateway = far.addPod("gateway", Lab.Without.REDIRECTION);
    scene.app(server, PORT, App.ECHO_TWICE);
    west =
        daemon(
            near,
            western("east.example", server, gateway, client, banned, stranger),
            westRoot,
            Map.of(),
            client,
            banned,
            stranger);
    eastRoots =
        Volume.create(
            scene.lab().directory().resolve("east"),
            "east.pem",
            TestPki.pem(List.of(eastRoot.rootCertificate())));
    stock =
        daemon(
            stockNear,
            western("west.example", server, gateway, stockClient),
            westRoot,
            Map.of(
                "ZTUNNEL_TRUST_DOMAIN_ALIASES",
                "east.example",
                "ZTUNNEL_TRUST_DOMAIN_ROOTS",
                "east.example=" + eastRoots.file()),
            stockClient);
    east =
        daemon(
            far,
            eastern(server),
            eastRoot,
            Map.of("ZTUNNEL_TRUST_DOMAIN_ALIASES", "west.example"),
            server);
    KeyMaterial signed = eastRoot.workload(GATEWAY.toString());
    scene.closeLater(
        new Gateway(
            gateway,
            new KeyMaterial(signed.key(), signed.chain(), List.of(roots)),
            List.of("west.example"),
            server));
  }

  /**
   * @param gatewayDomain which trust domain is told of the gateway
   */
  private Cluster western(
      String gatewayDomain, Lab.Pod server, Lab.Pod gateway, Lab.Pod... clients) {
    String ip = gateway.ipv4().getHostAddress();
    Cluster here = new Cluster(scene, gatewayDomain, "net-west", 1);
    for (Lab.Pod pod : clients) {
      here.workload(
          Entry.workload(pod, pod.ipv4())
              .with("network", "net-west")
              .with("trustDomain", pod.equals(stranger) ? "elsewhere.example" : "west.example"));
    }
    here.workload(
        new Cluster(scene, "east", 2)
            .gateway(Entry.workload(gateway, gateway.ipv4()), ip)
            .with("trustDomain", gatewayDomain));
    remote(here, "echo", VIP, "east.example", server, ip);
    remote(here, "mistold", MISTOLD_VIP, "west.example", server, ip);
    return here;
  }

  private static void remote(
      Cluster here, String service, String vip, String domain, Lab.Pod server, String gateway) {
    here.service(
        Entry.service(service, vip, "{80: 8080}")
            .with("vips", "[\"net-west/%s\"]".formatted(vip))
            .with(
                "subjectAltNames",
                "[\"spiffe://%s/ns/shop/sa/%s\"]".formatted(domain, server.name())));
    here.workload(
        Entry.workload(service + "-remote")
            .with("network", "net-east")
            .with(
                "networkGateway",
                "{destination: \"net-east/%s\", hboneMtlsPort: 15008}".formatted(gateway))
            .serving(service, 80, PORT));
  }

  private Cluster eastern(Lab.Pod server) {
    Cluster here = new Cluster(scene, "east", 2);
    here.workload(
        Entry.workload(server, server.ipv4())
            .with("network", "net-east")
            .with("trustDomain", "east.example")
            .with("authorizationPolicies", "[\"shop/no-banned\"]")
            .serving("echo", 80, PORT)
            .serving("mistold", 80, PORT));
    here.service(Entry.service("echo", "10.97.0.1", "{80: 8080}").with("vips", "[]"));
    here.service(Entry.service("mistold", "10.97.0.2", "{80: 8080}").with("vips", "[]"));
    here.policy(
        Entry.policy(
            "no-banned",
            "WorkloadSelector",
            "Deny",
            "{principals: [!Exact west.example/ns/shop/sa/banned]}"));
    return here;
  }

  private Daemon daemon(
      Lab.Node node,
      Cluster cluster,
      TestPki root,
      Map<String, String> environment,
      Lab.Pod... pods)
      throws IOException {
    NodeCa ca = NodeCa.start(scene, node, tls, root);
    ca.server().signBy(root, roots);
    return cluster.daemon(node, ca.environment(environment), pods);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @Test
  void aCallReachesTheOtherTrustDomainAndBothEndsNameThePeer() throws Exception {
    Journal westLog = Journal.of(west);
    Journal eastLog = Journal.of(east);
    assertEquals("hihi", call(client, VIP));
    String outbound = westLog.await("direction=\"outbound\"");
    assertTrue(
        outbound.contains(" dst.identity=\"spiffe://east.example/ns/shop/sa/server\""), outbound);
    String inbound = eastLog.await("direction=\"inbound\"");
    assertTrue(
        inbound.contains(" src.identity=\"spiffe://west.example/ns/shop/sa/client\""), inbound);
  }

  @Test
  void aPolicyTellsTrustDomainsApart() throws Exception {
    Journal eastLog = Journal.of(east);
    PodSockets.isReset(banned, InetAddress.ofLiteral(VIP), 80);
    String denied = eastLog.await("direction=\"inbound\"");
    assertTrue(denied.contains("explicitly denied by: shop/no-banned"), denied);
  }

  @Test
  void aTrustDomainThatNobodyNamedIsNotLetIn() throws Exception {
    Journal westLog = Journal.of(west);
    PodSockets.isReset(stranger, InetAddress.ofLiteral(VIP), 80);
    String refused = westLog.await("direction=\"outbound\"");
    assertTrue(refused.startsWith("error connection complete"), refused);
    assertTrue(refused.contains("peer sent TLS alert: "), refused);
  }

  private static String call(Lab.Pod from, String vip) throws IOException {
    return PodSockets.exchange(from, InetAddress.ofLiteral(vip), 80, "hi");
  }

  @Test
  void identitiesToldInTheCallersTrustDomainAreAcceptedInAnAliasOfIt() throws Exception {
    Journal log = Journal.of(stock);
    assertEquals("hihi", call(stockClient, MISTOLD_VIP));
    String outbound = log.await("direction=\"outbound\"");
    assertTrue(
        outbound.contains(" dst.identity=\"spiffe://east.example/ns/shop/sa/server\""), outbound);
  }

  @Test
  void withoutAnAliasIdentitiesAreAsTheyAreTold() throws Exception {
    Journal log = Journal.of(west);
    PodSockets.isReset(client, InetAddress.ofLiteral(MISTOLD_VIP), 80);
    String refused = log.await("direction=\"outbound\"");
    assertTrue(refused.contains("reason=\"wrong_peer_identity\""), refused);
    assertTrue(refused.contains("got spiffe://east.example/ns/shop/sa/server"), refused);
  }

  /** Although it came with the own certificate, as the roots of all clusters do. */
  @Test
  void anotherRootDoesNotSpeakForAnAlias() throws Exception {
    TestPki other = TestPki.root("another east");
    Journal log = Journal.now(stock);
    eastRoots.swap(TestPki.pem(List.of(other.rootCertificate())));
    log.awaitAny("roots of a trust domain", "east.example");
    try {
      Await.until("the gateway is refused", () -> !succeeds());
      log.awaitAny("connection complete", "peer certificate signed by an unknown root");
    } finally {
      eastRoots.swap(TestPki.pem(List.of(eastRoot.rootCertificate())));
    }
    Await.until("calls succeed again", this::succeeds);
  }

  private boolean succeeds() {
    return new QuickCalls(stockClient).works(InetAddress.ofLiteral(MISTOLD_VIP));
  }
}
