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
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Brings workloads and services from the control plane into the mesh. Decodes on the {@code xds}
 * thread and applies on the control thread.
 *
 * <p>A response becomes visible as a whole. A large one is made in slices, while others of it are
 * decoded, and the control thread does other things in between.
 */
final class AddressWatcher implements ResourceWatcher {
  /** How much the control thread does at once: a few milliseconds. */
  private static final int SLICE = 1_000;

  private final MeshState mesh;
  private final EventExecutor control;
  private final @Nullable String node;
  private final boolean whole;
  private final ResourceDecoder decoder = new ResourceDecoder();

  /**
   * A watcher.
   *
   * @param node the name of this node; null: every workload is local
   * @param whole whether the control plane tells of the whole mesh, unasked: then nobody else
   *     changes the mesh while a response comes, and its changes are prepared meanwhile
   */
  AddressWatcher(MeshState mesh, EventExecutor control, @Nullable String node, boolean whole) {
    this.mesh = mesh;
    this.control = control;
    this.node = node;
    this.whole = whole;
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

  /**
   * The changes of one response. Taken on the xds thread; made on the control thread, which owns
   * what says so.
   */
  private final class Batch implements ResourceBatch {
    private final List<String> removed = new ArrayList<>();
    private final CompletableFuture<Void> done = new CompletableFuture<>();

    /** What is decoded and not handed over. */
    private List<Addressable> decoded = new ArrayList<>();

    /** Whether anything was handed over. */
    private boolean sliced;

    /** What is handed over and not made, in order. Control thread. */
    private final Queue<Consumer<MeshUpdate>> slices = new ArrayDeque<>();

    /** Whether all slices are there. Control thread. */
    private boolean complete;

    /** Whether {@link #makeSlice} will be called. Control thread. */
    private boolean making;

    @Override
    public void put(Resource resource) throws ResourceException {
      try {
        decoded.add(
            decoder.address(resource.bytes(), resource.payloadOffset(), resource.payloadLength()));
      } catch (io.ztunnel.mesh.ResourceException e) {
        throw new ResourceException(String.valueOf(e.getMessage()), e);
      }
      if (whole && decoded.size() == SLICE) {
        handOver(decoded);
        decoded = new ArrayList<>(SLICE);
      }
    }

    @Override
    public void remove(String name) {
      removed.add(name);
    }

    @Override
    public CompletionStage<Void> apply() {
      decoder.endResponse();
      if (!sliced && decoded.size() + removed.size() <= SLICE) {
        return CompletableFuture.runAsync(
            () ->
                mesh.update(
                    update -> {
                      decoded.forEach(update::insert);
                      removed.forEach(update::remove);
                    }),
            control);
      }
      forEachSlice(decoded, this::handOver);
      forEachSlice(removed, names -> handOver(update -> names.forEach(update::remove)));
      control.execute(() -> goOn(() -> complete = true));
      return done;
    }

    @Override
    public void drop() {
      decoder.endResponse();
      if (sliced) {
        control.execute(() -> fail(new CancellationException("the response has no end")));
      }
    }

    private <T> void forEachSlice(List<T> all, Consumer<List<T>> action) {
      for (int from = 0; from < all.size(); from += SLICE) {
        action.accept(all.subList(from, Math.min(from + SLICE, all.size())));
      }
    }

    private void handOver(List<Addressable> slice) {
      handOver(update -> slice.forEach(update::insert));
    }

    private void handOver(Consumer<MeshUpdate> slice) {
      if (!sliced) {
        sliced = true;
        control.execute(mesh::hold);
      }
      control.execute(() -> goOn(() -> slices.add(slice)));
    }

    private void goOn(Runnable news) {
      if (done.isDone()) {
        return; // it has failed
      }
      news.run();
      if (!making) {
        makeMore();
      }
    }

    /** The next slice comes behind what others have to do. */
    private void makeMore() {
      making = complete || !slices.isEmpty();
      if (making) {
        try {
          control.execute(this::makeSlice);
        } catch (RejectedExecutionException e) {
          fail(e);
        }
      }
    }

    private void makeSlice() {
      if (done.isDone()) {
        return; // it has failed
      }
      try {
        Consumer<MeshUpdate> slice = slices.poll();
        if (slice != null) {
          mesh.update(slice);
        } else if (!mesh.settle(SLICE)) {
          mesh.show();
          done.complete(null);
          return;
        }
      } catch (RuntimeException e) {
        fail(e);
        return;
      }
      makeMore();
    }

    /** Nothing of it will be in effect. Control thread. */
    private void fail(RuntimeException cause) {
      if (done.completeExceptionally(cause)) {
        mesh.drop();
        slices.clear();
      }
    }
  }
}
