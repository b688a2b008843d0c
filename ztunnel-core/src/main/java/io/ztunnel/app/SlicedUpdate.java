package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.MeshUpdate;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;

/**
 * An update of the mesh in slices, which become visible together. The control thread, which owns
 * all of it, makes one at a time, each behind what others have it do. While there is one, nobody
 * else updates the mesh. The methods may be called by any one thread.
 */
final class SlicedUpdate {
  /** How many endpoints are put into their services at once. */
  private static final int ENDPOINTS = 1_000;

  private final MeshState mesh;
  private final EventExecutor control;
  private final CompletableFuture<Void> done = new CompletableFuture<>();

  // Confined to the control thread.
  private final Queue<Consumer<MeshUpdate>> slices = new ArrayDeque<>();
  private boolean complete;

  /** Whether {@link #make} is going to be called. */
  private boolean making;

  /** Begins; {@link #finish} or {@link #drop} ends it. */
  SlicedUpdate(MeshState mesh, EventExecutor control) {
    this.mesh = mesh;
    this.control = control;
    control.execute(mesh::hold);
  }

  /** Makes a slice behind those that were added before: a few milliseconds of work. */
  void add(Consumer<MeshUpdate> slice) {
    control.execute(() -> goOn(() -> slices.add(slice)));
  }

  /** Shows all slices when they are made. Done then; if any of them throws, nothing is shown. */
  CompletionStage<Void> finish() {
    control.execute(() -> goOn(() -> complete = true));
    return done;
  }

  /** Shows nothing. */
  void drop() {
    control.execute(() -> fail(new CancellationException("the update is not complete")));
  }

  private void goOn(Runnable news) {
    if (!done.isDone()) { // it may have failed
      news.run();
      if (!making) {
        makeMore();
      }
    }
  }

  private void makeMore() {
    making = complete || !slices.isEmpty();
    if (making) {
      try {
        control.execute(this::make);
      } catch (RejectedExecutionException e) {
        fail(e);
      }
    }
  }

  private void make() {
    if (done.isDone()) {
      return; // it has failed
    }
    try {
      Consumer<MeshUpdate> slice = slices.poll();
      if (slice != null) {
        mesh.update(slice);
      } else if (!mesh.settle(ENDPOINTS)) {
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

  private void fail(RuntimeException cause) {
    if (done.completeExceptionally(cause)) {
      mesh.drop();
      slices.clear();
    }
  }
}
