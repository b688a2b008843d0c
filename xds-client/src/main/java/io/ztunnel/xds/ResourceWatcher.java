package io.ztunnel.xds;

import java.util.List;

/** The owner of the resources of one type. Called on the {@code xds} thread only. */
public interface ResourceWatcher {
  /**
   * A response has come; empty ones are told too.
   *
   * @param stream the number of the stream, for the log
   */
  ResourceBatch begin(long stream);

  /**
   * On demand only: nobody has asked for this resource for a long time. Answers which resources are
   * not needed without it: at least itself, or none if it is needed for another reason.
   */
  default List<String> released(String name) {
    return List.of(name);
  }
}
