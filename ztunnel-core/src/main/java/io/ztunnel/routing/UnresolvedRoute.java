package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/**
 * A decision that waits for a name service: the workload chosen is known by its hostname only. The
 * caller resolves the hostname (and counts that it did) and goes on with {@link #resolved}.
 * Immutable.
 *
 * @param wanted an address of the family that is preferred
 * @param route what follows from the address
 */
public record UnresolvedRoute(
    Workload workload, InetAddress wanted, Function<InetAddress, Route> route)
    implements RouteResult {
  /** What to resolve. */
  public String hostname() {
    return workload.hostname();
  }

  /** What follows when the name service does not answer, or answers with an error. */
  public RouteFailure failed() {
    return new RouteFailure.NoResolvedAddresses(workload.uid());
  }

  /**
   * Goes on with what the name service answered: a random address of the preferred family, else a
   * random other one.
   *
   * @param addresses all that it answered, A and AAAA
   */
  public RouteResult resolved(List<InetAddress> addresses, RandomGenerator random) {
    if (addresses.isEmpty()) {
      return new RouteFailure.EmptyResolvedAddresses(workload.uid());
    }
    List<InetAddress> sameFamily = new ArrayList<>(addresses);
    sameFamily.removeIf(address -> !address.getClass().equals(wanted.getClass()));
    List<InetAddress> eligible = sameFamily.isEmpty() ? addresses : sameFamily;
    return route.apply(eligible.get(random.nextInt(eligible.size())));
  }
}
