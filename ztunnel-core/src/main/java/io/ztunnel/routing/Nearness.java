package io.ztunnel.routing;

import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** How near the endpoints of one service are to one source, by the service's preferences. Pure. */
final class Nearness {
  private final @Nullable LoadBalancer balancer;

  /** Where the source is: one text for each preference. */
  private final List<String> here;

  private Nearness(@Nullable LoadBalancer balancer, List<String> here) {
    this.balancer = balancer;
    this.here = here;
  }

  /** To a workload. */
  static Nearness to(Workload source, Service service) {
    LoadBalancer balancer = service.loadBalancer();
    return balancer == null
        ? new Nearness(null, List.of())
        : new Nearness(balancer, balancer.place(source));
  }

  /** To a place of which only the scopes are known that the function tells. */
  static Nearness to(Function<LoadBalancer.Scope, String> source, Service service) {
    LoadBalancer balancer = service.loadBalancer();
    return balancer == null
        ? new Nearness(null, List.of())
        : new Nearness(balancer, balancer.routingPreferences().stream().map(source).toList());
  }

  /** As of its place. */
  int of(Workload endpoint) {
    return balancer == null ? 0 : of(balancer.place(endpoint));
  }

  /**
   * How near a place is, the more the nearer; negative: not near enough. The number of preferences
   * met, from the first on. When the first is the network, an endpoint elsewhere is still compared
   * by the others, and every endpoint of this network beats it.
   */
  int of(List<String> place) {
    if (balancer == null || balancer.mode() == LoadBalancer.Mode.STANDARD) {
      return 0;
    }
    List<LoadBalancer.Scope> preferences = balancer.routingPreferences();
    int met = 0;
    int bonus = 0;
    for (int i = 0; i < preferences.size(); i++) {
      boolean networkFirst = i == 0 && preferences.get(i) == LoadBalancer.Scope.NETWORK;
      if (here.get(i).equals(place.get(i))) {
        met++;
        bonus += networkFirst ? preferences.size() - 1 : 0;
      } else if (!networkFirst) {
        break;
      }
    }
    boolean tooFar = balancer.mode() == LoadBalancer.Mode.STRICT && met < preferences.size();
    return tooFar ? -1 : met + bonus;
  }
}
