package io.ztunnel.bench.scenarios;

import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.identity.CaServer;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The control plane's CA as one daemon reaches it, on the loopback address of its node or pod, with
 * the files that the daemon needs for it. For one thread.
 */
final class NodeCa implements Closeable {
  private static final int PORT = 15012;
  private static final String TOKEN = "first-token";

  private final NetworkNamespace namespace;
  private final CaServer server;
  private final Volume roots;
  private final Volume token;

  private NodeCa(NetworkNamespace namespace, CaServer server, Volume roots, Volume token) {
    this.namespace = namespace;
    this.server = server;
    this.roots = roots;
    this.token = token;
  }

  /** Starts it. */
  static NodeCa start(Scene scene, Lab.Node node, TestPki tls, TestPki authority)
      throws IOException {
    return start(scene, node, "node-" + node.index(), tls, authority);
  }

  /** The same for a daemon that runs in a pod. */
  static NodeCa start(Scene scene, Lab.Pod pod, TestPki tls, TestPki authority) throws IOException {
    return start(scene, pod, pod.name(), tls, authority);
  }

  private static NodeCa start(
      Scene scene, Lab.Place place, String name, TestPki tls, TestPki authority)
      throws IOException {
    Path files = scene.lab().directory().resolve("ca-" + name);
    NetworkNamespace namespace = place.open();
    CaServer server = CaServer.start(tls, authority, PORT, () -> socketIn(namespace));
    server.expectToken(TOKEN);
    NodeCa ca =
        new NodeCa(
            namespace,
            server,
            Volume.create(
                files.resolve("roots"),
                "root-cert.pem",
                TestPki.pem(List.of(tls.rootCertificate()))),
            Volume.create(files.resolve("tokens"), "istio-token", TOKEN + "\n"));
    scene.closeLater(ca);
    return ca;
  }

  private static NioServerSocketChannel socketIn(NetworkNamespace namespace) {
    try {
      return namespace.call(() -> new NioServerSocketChannel());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  CaServer server() {
    return server;
  }

  /** The file with the roots of the CA's own TLS. */
  Volume roots() {
    return roots;
  }

  Volume token() {
    return token;
  }

  /** What a daemon needs to ask this CA, and more. */
  Map<String, String> environment(Map<String, String> more) {
    Map<String, String> variables = new TreeMap<>();
    variables.put("FAKE_CA", "false");
    variables.put("CA_ADDRESS", server.address());
    variables.put("CA_ROOT_CA", roots.file().toString());
    variables.put("AUTH_TOKEN", token.file().toString());
    variables.put("ZTUNNEL_CA_TIMEOUT", "2s");
    // Each call makes a new tunnel soon, and so shakes hands.
    variables.put("POOL_UNUSED_RELEASE_TIMEOUT", "100ms");
    variables.putAll(more);
    return variables;
  }

  @Override
  public void close() {
    server.close();
    namespace.close();
  }
}
