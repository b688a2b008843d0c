package io.ztunnel.bench.scale;

import io.ztunnel.bench.micro.MeshShape;
import io.ztunnel.bench.micro.ProtoBytes;
import java.net.InetAddress;

/**
 * A real pod of the measured node, beside the many that nobody talks to. Immutable.
 *
 * @param node the name of its node
 */
record NodePod(String name, String namespace, String node, InetAddress address) {
  private static final int HBONE = 1;

  /** Reads what {@link #toString} wrote. */
  static NodePod parse(String text) {
    String[] parts = text.split(",", -1);
    if (parts.length != 4) {
      throw new IllegalArgumentException(text + " (expected: name,namespace,node,address)");
    }
    return new NodePod(parts[0], parts[1], parts[2], InetAddress.ofLiteral(parts[3]));
  }

  String uid() {
    return "%s//Pod/%s/%s".formatted(MeshShape.CLUSTER, namespace, name);
  }

  String alias() {
    return MeshShape.NETWORK + '/' + address.getHostAddress();
  }

  /** An {@code istio.workload.Address}. */
  byte[] workload() {
    byte[] workload =
        ProtoBytes.of(
            out -> {
              out.writeString(1, name);
              out.writeString(2, namespace);
              out.writeByteArray(3, address.getAddress());
              out.writeString(4, MeshShape.NETWORK);
              out.writeEnum(5, HBONE);
              out.writeString(7, name);
              out.writeString(9, node);
              out.writeString(10, name);
              out.writeString(11, "latest");
              out.writeString(13, name);
              out.writeString(18, MeshShape.CLUSTER);
              out.writeString(20, uid());
            });
    return ProtoBytes.of(out -> out.writeByteArray(1, workload));
  }

  @Override
  public String toString() {
    return String.join(",", name, namespace, node, address.getHostAddress());
  }
}
