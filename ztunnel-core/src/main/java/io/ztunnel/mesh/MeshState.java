package io.ztunnel.mesh;

import io.netty.util.concurrent.EventExecutor;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is known of the mesh. Written by the control thread only; read by any thread, through {@link
 * #view}.
 *
 * <p>An update becomes visible as a whole, and costs what it changes.
 */
public final class MeshState {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::state");

  private final EventExecutor control;
  private final @Nullable String localNode;
  private final Set<MeshObserver> observers = new LinkedHashSet<>();
  private final LocalWorkloadWaiters waiters = new LocalWorkloadWaiters();

  /** An update that is made in steps; null: there is none. Confined to the control thread. */
  private @Nullable MeshUpdate held;

  /** Written by the control thread, read by any. */
  private volatile MeshView view = MeshView.EMPTY;

  /**
   * An empty state.
   *
   * @param control the one thread that writes
   * @param localNode the name of this node; null: every workload counts as local
   */
  public MeshState(EventExecutor control, @Nullable String localNode) {
    this.control = control;
    this.localNode = localNode;
  }

  /** The mesh as it is now. Any thread. */
  public MeshView view() {
    return view;
  }

  /**
   * Makes changes, all or (when the action throws) none of them. Control thread. Observers are told
   * before this returns. Between {@link #hold} and {@link #show()} nobody is told, and an action
   * that throws is a reason to {@link #drop}.
   */
  public void update(Consumer<MeshUpdate> changes) {
    assert control.inEventLoop();
    if (held != null) {
      changes.accept(held);
      held.endStep();
      return;
    }
    MeshUpdate update = new MeshUpdate(view, localNode);
    changes.accept(update);
    show(update);
  }

  /**
   * Lets the changes of all updates from now on wait, and become visible together, by {@link
   * #show()}: one large update in many steps, between which the control thread does other things.
   * Control thread.
   *
   * @param workloads how many of them are about to come, as far as is known
   */
  public void hold(int workloads) {
    assert control.inEventLoop();
    if (held == null) {
      held = new MeshUpdate(view, localNode);
      held.expect(workloads);
    }
  }

  /**
   * Does a part of what else {@link #show()} has to do.
   *
   * @param most limit of the endpoints that are put into services
   * @return whether anything was left to do
   */
  public boolean settle(int most) {
    assert control.inEventLoop();
    return held != null && held.settle(most);
  }

  /** Makes visible what waits since {@link #hold}. Control thread. */
  public void show() {
    assert control.inEventLoop();
    MeshUpdate update = held;
    if (update != null) {
      held = null;
      show(update);
    }
  }

  /** Drops what waits since {@link #hold}, as after a failure. Control thread. */
  public void drop() {
    assert control.inEventLoop();
    held = null;
  }

  private void show(MeshUpdate update) {
    MeshChange change = update.finish();
    view = change.after();
    waiters.onChange(change);
    for (MeshObserver observer : Set.copyOf(observers)) {
      tell(observer, change);
    }
  }

  /** Tells of updates from now on. Control thread; the registration may be cancelled there only. */
  public Registration observe(MeshObserver observer) {
    assert control.inEventLoop();
    observers.add(observer);
    return () -> {
      assert control.inEventLoop();
      observers.remove(observer);
    };
  }

  /**
   * Waits for a workload of this node. Any thread. There is no limit of time here: the caller
   * cancels when it has waited long enough.
   *
   * @param executor runs the action, even when the workload is there already
   * @param action called at most once, and never after a cancellation on the executor's thread
   */
  public Registration awaitLocalWorkload(
      WorkloadInfo info, Executor executor, Consumer<Workload> action) {
    LocalWorkloadWaiters.Waiter waiter = new LocalWorkloadWaiters.Waiter(info, executor, action);
    Workload present = view.localWorkload(info);
    if (present != null) {
      waiter.complete(present);
      return waiter::cancel;
    }
    control.execute(
        () -> {
          // It may have come between the look above and now.
          Workload late = view.localWorkload(info);
          if (late != null) {
            waiter.complete(late);
          } else {
            waiters.add(waiter);
          }
        });
    return () -> {
      waiter.cancel();
      control.execute(() -> waiters.remove(waiter));
    };
  }

  private static void tell(MeshObserver observer, MeshChange change) {
    try {
      observer.onChange(change);
    } catch (RuntimeException e) {
      // The others, and the state itself, must not suffer for it.
      LOG.error("an observer of the mesh failed", e);
    }
  }
}
