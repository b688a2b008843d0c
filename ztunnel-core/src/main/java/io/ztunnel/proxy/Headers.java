package io.ztunnel.proxy;

import io.ztunnel.hbone.Baggage;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.Forwarded;
import io.ztunnel.hbone.TraceParent;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** What the proxy says about its workloads in the headers of a CONNECT (Istio). Stateless. */
final class Headers {
  private Headers() {}

  /** The request for a tunnel. */
  static ConnectRequest request(
      Workload local, String authority, InetSocketAddress source, @Nullable ServiceName service) {
    return new ConnectRequest(
        authority,
        baggage(local),
        new Forwarded(source, service == null ? null : service.hostname()).toString(),
        TraceParent.random(ThreadLocalRandom.current()).toString(),
        null);
  }

  /** What is told of a workload, in requests of it and in answers for it. */
  static String baggage(Workload workload) {
    return new Baggage(
            workload.clusterId(),
            workload.namespace(),
            baggageType(workload),
            workload.workloadName(),
            workload.canonicalName(),
            workload.canonicalRevision(),
            workload.locality().region(),
            workload.locality().zone())
        .toString();
  }

  /**
   * The type that the workload's name is told under. Peers know four; what else a local file may
   * say is told as what an unknown type of the control plane is taken for (Istio).
   */
  private static String baggageType(Workload workload) {
    String type = workload.workloadType().toLowerCase(Locale.ROOT);
    return switch (type) {
      case "cronjob", "pod", "job" -> type;
      default -> "deployment";
    };
  }
}
