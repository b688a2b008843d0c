package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.MeshUpdate;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/**
 * An update of the mesh in slices, which become visible together. The control thread makes one at a
 * time, each behind what others have it do. Confined to the thread that adds the slices, and from
 * {@link #finish} on to the control thread.
 */
final class SlicedUpdate {
  /** How many endpoints are put into their services at once. */
  private static final int ENDPOINTS = 1_000;

  private final MeshState mesh;
  private final EventExecutor control;
  private final int workloads;
  private final Queue<Consumer<MeshUpdate>> slices = new ArrayDeque<>();
  private final CompletableFuture<Void> done = new CompletableFuture<>();

  /**
   * An update without slices.
   *
   * @param workloads how many of them the slices add, as far as is known
   */
  SlicedUpdate(MeshState mesh, EventExecutor control, int workloads) {
    this.mesh = mesh;
    this.control = control;
    this.workloads = workloads;
  }

  /** Adds a slice, to be made behind those before it: a few milliseconds of work. */
  void add(Consumer<MeshUpdate> slice) {
    slices.add(slice);
  }

  /** Makes the slices and shows them. Done then; if any of them throws, nothing is shown. */
  CompletionStage<Void> finish() {
    control.execute(
        () -> {
          mesh.hold(workloads);
          make();
        });
    return done;
  }

  private void make() {
    try {
      Consumer<MeshUpdate> slice = slices.poll();
      if (slice != null) {
        mesh.update(slice);
      } else if (!mesh.settle(ENDPOINTS)) {
        mesh.show();
        done.complete(null);
        return;
      }
      control.execute(this::make);
    } catch (RuntimeException e) {
      mesh.drop();
      done.completeExceptionally(e);
    }
  }
}
