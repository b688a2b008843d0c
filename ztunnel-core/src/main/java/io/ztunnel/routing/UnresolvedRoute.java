package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.util.List;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/**
 * A decision that waits for a name service: the workload chosen is known by its hostname only. The
 * caller resolves the hostname (and counts that it did) and goes on with {@link #resolved}.
 * Immutable.
 */
public final class UnresolvedRoute implements RouteResult, Candidate {
  private final Workload workload;
  private final int otherEndpoints;
  private final InetAddress wanted;
  private final Function<String, Tier> tier;
  private final Function<PickedAddress, Route> route;

  /**
   * @param wanted an address of the family that is preferred
   * @param tier whether an address is to be avoided
   * @param route what follows from the address
   */
  UnresolvedRoute(
      Workload workload,
      int otherEndpoints,
      InetAddress wanted,
      Function<String, Tier> tier,
      Function<PickedAddress, Route> route) {
    this.workload = workload;
    this.otherEndpoints = otherEndpoints;
    this.wanted = wanted;
    this.tier = tier;
    this.route = route;
  }

  @Override
  public Workload workload() {
    return workload;
  }

  @Override
  public int otherEndpoints() {
    return otherEndpoints;
  }

  @Override
  public List<String> keys() {
    return List.of(workload.uid());
  }

  /** What to resolve. */
  public String hostname() {
    return workload.hostname();
  }

  /** What follows when the name service does not answer, or answers with an error. */
  public RouteFailure failed() {
    return new RouteFailure.NoResolvedAddresses(workload.uid());
  }

  /**
   * Goes on with what the name service answered: a random address of those that are not to be
   * avoided, of the preferred family if there is one.
   *
   * @param addresses all that it answered, A and AAAA
   */
  public RouteResult resolved(List<InetAddress> addresses, RandomGenerator random) {
    return addresses.isEmpty()
        ? new RouteFailure.EmptyResolvedAddresses(workload.uid())
        : route.apply(PickedAddress.ofName(workload, wanted, addresses, tier, random));
  }
}
