package io.ztunnel.xds;

import java.util.Set;

/** The owner of the resources of one type. Called on the {@code xds} thread only. */
public interface ResourceWatcher {
  /**
   * A response has come; empty ones are told too.
   *
   * @param stream the number of the stream, for the log
   */
  ResourceBatch begin(long stream);

  /**
   * On demand only: nobody has asked for these resources for a long time. Answers which resources
   * are not needed without them: they themselves, but for those that are needed for another reason,
   * and others.
   */
  default Set<String> released(Set<String> names) {
    return names;
  }
}
