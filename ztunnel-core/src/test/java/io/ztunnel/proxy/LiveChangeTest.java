package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.ztunnel.Await;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What a change of the mesh does to connections that are open: two captured pods, each with its
 * proxy and its own view of the mesh, whose connections share one tunnel connection.
 */
class LiveChangeTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);
  private static final int PORT = 8080;
  private static final int OTHER_PORT = 9090;
  private static final String NO_POLICY = "";
  private static final String DENY_OTHER_PORT =
      """
      policies:
      - {name: no-other-port, namespace: shop, scope: Namespace, action: Deny, dryRun: false,
         rules: [[[{destinationPorts: [9090]}]]]}
      """;
  private static final String DENY_SELECTED =
      """
      policies:
      - {name: selected, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false,
         rules: [[[{destinationPorts: [9090]}]]]}
      """;

  private final Lookups lookups = new Lookups();
  private Lab lab;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod outside;
  private NetworkNamespace ofClient;
  private NetworkNamespace ofServer;
  private InProcessNode node;
  private MeshState clientMesh;
  private MeshState serverMesh;
  private PodProxy clientProxy;
  private PodProxy serverProxy;
  private ServerSocket application;
  private ServerSocket otherApplication;

  @BeforeEach
  void start() throws Exception {
    String missing = Lab.unavailableReason();
    if (!missing.isEmpty()) {
      System.out.println("SKIPPED, no pods to start proxies in: " + missing);
    }
    Assumptions.assumeTrue(missing.isEmpty(), missing);
    lab = Lab.create("livechange");
    Lab.Node machine = lab.addNode();
    client = machine.addPod("client");
    server = machine.addPod("server");
    outside = machine.addPod("outside", Lab.Without.REDIRECTION);
    ofClient = client.open();
    ofServer = server.open();
    node = new InProcessNode(lab.directory().resolve("ca"), lookups);
    clientMesh = node.mesh();
    serverMesh = node.mesh();
    node.replace(clientMesh, mesh("", NO_POLICY));
    node.replace(serverMesh, mesh("", NO_POLICY));
    clientProxy = started(ofClient, clientMesh, "client");
    serverProxy = started(ofServer, serverMesh, "server");
    application = Peer.listen(server, PORT);
    otherApplication = Peer.listen(server, OTHER_PORT);
  }

  @AfterEach
  void stop() throws Exception {
    if (lab == null) {
      return;
    }
    try (AutoCloseable _ = lab;
        AutoCloseable _ = ofClient;
        AutoCloseable _ = ofServer;
        AutoCloseable _ = node;
        AutoCloseable _ = application;
        AutoCloseable _ = otherApplication) {
      drain(clientProxy);
      drain(serverProxy);
    }
  }

  private void drain(PodProxy proxy) throws Exception {
    Future<Void> drained = node.inControl(() -> proxy.drain(DrainMode.IMMEDIATE));
    assertTrue(drained.await(10, TimeUnit.SECONDS), "drained in vain");
  }

  private PodProxy started(NetworkNamespace namespace, MeshState mesh, String name)
      throws Exception {
    return node.started(
        namespace, mesh, new WorkloadInfo(name, "shop", name), Duration.ofMinutes(5));
  }

  /** Both pods; what the server has besides, and the policies. */
  private String mesh(String ofServerWorkload, String policies) {
    return "workloads:\n" + workload(client, "") + workload(server, ofServerWorkload) + policies;
  }

  private static String workload(Lab.Pod pod, String more) {
    return """
        - {uid: %1$s, name: %1$s, namespace: shop, serviceAccount: %1$s, node: node-a,
           trustDomain: cluster.local, protocol: HBONE, services: {}, workloadIps: [%2$s]%3$s}
        """
        .formatted(pod.name(), pod.ipv4().getHostAddress(), more);
  }

  /** A control plane that may be slow to tell of one address. */
  private static final class Lookups implements Discovery {
    private final BlockingQueue<Runnable> held = new LinkedBlockingQueue<>();
    private volatile @Nullable InetAddress slow;

    @Override
    public void await(EventLoop loop, NetworkAddress address, Runnable then) {
      if (address.ip().equals(slow)) {
        held.add(() -> loop.execute(then));
      } else {
        then.run();
      }
    }

    @Override
    public void await(EventLoop loop, NamespacedHostname service, Runnable then) {
      then.run();
    }

    @Override
    public Set<GatewayAddress.Destination> unknown(Set<GatewayAddress.Destination> gateways) {
      return new LinkedHashSet<>(gateways);
    }

    @Override
    public void await(EventLoop loop, Set<GatewayAddress.Destination> gateways, Runnable then) {
      then.run();
    }
  }

  /** A client and the application behind a port of the server. */
  private record Conversation(Socket client, Socket application) implements AutoCloseable {
    void goesOn() throws IOException {
      pass(client, application);
      pass(application, client);
    }

    private static void pass(Socket from, Socket to) throws IOException {
      from.getOutputStream().write("ping".getBytes(StandardCharsets.US_ASCII));
      assertEquals(
          "ping", new String(to.getInputStream().readNBytes(4), StandardCharsets.US_ASCII));
    }

    @Override
    public void close() throws IOException {
      client.close();
      application.close();
    }
  }

  private Conversation begin(Lab.Pod from, ServerSocket to) throws IOException {
    Socket socket = Peer.connect(from, server.ipv4(), to.getLocalPort(), TIMEOUT);
    Socket accepted = to.accept();
    accepted.setSoTimeout(Math.toIntExact(TIMEOUT.toMillis()));
    Conversation conversation = new Conversation(socket, accepted);
    conversation.goesOn();
    return conversation;
  }

  /** Reads nothing more: by an end or by a reset, as the peer's bytes were read or not. */
  private static void isOver(Socket socket) {
    try {
      assertEquals(-1, socket.getInputStream().read());
    } catch (SocketException e) {
      // Reset.
    } catch (IOException e) {
      throw new AssertionError("not cut", e);
    }
  }

  private void isCutByPolicy(Conversation conversation) throws Exception {
    isOver(conversation.application());
    isOver(conversation.client());
    String counted =
        "ztunnel_connection_failures_total{reporter=\"destination\",reason=\"policy_changed\"} 1";
    Await.until(counted, () -> node.metricsPage().contains(counted));
    String page = node.metricsPage();
    assertTrue(
        page.lines()
            .anyMatch(
                line ->
                    line.startsWith("istio_tcp_connections_closed_total{reporter=\"destination\"")
                        && line.contains("response_flags=\"DENY\"")),
        page);
  }

  @Test
  void aNewPolicyCutsTheStreamItDeniesAndNoOtherOfItsTunnel() throws Exception {
    try (Conversation allowed = begin(client, application);
        Conversation denied = begin(client, otherApplication)) {
      assertEquals(1, serverProxy.sessions().size());

      node.replace(serverMesh, mesh("", DENY_OTHER_PORT));

      isCutByPolicy(denied);
      allowed.goesOn();
      assertEquals(1, serverProxy.sessions().size());
      try (Conversation later = begin(client, application)) {
        later.goesOn();
      }
      assertEquals(1, serverProxy.sessions().size());
    }
  }

  @Test
  void aPolicyNewlyAttachedToThePodCutsToo() throws Exception {
    node.replace(serverMesh, mesh("", DENY_SELECTED));
    try (Conversation allowed = begin(client, application);
        Conversation denied = begin(client, otherApplication)) {

      node.replace(serverMesh, mesh(", authorizationPolicies: [shop/selected]", DENY_SELECTED));

      isCutByPolicy(denied);
      allowed.goesOn();
    }
  }

  @Test
  void aPolicyAttachedWhileThePeerIsLookedUpIsAsked() throws Exception {
    node.replace(serverMesh, mesh("", DENY_SELECTED));
    lookups.slow = client.ipv4();
    try (Socket denied = Peer.connect(client, server.ipv4(), OTHER_PORT, TIMEOUT)) {
      Runnable answer =
          Objects.requireNonNull(lookups.held.poll(TIMEOUT.toSeconds(), TimeUnit.SECONDS));

      node.replace(serverMesh, mesh(", authorizationPolicies: [shop/selected]", DENY_SELECTED));
      answer.run();

      isOver(denied);
    }
  }

  @Test
  void aClientThatLeavesWhileItIsLookedUpIsTold() throws Exception {
    String counted =
        "ztunnel_connection_failures_total{reporter=\"destination\",reason=\"client_went_away\"} 1";
    lookups.slow = client.ipv4();
    try (Socket cut = Peer.connect(client, server.ipv4(), PORT, TIMEOUT)) {
      Runnable answer =
          Objects.requireNonNull(lookups.held.poll(TIMEOUT.toSeconds(), TimeUnit.SECONDS));

      drain(clientProxy);

      Await.until(counted, () -> node.metricsPage().contains(counted));
      answer.run();
      isOver(cut);
    }
    drain(serverProxy);
    assertTrue(node.metricsPage().contains(counted), "told once");
  }

  @Test
  void aNewPolicyCutsPlainConnections() throws Exception {
    try (Conversation allowed = begin(outside, application);
        Conversation denied = begin(outside, otherApplication)) {

      node.replace(serverMesh, mesh("", DENY_OTHER_PORT));

      isCutByPolicy(denied);
      allowed.goesOn();
    }
  }

  @Test
  void anIdleTunnelOfAWorkloadThatLeavesIsClosedAtOnce() throws Exception {
    begin(client, application).close();
    Await.until("no stream", () -> serverProxy.connections().isEmpty());
    assertEquals(1, serverProxy.sessions().size());

    node.replace(clientMesh, "workloads:\n" + workload(client, ""));

    Await.until("the tunnel is closed", () -> serverProxy.sessions().isEmpty());
  }

  @Test
  void aTunnelInUseOfAWorkloadThatLeavesTakesNoMoreStreamsAndClosesWithItsLast() throws Exception {
    try (Conversation open = begin(client, application)) {
      node.replace(clientMesh, "workloads:\n" + workload(client, ""));
      node.replace(clientMesh, mesh("", NO_POLICY));
      open.goesOn();
      try (Conversation fresh = begin(client, application)) {
        fresh.goesOn();
        assertEquals(2, serverProxy.sessions().size());
      }
    }
    Await.until("the old tunnel is closed", () -> serverProxy.sessions().size() == 1);
  }
}
