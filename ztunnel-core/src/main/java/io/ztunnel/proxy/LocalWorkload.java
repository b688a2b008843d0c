package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.Registration;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.telemetry.ConnectionFailure;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The mesh's record of the workload that a proxy serves, looked up for each connection: it may
 * change, and may come later than the pod's first connection. Callable from any event loop.
 */
final class LocalWorkload {
  /** How long a connection waits for the record (Istio: 5 s). */
  private static final long WAIT_SECONDS = 5;

  private final MeshState mesh;
  private final WorkloadInfo info;

  LocalWorkload(MeshState mesh, WorkloadInfo info) {
    this.mesh = mesh;
    this.info = info;
  }

  WorkloadInfo info() {
    return info;
  }

  /** The record if it is there. */
  @Nullable Workload now() {
    return mesh.view().localWorkload(info);
  }

  /** The record of now, or the one from before if there is none any more. */
  Workload nowOr(Workload before) {
    @Nullable Workload present = now();
    return present == null ? before : present;
  }

  /**
   * Gives the record to the first of these, at once or when it comes; or after five seconds the
   * second one the reason why it did not. Both are called on the loop.
   */
  void find(EventLoop loop, Consumer<Workload> found, Consumer<ConnectionFailure> unknown) {
    @Nullable Workload present = now();
    if (present != null) {
      found.accept(present);
      return;
    }
    await(loop)
        .addListener(
            (Future<Workload> outcome) -> {
              if (outcome.isSuccess()) {
                found.accept(outcome.getNow());
              } else {
                unknown.accept(Failures.unknown(info));
              }
            });
  }

  /** The record, at once or when it comes; fails after five seconds. Completes on the loop. */
  Future<Workload> await(EventLoop loop) {
    @Nullable Workload present = now();
    if (present != null) {
      return loop.newSucceededFuture(present);
    }
    Promise<Workload> promise = loop.newPromise();
    Registration registration = mesh.awaitLocalWorkload(info, loop, promise::trySuccess);
    ScheduledFuture<?> timer =
        loop.schedule(
            () -> promise.tryFailure(new TimeoutException("workload unknown")),
            WAIT_SECONDS,
            TimeUnit.SECONDS);
    promise.addListener(
        _ -> {
          registration.cancel();
          timer.cancel(false);
        });
    return promise;
  }
}
