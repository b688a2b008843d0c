package io.ztunnel.bench.lab;

import com.google.protobuf.CodedOutputStream;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;

/**
 * A workload as a control plane sends it: of namespace {@code shop}, its service account named as
 * itself. It speaks HBONE. For one thread.
 */
public final class WireWorkload {
  private static final int HBONE = 1;

  private final String name;
  private final List<InetAddress> addresses = new ArrayList<>();
  private final List<String> policies = new ArrayList<>();
  private final List<Serving> serving = new ArrayList<>();
  private String node = "elsewhere";
  private String workloadName;
  private byte[] ballast = new byte[0];

  /** The part that a workload has in a service. */
  private record Serving(String service, int port, int targetPort) {
    void writeTo(CodedOutputStream out) throws IOException {
      byte[] ports =
          WireMesh.message(list -> list.writeByteArray(1, WireMesh.port(port, targetPort)));
      out.writeString(1, WireMesh.NAMESPACE + '/' + WireMesh.hostname(service));
      out.writeByteArray(2, ports);
    }
  }

  private WireWorkload(String name) {
    this.name = name;
    this.workloadName = name;
  }

  /** Not on any node of the lab, without an address. */
  public static WireWorkload named(String name) {
    return new WireWorkload(name);
  }

  /** A pod of the lab. */
  public static WireWorkload of(Lab.Pod pod) {
    WireWorkload workload = new WireWorkload(pod.name()).at(pod.ipv4());
    workload.node = Daemon.nodeName(pod.node());
    return workload;
  }

  /** Has these addresses, too. */
  public WireWorkload at(InetAddress... more) {
    addresses.addAll(List.of(more));
    return this;
  }

  /** Is one of this deployment. */
  public WireWorkload ofDeployment(String deployment) {
    workloadName = deployment;
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

  /** Carries an extension of this size, which nobody reads. */
  public WireWorkload weighing(int bytes) {
    ballast = new byte[bytes];
    return this;
  }

  /** The resource. */
  public FakeControlPlane.Entry entry() {
    String uid = "lab//Pod/" + WireMesh.NAMESPACE + '/' + name;
    byte[] workload = WireMesh.message(out -> writeTo(out, uid));
    FakeControlPlane.Entry entry =
        FakeControlPlane.Entry.of(uid, WireMesh.message(out -> out.writeByteArray(1, workload)));
    return addresses.isEmpty() ? entry : entry.aliases("/" + addresses.getFirst().getHostAddress());
  }

  private void writeTo(CodedOutputStream out, String uid) throws IOException {
    out.writeString(1, name);
    out.writeString(2, WireMesh.NAMESPACE);
    for (InetAddress address : addresses) {
      out.writeByteArray(3, address.getAddress());
    }
    out.writeEnum(5, HBONE);
    out.writeString(6, "cluster.local");
    out.writeString(7, name);
    out.writeString(9, node);
    out.writeString(10, workloadName);
    out.writeString(11, "v1");
    out.writeString(13, workloadName);
    for (String policy : policies) {
      out.writeString(16, policy);
    }
    out.writeString(18, "Kubernetes");
    out.writeString(20, uid);
    for (Serving one : serving) {
      out.writeByteArray(22, WireMesh.message(one::writeTo));
    }
    if (ballast.length > 0) {
      out.writeByteArray(26, WireMesh.message(extension -> extension.writeByteArray(2, ballast)));
    }
  }
}
