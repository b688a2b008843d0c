package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.Future;
import io.ztunnel.log.LogCapture;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.Peer;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A service all of whose endpoints drop packets, as behind a network policy. */
class SilentEndpointsTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private Lab lab;
  private Lab.Pod client;
  private Lab.Pod silent;
  private NetworkNamespace ofClient;
  private InProcessNode node;
  private MeshState mesh;
  private PodProxy proxy;

  @BeforeEach
  void start() throws Exception {
    String missing = Lab.unavailableReason();
    if (!missing.isEmpty()) {
      System.out.println("SKIPPED, no pods to start a proxy in: " + missing);
    }
    Assumptions.assumeTrue(missing.isEmpty(), missing);
    lab = Lab.create("silent");
    Lab.Node machine = lab.addNode();
    client = machine.addPod("client");
    silent = machine.addPod("silent", Lab.Without.REDIRECTION);
    silent.dropPort(ProxySettings.HBONE_PORT);
    silent.dropPort(8080);
    ofClient = client.open();
    node = new InProcessNode(lab.directory().resolve("ca"));
    mesh = node.mesh();
    proxy =
        node.started(
            ofClient, mesh, new WorkloadInfo("client", "shop", "client"), Duration.ofMinutes(5));
  }

  @AfterEach
  void stop() throws Exception {
    if (lab == null) {
      return;
    }
    try (AutoCloseable _ = lab;
        AutoCloseable _ = ofClient;
        AutoCloseable _ = node) {
      Future<Void> drained = node.inControl(() -> proxy.drain(DrainMode.IMMEDIATE));
      assertTrue(drained.await(10, TimeUnit.SECONDS), "drained in vain");
    }
  }

  private String mesh(String protocol) {
    return """
        workloads:
        - {uid: client, name: client, namespace: shop, serviceAccount: client, node: node-a,
           trustDomain: cluster.local, protocol: HBONE, services: {}, workloadIps: [%1$s]}
        - {uid: one, name: one, namespace: shop, serviceAccount: silent, protocol: %3$s,
           services: {shop/silent.shop.svc: {80: 8080}}, workloadIps: [%2$s]}
        - {uid: two, name: two, namespace: shop, serviceAccount: silent, protocol: %3$s,
           services: {shop/silent.shop.svc: {80: 8080}}, workloadIps: [%2$s]}
        services:
        - {name: silent, namespace: shop, hostname: silent.shop.svc, vips: [/10.96.0.1],
           ports: {80: 8080}}
        """
        .formatted(client.ipv4().getHostAddress(), silent.ipv4().getHostAddress(), protocol);
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "HBONE, 'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: '",
    "TCP,   'io error: '",
  })
  void theFirstOneIsLeftAsOneThatCannotBeDialled(String protocol, String error) throws Exception {
    node.replace(mesh, mesh(protocol));
    String expected = "error=\"" + error + "connection timed out after 2000 ms\"";
    try (LogCapture log = LogCapture.plain("debug");
        Socket _ = Peer.connect(client, InetAddress.ofLiteral("10.96.0.1"), 80, TIMEOUT)) {
      String left = awaitLine(log, "trying another endpoint");
      assertTrue(left.contains(expected), left);
    }
  }

  private static String awaitLine(LogCapture log, String text) {
    long deadline = System.nanoTime() + TIMEOUT.toNanos();
    while (System.nanoTime() - deadline < 0) {
      for (String line : log.lines()) {
        if (line.contains(text)) {
          return line;
        }
      }
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
    }
    throw new AssertionError("no line '" + text + "' in " + log.lines());
  }
}
