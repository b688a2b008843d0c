package io.ztunnel.xds;

import java.util.concurrent.CompletionStage;

/**
 * The changes of one response, in its order: first what is there, then what is gone. It is read
 * while it comes; if its end never comes, the batch is dropped without {@link #apply}, and nothing
 * of it may be in effect. Confined to the {@code xds} thread.
 */
public interface ResourceBatch {
  /**
   * Takes a resource that is new or changed.
   *
   * @throws ResourceException if it cannot be taken; the others still are
   */
  void put(Resource resource) throws ResourceException;

  /** Takes note that the resource of this name is gone. It may be one that was never taken. */
  void remove(String name);

  /**
   * Makes all that was taken effective. The response is acknowledged when this is done, and the
   * next one is not read before.
   */
  CompletionStage<Void> apply();
}
