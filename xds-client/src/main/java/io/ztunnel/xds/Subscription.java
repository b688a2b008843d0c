package io.ztunnel.xds;

/**
 * A type of resource, how much of it is wanted, and who gets it. Immutable.
 *
 * @param typeUrl such as {@code type.googleapis.com/istio.workload.Address}
 */
public record Subscription(String typeUrl, Mode mode, ResourceWatcher watcher) {
  /** How much of a type is wanted. */
  public enum Mode {
    /** All there is; the first complete response makes the client warm. */
    WILDCARD,
    /** What was asked for by {@link XdsClient#demand}. */
    ON_DEMAND
  }
}
