package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Services by address range: one hash lookup for each prefix length that is in use. Immutable. */
final class CidrIndex {
  private final PersistentMap<Range, List<Service>> byRange;

  /** How many services use each prefix length. */
  private final PersistentMap<Family, int[]> lengths;

  private CidrIndex(
      PersistentMap<Range, List<Service>> byRange, PersistentMap<Family, int[]> lengths) {
    this.byRange = byRange;
    this.lengths = lengths;
  }

  static CidrIndex empty() {
    return new CidrIndex(PersistentMap.empty(), PersistentMap.empty());
  }

  Editor edit() {
    return new Editor(this);
  }

  /**
   * The service whose range has the address: one in the client's namespace first, then the longest
   * prefix, then a canonical one, then the one inserted first (Istio).
   */
  @Nullable Service find(NetworkAddress address, @Nullable String clientNamespace) {
    IpBits ip = IpBits.of(address.ip());
    int[] used = lengths.get(new Family(address.network(), ip.v6()));
    if (used == null) {
      return null;
    }
    Service best = null;
    for (int length = ip.length(); length >= 0; length--) {
      if (used[length] == 0) {
        continue;
      }
      Service candidate =
          first(
              byRange.get(new Range(address.network(), ip.masked(length), length)),
              clientNamespace);
      if (candidate == null) {
        continue;
      }
      if (candidate.namespace().equals(clientNamespace)) {
        return candidate; // no longer prefix had one of this namespace
      }
      if (best == null) {
        best = candidate;
      }
    }
    return best;
  }

  /** The best of equal ranges. */
  private static @Nullable Service first(
      @Nullable List<Service> services, @Nullable String clientNamespace) {
    Service best = null;
    int bestRank = -1;
    for (Service service : services == null ? List.<Service>of() : services) {
      int rank =
          (service.namespace().equals(clientNamespace) ? 2 : 0) + (service.canonical() ? 1 : 0);
      if (service.visibleTo(clientNamespace) && rank > bestRank) {
        best = service;
        bestRank = rank;
      }
    }
    return best;
  }

  private record Range(String network, IpBits prefix, int length) {}

  private record Family(String network, boolean v6) {}

  /** Changes the ranges. Confined to the control thread. */
  static final class Editor {
    private final PersistentMap.Editor<Range, List<Service>> byRange;
    private final PersistentMap.Editor<Family, int[]> lengths;

    private Editor(CidrIndex index) {
      byRange = index.byRange.edit();
      lengths = index.lengths.edit();
    }

    void add(Service service) {
      for (Range range : ranges(service)) {
        Buckets.append(byRange, range, service);
        count(range, 1);
      }
    }

    void remove(Service service) {
      for (Range range : ranges(service)) {
        Buckets.remove(byRange, range, ServiceIndex.Editor.sameKey(service));
        count(range, -1);
      }
    }

    void replace(Service service) {
      for (Range range : ranges(service)) {
        Buckets.replace(byRange, range, ServiceIndex.Editor.sameKey(service), service);
      }
    }

    CidrIndex index() {
      return new CidrIndex(byRange.map(), lengths.map());
    }

    private void count(Range range, int change) {
      Family family = new Family(range.network(), range.prefix().v6());
      int[] before = lengths.get(family);
      int[] after = before == null ? new int[range.prefix().length() + 1] : before.clone();
      after[range.length()] += change;
      if (Arrays.stream(after).allMatch(uses -> uses == 0)) {
        lengths.remove(family);
      } else {
        lengths.put(family, after);
      }
    }

    /** Without duplicates: host bits do not count. */
    private static Set<Range> ranges(Service service) {
      Set<Range> ranges = new LinkedHashSet<>();
      for (NetworkCidr vip : service.cidrVips()) {
        ranges.add(new Range(vip.network(), vip.cidr().prefix(), vip.cidr().length()));
      }
      return ranges;
    }
  }
}
