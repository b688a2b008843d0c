package io.ztunnel.app;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.mesh.MeshChange;
import io.ztunnel.mesh.MeshObserver;
import io.ztunnel.mesh.Protocol;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadChange;
import io.ztunnel.mesh.WorkloadChange.IdentityUse;
import org.jspecify.annotations.Nullable;

/**
 * Has the certificates of this node's workloads ready before their first connection, and drops
 * those whose last workload has gone (Istio; in shared mode only). Called on the control thread.
 */
record CertificatePrefetch(CertificateManager certificates, @Nullable String node, Config.Mode mode)
    implements MeshObserver {
  @Override
  public void onChange(MeshChange change) {
    if (!(mode instanceof Config.Mode.Shared)) {
      return;
    }
    for (WorkloadChange workload : change.workloads()) {
      switch (workload) {
        case WorkloadChange.Added(Workload added) -> prefetch(added);
        case WorkloadChange.Replaced(Workload before, Workload after, IdentityUse use) -> {
          forgetUnused(before, use);
          prefetch(after);
        }
        case WorkloadChange.Removed(Workload removed, IdentityUse use) ->
            forgetUnused(removed, use);
      }
    }
  }

  private void forgetUnused(Workload former, IdentityUse use) {
    if (use == IdentityUse.UNUSED) {
      certificates.forget(former.identity());
    }
  }

  private void prefetch(Workload workload) {
    boolean tunnels = workload.protocol() == Protocol.HBONE || workload.nativeTunnel();
    if (tunnels && workload.node().equals(node)) {
      SpiffeId identity = workload.identity();
      certificates.prefetch(identity);
    }
  }
}
