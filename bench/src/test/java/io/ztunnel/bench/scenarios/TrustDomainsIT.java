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
  private Daemon west;
  private Daemon east;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("domains");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = near.addPod("client");
    banned = near.addPod("banned");
    stranger = near.addPod("stranger");
    Lab.Pod server = far.addPod("server");
    Lab.Pod gateway = far.addPod("gateway", Lab.Without.REDIRECTION);
    scene.app(server, PORT, App.ECHO_TWICE);
    west = daemon(near, western(server, gateway), westRoot, "", client, banned, stranger);
    east = daemon(far, eastern(server), eastRoot, "west.example", server);
    KeyMaterial signed = eastRoot.workload(GATEWAY.toString());
    scene.closeLater(
        new Gateway(
            gateway,
            new KeyMaterial(signed.key(), signed.chain(), List.of(roots)),
            List.of("west.example"),
            server));
  }

  private Cluster western(Lab.Pod server, Lab.Pod gateway) {
    String ip = gateway.ipv4().getHostAddress();
    Cluster here = new Cluster(scene, "west", 1);
    for (Lab.Pod pod : List.of(client, banned, stranger)) {
      here.workload(
          Entry.workload(pod, pod.ipv4())
              .with("network", "net-west")
              .with("trustDomain", pod.equals(stranger) ? "elsewhere.example" : "west.example"));
    }
    here.workload(
        new Cluster(scene, "east", 2)
            .gateway(Entry.workload(gateway, gateway.ipv4()), ip)
            .with("trustDomain", GATEWAY.trustDomain()));
    here.service(
        Entry.service("echo", VIP, "{80: 8080}")
            .with("vips", "[\"net-west/%s\"]".formatted(VIP))
            .with(
                "subjectAltNames", "[\"spiffe://east.example/ns/shop/sa/" + server.name() + "\"]"));
    here.workload(
        Entry.workload("remote")
            .with("network", "net-east")
            .with(
                "networkGateway",
                "{destination: \"net-east/%s\", hboneMtlsPort: 15008}".formatted(ip))
            .serving("echo", 80, PORT));
    return here;
  }

  private Cluster eastern(Lab.Pod server) {
    Cluster here = new Cluster(scene, "east", 2);
    here.workload(
        Entry.workload(server, server.ipv4())
            .with("network", "net-east")
            .with("trustDomain", "east.example")
            .with("authorizationPolicies", "[\"shop/no-banned\"]")
            .serving("echo", 80, PORT));
    here.service(Entry.service("echo", "10.97.0.1", "{80: 8080}").with("vips", "[]"));
    here.policy(
        Entry.policy(
            "no-banned",
            "WorkloadSelector",
            "Deny",
            "{principals: [!Exact west.example/ns/shop/sa/banned]}"));
    return here;
  }

  private Daemon daemon(
      Lab.Node node, Cluster cluster, TestPki root, String aliases, Lab.Pod... pods)
      throws IOException {
    NodeCa ca = NodeCa.start(scene, node, tls, root);
    ca.server().signBy(root, roots);
    return cluster.daemon(
        node, ca.environment(Map.of("ZTUNNEL_TRUST_DOMAIN_ALIASES", aliases)), pods);
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
    assertEquals("hihi", PodSockets.exchange(client, InetAddress.ofLiteral(VIP), 80, "hi"));
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
}
