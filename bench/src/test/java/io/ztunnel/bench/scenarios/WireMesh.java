package io.ztunnel.bench.scenarios;

import com.google.protobuf.CodedOutputStream;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.FakeControlPlane;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;

/** Workloads, services and policies as a control plane sends them. Stateless. */
final class WireMesh {
  private static final int HBONE = 1;
  private static final int WORKLOAD_SELECTOR = 2;
  private static final int DENY = 1;

  private WireMesh() {}

  private interface Fields {
    void writeTo(CodedOutputStream out) throws IOException;
  }

  private static byte[] message(Fields fields) {
    try {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      CodedOutputStream out = CodedOutputStream.newInstance(bytes);
      fields.writeTo(out);
      out.flush();
      return bytes.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A pod of namespace {@code shop} that speaks HBONE, as the local mesh file would have it. */
  static FakeControlPlane.Entry pod(Lab.Pod pod, String... policies) {
    return workload(pod.name(), Daemon.nodeName(pod.node()), new byte[0], policies, pod.ipv4());
  }

  /** As above, not on any node of the lab. */
  static FakeControlPlane.Entry workload(String name, InetAddress... addresses) {
    return workload(name, "elsewhere", new byte[0], new String[0], addresses);
  }

  /** As above, with an extension, which nobody reads, of this size. */
  static FakeControlPlane.Entry heavy(String name, int bytes) {
    return workload(name, "elsewhere", new byte[bytes], new String[0]);
  }

  private static FakeControlPlane.Entry workload(
      String name, String node, byte[] ballast, String[] policies, InetAddress... addresses) {
    String uid = "lab//Pod/shop/" + name;
    byte[] workload =
        message(
            out -> {
              out.writeString(1, name);
              out.writeString(2, "shop");
              for (InetAddress address : addresses) {
                out.writeByteArray(3, address.getAddress());
              }
              out.writeEnum(5, HBONE);
              out.writeString(6, "cluster.local");
              out.writeString(7, name);
              out.writeString(9, node);
              out.writeString(13, name + "-app");
              for (String policy : policies) {
                out.writeString(16, policy);
              }
              out.writeString(20, uid);
              if (ballast.length > 0) {
                out.writeByteArray(26, message(extension -> extension.writeByteArray(2, ballast)));
              }
            });
    FakeControlPlane.Entry entry =
        FakeControlPlane.Entry.of(uid, message(out -> out.writeByteArray(1, workload)));
    return addresses.length == 0 ? entry : entry.aliases("/" + addresses[0].getHostAddress());
  }

  /** Bytes that are no address at all, under a name. */
  static FakeControlPlane.Entry broken(String name) {
    return FakeControlPlane.Entry.of(name, new byte[] {0x0a, 0x7f, 1});
  }

  /** A policy of namespace {@code shop} that denies a port of the workloads that name it. */
  static FakeControlPlane.Entry denyPort(String name, int port) {
    byte[] match = message(out -> out.writeUInt32(9, port));
    byte[] clause = message(out -> out.writeByteArray(2, match));
    byte[] rule = message(out -> out.writeByteArray(1, clause));
    return FakeControlPlane.Entry.of(
        "shop/" + name,
        message(
            out -> {
              out.writeString(1, name);
              out.writeString(2, "shop");
              out.writeEnum(3, WORKLOAD_SELECTOR);
              out.writeEnum(4, DENY);
              out.writeByteArray(5, rule);
            }));
  }
}
