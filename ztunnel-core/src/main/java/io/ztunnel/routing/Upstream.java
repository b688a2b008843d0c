package io.ztunnel.routing;

import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import org.jspecify.annotations.Nullable;

/** What an address, a waypoint or a gateway turns out to be. Immutable. */
sealed interface Upstream {
  /** There is nothing, or nothing that can be used. */
  record Missing() implements Upstream {}

  /** A service that wants its connections left alone. */
  record OriginalDestination() implements Upstream {}

  /**
   * A workload.
   *
   * @param port where it is to be reached, behind its tunnel if it has one
   * @param service the service it was chosen from; null: it was named by its own address
   * @param wanted the address that was asked for, or one of the family that is preferred
   * @param otherEndpoints how many others of the service could be tried if it failed
   */
  record Chosen(
      Workload workload,
      int port,
      @Nullable Service service,
      InetAddress wanted,
      int otherEndpoints)
      implements Upstream {}
}
