package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Values by address range, found by one hash lookup for each prefix length in use. Immutable after
 * it was filled.
 */
final class CidrTable<V> {
  private final Map<Range, V> byRange = new HashMap<>();
  private final TreeMap<Family, int[]> lengths = new TreeMap<>();

  /** Gets the value of a range, made by the function if it has none yet. */
  V computeIfAbsent(Cidr range, Supplier<V> value) {
    IpBits prefix = range.prefix();
    lengths.merge(
        Family.of(prefix),
        new int[] {range.length()},
        (known, more) ->
            Arrays.stream(known).anyMatch(length -> length == more[0])
                ? known
                : concat(known, more[0]));
    return byRange.computeIfAbsent(new Range(prefix, range.length()), _ -> value.get());
  }

  /** Calls the action for the value of each range that has the address. */
  void forEach(IpBits address, Consumer<V> action) {
    for (int length : lengths.getOrDefault(Family.of(address), NO_LENGTHS)) {
      V value = byRange.get(new Range(address.masked(length), length));
      if (value != null) {
        action.accept(value);
      }
    }
  }

  boolean contains(IpBits address) {
    for (int length : lengths.getOrDefault(Family.of(address), NO_LENGTHS)) {
      if (byRange.containsKey(new Range(address.masked(length), length))) {
        return true;
      }
    }
    return false;
  }

  private static final int[] NO_LENGTHS = {};

  private static int[] concat(int[] lengths, int length) {
    int[] more = Arrays.copyOf(lengths, lengths.length + 1);
    more[lengths.length] = length;
    return more;
  }

  private record Range(IpBits prefix, int length) {}

  private enum Family {
    V4,
    V6;

    static Family of(IpBits ip) {
      return ip.v6() ? V6 : V4;
    }
  }
}
