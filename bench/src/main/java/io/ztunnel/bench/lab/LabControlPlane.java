package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * The mesh's control plane on a node of a lab, with the file that daemons need to trust it. It runs
 * in this process; only its socket is in the node's namespace. Its server may be used by any
 * thread.
 */
public final class LabControlPlane implements Closeable {
  private final FakeControlPlane server;
  private final String address;
  private final Path roots;

  private LabControlPlane(FakeControlPlane server, String address, Path roots) {
    this.server = server;
    this.address = address;
    this.roots = roots;
  }

  /** Serves the daemon of the node on its loopback address, on a free port. */
  public static LabControlPlane startForNode(
      Lab lab, Lab.Node node, ControlPlanePki pki, FakeControlPlane.Options options)
      throws IOException {
    return start(
        lab,
        node,
        "localhost",
        pki,
        options.address(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0)));
  }

  /** Serves all nodes at the node's own address, on a free port. */
  public static LabControlPlane startForAll(Lab lab, Lab.Node node, ControlPlanePki pki)
      throws IOException {
    String host = node.ipv4().getHostAddress();
    return start(
        lab,
        node,
        host,
        pki,
        FakeControlPlane.options().address(new InetSocketAddress(node.ipv4(), 0)).names(host));
  }

  private static LabControlPlane start(
      Lab lab, Lab.Node node, String host, ControlPlanePki pki, FakeControlPlane.Options options)
      throws IOException {
    Path roots = lab.directory().resolve("xds-root-" + Daemon.nodeName(node) + ".pem");
    Files.writeString(roots, pki.rootPem());
    FakeControlPlane server = options.sockets(() -> socketIn(node)).start(pki);
    return new LabControlPlane(server, host + ":" + server.port(), roots);
  }

  private static ServerSocketChannel socketIn(Lab.Node node) throws IOException {
    try (NetworkNamespace namespace = node.open()) {
      return namespace.call(ServerSocketChannel::open);
    }
  }

  /** The server, to be told what it says. */
  public FakeControlPlane server() {
    return server;
  }

  /** Where daemons find it, as {@code host:port}. */
  String address() {
    return address;
  }

  /** What a daemon needs to ask this control plane. */
  public Map<String, String> environment() {
    return Map.of("XDS_ADDRESS", address, "XDS_ROOT_CA", roots.toString(), "AUTH_TOKEN", "a-token");
  }

  @Override
  public void close() {
    server.close();
  }
}
