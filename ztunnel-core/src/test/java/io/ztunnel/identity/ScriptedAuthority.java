package io.ztunnel.identity;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * An authority that answers when the test says so: remembers who was asked for. Confined to the
 * test's thread.
 */
final class ScriptedAuthority implements CertificateAuthority {
  private final EventExecutor executor;
  private final Queue<Promise<KeyMaterial>> open = new ArrayDeque<>();
  final List<SpiffeId> asked = new ArrayList<>();
  boolean closed;

  ScriptedAuthority(EventExecutor executor) {
    this.executor = executor;
  }

  @Override
  public Future<KeyMaterial> sign(SpiffeId identity) {
    asked.add(identity);
    Promise<KeyMaterial> promise = executor.newPromise();
    open.add(promise);
    return promise;
  }

  /** Answers the oldest request that has no answer yet. */
  void answer(KeyMaterial material) {
    open.remove().setSuccess(material);
  }

  /** Refuses the oldest request that has no answer yet. */
  void refuse(String reason) {
    refuseWith(new IOException(reason));
  }

  void refuseWith(Exception cause) {
    open.remove().setFailure(cause);
  }

  @Override
  public void close() {
    closed = true;
  }
}
