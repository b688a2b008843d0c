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
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * Brings workloads and services from the control plane into the mesh. Decodes on the {@code xds}
 * thread and applies on the control thread.
 *
 * <p>A response becomes visible as a whole. A large one is made in slices, so that the control
 * thread does other things in between.
 */
final class AddressWatcher implements ResourceWatcher {
  /** How many changes the control thread makes at once: a few milliseconds. */
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
    return new Batch();
  }

  /**
   * A service goes with the workloads that belong to no other service. Workloads of this node stay:
   * they are sent unasked, and their pods are served by them.
   */
  @Override
  public List<String> released(String name) {
    MeshView view = mesh.view();
    Workload workload = view.workload(name);
    if (workload != null) {
      return isLocal(workload) ? List.of() : List.of(name);
    }
    List<String> released = new ArrayList<>(List.of(name));
    NamespacedHostname key = NamespacedHostname.parse(name);
    Service service = key == null ? null : view.service(key);
    if (service != null) {
      service
          .endpoints()
          .forEach(
              endpoint -> {
                Workload served = view.workload(endpoint.workloadUid());
                if (served != null && !isLocal(served) && view.services(served).size() == 1) {
                  released.add(served.uid());
                }
              });
    }
    return released;
  }

  private boolean isLocal(Workload workload) {
    return node == null || workload.node().equals(node);
  }

  /** The changes of one response. Confined to the xds thread, then to the control thread. */
  private final class Batch implements ResourceBatch {
    private final List<Service> services = new ArrayList<>();
    private final List<String> removed = new ArrayList<>();
    private final List<Workload> workloads = new ArrayList<>();

    /** Of a response that is made in slices. */
    private final CompletableFuture<Void> done = new CompletableFuture<>();

    /** How many of its changes are made. */
    private int made;

    @Override
    public void put(Resource resource) throws ResourceException {
      Addressable address;
      try {
        address =
            decoder.address(resource.bytes(), resource.payloadOffset(), resource.payloadLength());
      } catch (io.ztunnel.mesh.ResourceException e) {
        throw new ResourceException(String.valueOf(e.getMessage()), e);
      }
      switch (address) {
        case Service service -> services.add(service);
        case Workload workload -> workloads.add(workload);
      }
    }

    @Override
    public void remove(String name) {
      removed.add(name);
    }

    @Override
    public CompletionStage<Void> apply() {
      if (size() <= SLICE) {
        return CompletableFuture.runAsync(
            () -> mesh.update(update -> change(update, 0, size())), control);
      }
      // Those of one service together, so that it is changed once and not by every slice.
      workloads.sort(Comparator.comparingInt(Workload::deploymentHash));
      control.execute(
          () -> {
            mesh.hold();
            makeSlice();
          });
      return done;
    }

    private int size() {
      return workloads.size() + services.size() + removed.size();
    }

    /** Makes a slice of the changes; the next one comes behind what others have to do. */
    private void makeSlice() {
      try {
        int from = made;
        made = Math.min(from + SLICE, size());
        mesh.update(update -> change(update, from, made));
        if (made < size()) {
          control.execute(this::makeSlice);
        } else {
          mesh.show();
          done.complete(null);
        }
      } catch (RuntimeException e) {
        mesh.drop();
        done.completeExceptionally(e);
      }
    }

    /** Workloads, then services, then removals, as one list. */
    private void change(MeshUpdate update, int from, int to) {
      part(workloads, from, to).forEach(update::insertWorkload);
      int before = workloads.size();
      part(services, from - before, to - before).forEach(update::insertService);
      before += services.size();
      part(removed, from - before, to - before).forEach(update::remove);
    }

    private static <T> List<T> part(List<T> list, int from, int to) {
      return list.subList(clamp(from, list), clamp(to, list));
    }

    private static int clamp(int index, List<?> list) {
      return Math.clamp(index, 0, list.size());
    }
  }
}
