package io.ztunnel.proxy;

import io.ztunnel.hbone.Baggage;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.Forwarded;
import io.ztunnel.hbone.TraceParent;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;
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
            workload.workloadType(),
            workload.workloadName(),
            workload.canonicalName(),
            workload.canonicalRevision(),
            workload.locality().region(),
            workload.locality().zone())
        .toString();
  }
}
