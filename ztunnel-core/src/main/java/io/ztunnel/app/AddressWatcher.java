package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.MeshUpdate;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.ResourceDecoder;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import io.ztunnel.xds.Resource;
import io.ztunnel.xds.ResourceBatch;
import io.ztunnel.xds.ResourceException;
import io.ztunnel.xds.ResourceWatcher;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Brings workloads and services from the control plane into the mesh. Decodes on the {@code xds}
 * thread and applies on the control thread.
 *
 * <p>A response becomes visible as a whole. A large one is made in slices, so that the control
 * thread does other things in between.
 */
final class AddressWatcher implements ResourceWatcher {
  /** How much of a response the control thread does at once: a few milliseconds. */
  private static final int SLICE = 1_000;

  private final MeshState mesh;
  private final EventExecutor control;
  private final @Nullable String node;
  private final ResourceDecoder decoder = new ResourceDecoder();

  /**
   * A watcher.
   *
   * @param node the name of this node; null: every workload is local
   */
  AddressWatcher(MeshState mesh, EventExecutor control, @Nullable String node) {
    this.mesh = mesh;
    this.control = control;
    this.node = node;
  }

  @Override
  public ResourceBatch begin(long stream) {
    decoder.endResponse(); // the last one may have had no end
    return new Batch();
  }

  /**
   * Services go with the workloads that belong to no other service. A workload of a service that
   * stays does too: who calls the service may be sent there. Workloads of this node stay, too: they
   * are sent unasked, and their pods are served by them.
   */
  @Override
  public Set<String> released(Set<String> names) {
    MeshView view = mesh.view();
    Set<String> released = new LinkedHashSet<>();
    Set<NamespacedHostname> services = new HashSet<>();
    List<Workload> workloads = new ArrayList<>();
    for (String name : names) {
      Workload workload = view.workload(name);
      if (workload != null) {
        workloads.add(workload);
        continue;
      }
      released.add(name);
      NamespacedHostname key = NamespacedHostname.parse(name);
      Service service = key == null ? null : view.service(key);
      if (service != null) {
        services.add(service.key());
        view.forEachWorkload(service, workloads::add);
      }
    }
    for (Workload workload : workloads) {
      boolean isServing =
          view.services(workload).stream().anyMatch(service -> !services.contains(service.key()));
      if (!isLocal(workload) && !isServing) {
        released.add(workload.uid());
      }
    }
    return released;
  }

  private boolean isLocal(Workload workload) {
    return node == null || workload.node().equals(node);
  }

  /** The changes of one response. Confined to the xds thread, then to the control thread. */
  private final class Batch implements ResourceBatch {
    private final List<Addressable> present = new ArrayList<>();
    private final List<String> removed = new ArrayList<>();

    @Override
    public void put(Resource resource) throws ResourceException {
      try {
        present.add(
            decoder.address(resource.bytes(), resource.payloadOffset(), resource.payloadLength()));
      } catch (io.ztunnel.mesh.ResourceException e) {
        throw new ResourceException(String.valueOf(e.getMessage()), e);
      }
    }

    @Override
    public void remove(String name) {
      removed.add(name);
    }

    @Override
    public CompletionStage<Void> apply() {
      decoder.endResponse();
      if (present.size() + removed.size() <= SLICE) {
        return CompletableFuture.runAsync(
            () ->
                mesh.update(
                    update -> {
                      present.forEach(update::insert);
                      removed.forEach(update::remove);
                    }),
            control);
      }
      SlicedUpdate large = new SlicedUpdate(mesh, control, present.size());
      addSlices(large, present, MeshUpdate::insert);
      addSlices(large, removed, MeshUpdate::remove);
      return large.finish();
    }

    private static <T> void addSlices(
        SlicedUpdate update, List<T> all, BiConsumer<MeshUpdate, T> change) {
      for (int from = 0; from < all.size(); from += SLICE) {
        List<T> slice = all.subList(from, Math.min(from + SLICE, all.size()));
        update.add(changes -> slice.forEach(one -> change.accept(changes, one)));
      }
    }
  }
}
