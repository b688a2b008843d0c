package io.ztunnel.xds;

import java.util.concurrent.CompletionStage;

/**
 * The changes of one response, in its order: first what is there, then what is gone. Confined to
 * the {@code xds} thread.
 */
public interface ResourceBatch {
  /**
   * Takes a resource that is new or changed.
   *
   * @return the resource's name, best in an instance that the owner keeps anyway: it is kept for as
   *     long as the resource is
   * @throws ResourceException if it cannot be taken; the others still are
   */
  String put(Resource resource) throws ResourceException;

  /** Takes note that the resource of this name is gone. It may be one that was never taken. */
  void remove(String name);

  /**
   * Makes all that was taken effective. The response is acknowledged when this is done, and the
   * next one is not read before.
   */
  CompletionStage<Void> apply();
}
