package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/**
 * The address at which a workload is dialled. Immutable.
 *
 * @param keys what is avoided should it fail: the workload's uid; of one that a name service knows
 *     by several addresses this one, and the uid only when there is none left
 * @param others how many other addresses could be tried
 */
record PickedAddress(InetAddress ip, List<String> keys, int others) {
  PickedAddress {
    keys = List.copyOf(keys);
  }

  /** One that the workload's record has. */
  static PickedAddress ofRecord(Workload workload, InetAddress ip) {
    return new PickedAddress(ip, List.of(workload.uid()), 0);
  }

  /** The same, but nothing is avoided should it fail. */
  PickedAddress withoutKeys() {
    return new PickedAddress(ip, List.of(), others);
  }

  /**
   * One of those that a name service has: of the best tier, of the preferred family if it can be,
   * at random.
   *
   * @param all one at least
   */
  static PickedAddress ofName(
      Workload workload,
      InetAddress wanted,
      List<InetAddress> all,
      Function<String, Tier> tier,
      RandomGenerator random) {
    List<InetAddress> best = new ArrayList<>(all.size());
    Tier bestTier = Tier.FAILED;
    int notFailed = 0;
    int usable = 0;
    for (InetAddress ip : all) {
      Tier its = tier.apply(Hop.key(workload, ip));
      notFailed += its == Tier.FAILED ? 0 : 1;
      usable += its == Tier.USABLE ? 1 : 0;
      if (its.compareTo(bestTier) < 0) {
        bestTier = its;
        best.clear();
      }
      if (its == bestTier) {
        best.add(ip);
      }
    }
    List<InetAddress> family = new ArrayList<>(best);
    family.removeIf(ip -> !ip.getClass().equals(wanted.getClass()));
    List<InetAddress> eligible = family.isEmpty() ? best : family;
    InetAddress ip = eligible.get(random.nextInt(eligible.size()));
    String own = Hop.key(workload, ip);
    boolean isLast = usable - (bestTier == Tier.USABLE ? 1 : 0) == 0;
    return new PickedAddress(
        ip, isLast ? List.of(own, workload.uid()) : List.of(own), Math.max(notFailed - 1, 0));
  }
}
