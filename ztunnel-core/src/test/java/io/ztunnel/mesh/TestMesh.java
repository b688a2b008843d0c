package io.ztunnel.mesh;

import io.netty.util.concurrent.ImmediateEventExecutor;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/** Meshes for tests, written as the local file is, on the test's own thread. */
public final class TestMesh {
  private TestMesh() {}

  /** An empty mesh; the node's name is {@code node-a}. */
  public static MeshState state() {
    return new MeshState(ImmediateEventExecutor.INSTANCE, "node-a");
  }

  public static MeshState state(String yaml) {
    MeshState state = state();
    config(yaml).replace(state);
    return state;
  }

  public static MeshView view(String yaml) {
    return state(yaml).view();
  }

  public static LocalConfig config(String yaml) {
    try {
      return LocalConfig.parse(yaml);
    } catch (LocalConfigException e) {
      throw new IllegalArgumentException(e);
    }
  }

  public static Workload workload(MeshView view, String uid) {
    Workload workload = view.workload(uid);
    if (workload == null) {
      throw new IllegalArgumentException("no workload " + uid);
    }
    return workload;
  }

  /** {@code ip:port}, an IPv6 address in brackets. */
  public static InetSocketAddress socket(String text) {
    int colon = text.lastIndexOf(':');
    String host = text.substring(0, colon).replace("[", "").replace("]", "");
    return new InetSocketAddress(
        InetAddress.ofLiteral(host), Integer.parseInt(text.substring(colon + 1)));
  }

  public static InetAddress ip(String text) {
    return InetAddress.ofLiteral(text);
  }

  public static NetworkAddress address(String text) {
    NetworkAddress address = NetworkAddress.parse(text);
    if (address == null) {
      throw new IllegalArgumentException(text);
    }
    return address;
  }

  public static NamespacedHostname key(String text) {
    NamespacedHostname key = NamespacedHostname.parse(text);
    if (key == null) {
      throw new IllegalArgumentException(text);
    }
    return key;
  }
}
