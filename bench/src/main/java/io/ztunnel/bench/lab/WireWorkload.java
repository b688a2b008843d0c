package io.ztunnel.bench.lab;

import com.google.protobuf.CodedOutputStream;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A workload as a control plane sends it: of namespace {@code shop}, its service account named as
 * itself, which speaks HBONE; or what is told of other networks. For one thread.
 */
public final class WireWorkload {
  /** Namespace, name and service account of gateways between networks. */
  static final String SYSTEM_NAMESPACE = "istio-system";

  static final String GATEWAY = "istio-eastwestgateway";

  private static final int NONE = 0;
  private static final int HBONE = 1;
  private static final int UNHEALTHY = 1;

  private final Kind kind;
  private final String name;
  private final String uid;
  private final String namespace;
  private final String account;
  private final List<InetAddress> addresses = new ArrayList<>();
  private final List<String> policies = new ArrayList<>();
  private final List<Serving> serving = new ArrayList<>();
  private String node = "elsewhere";
  private final String workloadName;
  private String network = "";
  private String cluster = "Kubernetes";
  private byte[] ballast = new byte[0];
  private boolean healthy = true;
  private @Nullable Remote remote;

  private enum Kind {
    POD,
    GATEWAY,
    /** It stands for pods of another network, which are not told one by one. */
    BEHIND_GATEWAY
  }

  /** The part that a workload has in a service. */
  private record Serving(String service, int port, int targetPort) {
    String key() {
      return WireMesh.NAMESPACE + '/' + WireMesh.hostname(service);
    }

    void writeTo(CodedOutputStream out) throws IOException {
      byte[] ports =
          WireMesh.message(list -> list.writeByteArray(1, WireMesh.port(port, targetPort)));
      out.writeString(1, key());
      out.writeByteArray(2, ports);
    }
  }

  /** How many pods of another network this stands for, and the gateway to them. */
  private record Remote(InetAddress gateway, int pods) {
    byte[] address(String network) {
      return WireMesh.message(
          out -> {
            out.writeByteArray(2, WireMesh.networkAddress(network, gateway));
            out.writeUInt32(3, WireMesh.HBONE_PORT);
          });
    }
  }

  private WireWorkload(Kind kind, String name, String uid, String namespace, String account) {
    this.kind = kind;
    this.name = name;
    this.uid = uid;
    this.namespace = namespace;
    this.account = account;
    this.workloadName = name;
  }

  /** Not on any node of the lab, without an address. */
  public static WireWorkload named(String name) {
    String uid = "lab//Pod/" + WireMesh.NAMESPACE + '/' + name;
    return new WireWorkload(Kind.POD, name, uid, WireMesh.NAMESPACE, name);
  }

  /** The gateway into another network: who it has to be, and where. */
  public static WireWorkload gateway(String network, InetAddress address) {
    String uid = "NetworkGateway/%s/%s/0".formatted(network, address.getHostAddress());
    return new WireWorkload(Kind.GATEWAY, uid, uid, SYSTEM_NAMESPACE, GATEWAY)
        .at(address)
        .in(network, "");
  }

  /** All pods that a service has in another network, as its gateway there. */
  public static WireWorkload behind(
      InetAddress gateway, String network, String cluster, String service, int pods) {
    String uid =
        "%s/SplitHorizonWorkload/%s/%s/%s/%s/%s"
            .formatted(
                network,
                SYSTEM_NAMESPACE,
                GATEWAY,
                gateway.getHostAddress(),
                WireMesh.NAMESPACE,
                WireMesh.hostname(service));
    WireWorkload all =
        new WireWorkload(Kind.BEHIND_GATEWAY, uid, uid, WireMesh.NAMESPACE, "")
            .in(network, cluster);
    all.remote = new Remote(gateway, pods);
    return all;
  }

  /** A pod of the lab. */
  public static WireWorkload of(Lab.Pod pod) {
    WireWorkload workload = named(pod.name()).at(pod.ipv4());
    workload.node = Daemon.nodeName(pod.node());
    return workload;
  }

  /** Has these addresses, too. */
  public WireWorkload at(InetAddress... more) {
    addresses.addAll(List.of(more));
    return this;
  }

  /** Is in this network, of this cluster. */
  public WireWorkload in(String itsNetwork, String itsCluster) {
    network = itsNetwork;
    cluster = itsCluster;
    return this;
  }

  /** Is selected by this policy of its namespace, too. */
  public WireWorkload under(String policy) {
    policies.add(WireMesh.NAMESPACE + '/' + policy);
    return this;
  }

  /** Serves this port of a service of its namespace, too. */
  public WireWorkload serving(String service, int port, int targetPort) {
    serving.add(new Serving(service, port, targetPort));
    return this;
  }

  /** Whether it is ready to be called; unless told otherwise it is. */
  public WireWorkload healthy(boolean itIs) {
    healthy = itIs;
    return this;
  }

  /** Carries an extension of this size, which nobody reads. */
  public WireWorkload weighing(int bytes) {
    ballast = new byte[bytes];
    return this;
  }

  /** The resource. */
  public FakeControlPlane.Entry entry() {
    byte[] workload = WireMesh.message(this::writeTo);
    FakeControlPlane.Entry entry =
        FakeControlPlane.Entry.of(uid, WireMesh.message(out -> out.writeByteArray(1, workload)))
            .onNode(kind == Kind.POD ? node : "")
            .serving(serving.stream().map(Serving::key).toList());
    return addresses.isEmpty()
        ? entry
        : entry.aliases(network + "/" + addresses.getFirst().getHostAddress());
  }

  private void writeTo(CodedOutputStream out) throws IOException {
    out.writeString(1, name);
    out.writeString(2, namespace);
    for (InetAddress address : addresses) {
      out.writeByteArray(3, address.getAddress());
    }
    out.writeString(4, network);
    out.writeEnum(5, kind == Kind.GATEWAY ? NONE : HBONE);
    out.writeString(6, "cluster.local");
    out.writeString(7, account);
    if (kind == Kind.POD) {
      out.writeString(9, node);
      out.writeString(10, workloadName);
      out.writeString(11, "v1");
      out.writeString(13, workloadName);
    }
    for (String policy : policies) {
      out.writeString(16, policy);
    }
    if (!healthy) {
      out.writeEnum(17, UNHEALTHY);
    }
    out.writeString(18, cluster);
    if (remote != null) {
      out.writeByteArray(19, remote.address(network));
    }
    out.writeString(20, uid);
    for (Serving one : serving) {
      out.writeByteArray(22, WireMesh.message(one::writeTo));
    }
    if (ballast.length > 0) {
      out.writeByteArray(26, WireMesh.message(extension -> extension.writeByteArray(2, ballast)));
    }
    if (remote != null) {
      int capacity = remote.pods();
      out.writeByteArray(27, WireMesh.message(value -> value.writeUInt32(1, capacity)));
    }
  }
}
