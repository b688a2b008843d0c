package io.ztunnel.bench.lab;

import com.google.protobuf.CodedOutputStream;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.FakeControlPlane;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;

/**
 * Services and policies of namespace {@code shop} as a control plane sends them; see also {@link
 * WireWorkload}. Stateless.
 */
public final class WireMesh {
  static final String NAMESPACE = "shop";

  /** Where nodes, gateways and waypoints take tunnels. */
  static final int HBONE_PORT = 15008;

  private static final int DENY = 1;

  private WireMesh() {}

  /** Whom a policy is for. */
  public enum Scope {
    /** All workloads of its namespace. */
    NAMESPACE(1),
    /** The workloads that name it. */
    SELECTED(2);

    private final int number;

    Scope(int number) {
      this.number = number;
    }
  }

  /** Writes the fields of a message. */
  interface Fields {
    void writeTo(CodedOutputStream out) throws IOException;
  }

  static byte[] message(Fields fields) {
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

  static byte[] port(int port, int targetPort) {
    return message(
        out -> {
          out.writeUInt32(1, port);
          out.writeUInt32(2, targetPort);
        });
  }

  /** The identity of a pod, as policies have it. */
  public static String principal(Lab.Pod pod) {
    return "cluster.local/ns/%s/sa/%s".formatted(NAMESPACE, pod.name());
  }

  /** The name under which a control plane knows a policy. */
  public static String qualified(String policy) {
    return NAMESPACE + '/' + policy;
  }

  /** The name of a service of this namespace. */
  public static String hostname(String service) {
    return MeshFile.hostname(service, NAMESPACE);
  }

  static byte[] networkAddress(String network, InetAddress address) {
    return message(
        out -> {
          out.writeString(1, network);
          out.writeByteArray(2, address.getAddress());
        });
  }

  /** A service with an address of its own and one port. */
  public static FakeControlPlane.Entry service(
      String name, InetAddress vip, int port, int targetPort) {
    return new WireService(name, port, targetPort).at("", vip).entry();
  }

  /** A service of that kind with another one as its waypoint. */
  public static FakeControlPlane.Entry guardedService(
      String name, InetAddress vip, int port, int targetPort, String waypointService) {
    return new WireService(name, port, targetPort).at("", vip).through(waypointService).entry();
  }

  /** Bytes that are no address at all, under a name. */
  public static FakeControlPlane.Entry broken(String name) {
    return FakeControlPlane.Entry.of(name, new byte[] {0x0a, 0x7f, 1});
  }

  /** A policy that denies a port of the workloads that name it. */
  public static FakeControlPlane.Entry denyPort(String name, int port) {
    return deny(name, Scope.SELECTED, match -> match.writeUInt32(9, port));
  }

  /**
   * A policy that denies all to one caller.
   *
   * @param principal the caller's identity without {@code spiffe://}
   */
  public static FakeControlPlane.Entry denyCaller(String name, Scope scope, String principal) {
    byte[] exactly = message(out -> out.writeString(1, principal));
    return deny(name, scope, match -> match.writeByteArray(3, exactly));
  }

  private static FakeControlPlane.Entry deny(String name, Scope scope, Fields match) {
    byte[] matching = message(match);
    byte[] clause = message(out -> out.writeByteArray(2, matching));
    byte[] rule = message(out -> out.writeByteArray(1, clause));
    return FakeControlPlane.Entry.of(
        qualified(name),
        message(
            out -> {
              out.writeString(1, name);
              out.writeString(2, NAMESPACE);
              out.writeEnum(3, scope.number);
              out.writeEnum(4, DENY);
              out.writeByteArray(5, rule);
            }));
  }
}
