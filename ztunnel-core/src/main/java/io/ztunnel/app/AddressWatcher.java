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
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
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

  /** So many slices may wait for the control thread, so that its other tasks come in between. */
  private static final int SLICES_AHEAD = 2;

  /** Limit of the time that a slice waits for the control thread. */
  private static final long PATIENCE_SECONDS = 60;

  private final MeshState mesh;
  private final EventExecutor control;
  private final @Nullable String node;
  private final ResourceDecoder decoder = new ResourceDecoder();
  private final Semaphore ahead = new Semaphore(SLICES_AHEAD);

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

  /** The changes of one response. Confined to the xds thread but for the failure. */
  private final class Batch implements ResourceBatch {
    private final List<Service> services = new ArrayList<>();
    private final List<String> removed = new ArrayList<>();
    private final List<Workload> workloads = new ArrayList<>();
    private final CompletableFuture<Void> done = new CompletableFuture<>();

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
      if (workloads.size() + services.size() + removed.size() <= SLICE) {
        submit(
            update -> {
              workloads.forEach(update::insertWorkload);
              services.forEach(update::insertService);
              removed.forEach(update::remove);
            });
      } else {
        applyInSlices();
      }
      control.execute(() -> done.complete(null));
      return done;
    }

    private void applyInSlices() {
      // Those of one service together, so that it is changed once and not by every slice.
      workloads.sort(Comparator.comparingInt(Workload::deploymentHash));
      control.execute(mesh::hold);
      try {
        submit(workloads, MeshUpdate::insertWorkload);
        submit(services, MeshUpdate::insertService);
        submit(removed, MeshUpdate::remove);
      } catch (RuntimeException e) {
        done.completeExceptionally(e);
        throw e;
      } finally {
        control.execute(this::showAll);
      }
    }

    private void showAll() {
      if (done.isCompletedExceptionally()) {
        mesh.drop();
      } else {
        mesh.show();
      }
    }

    private <T> void submit(List<T> changes, BiConsumer<MeshUpdate, T> change) {
      for (int from = 0; from < changes.size(); from += SLICE) {
        List<T> slice = changes.subList(from, Math.min(from + SLICE, changes.size()));
        submit(update -> slice.forEach(one -> change.accept(update, one)));
      }
    }

    /** Has changes made together, after those submitted before. Waits while too many are ahead. */
    private void submit(Consumer<MeshUpdate> changes) {
      try {
        if (!ahead.tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
          throw new IllegalStateException(
              "the control thread was busy for %d s".formatted(PATIENCE_SECONDS));
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("stopped while the control thread was busy", e);
      }
      control.execute(
          () -> {
            try {
              mesh.update(changes);
            } catch (RuntimeException e) {
              done.completeExceptionally(e);
            } finally {
              ahead.release();
            }
          });
    }
  }
}
