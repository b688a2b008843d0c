package io.ztunnel.xds;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The keys that were asked for by name, and who waits for them. Confined to the {@code xds} thread
 * but for {@link #touchAnswered}; outlives streams.
 *
 * <p>A key is answered by a resource of this name or with this alias, or by its removal. It stays
 * subscribed after that, so that there is no need to ask again.
 */
final class Demands {
  /** One key. The waiters are confined; the rest is written there and read by any thread. */
  static final class Demand {
    private final String key;
    private final List<Waiter> waiters = new ArrayList<>(1);

    /** The name of the resource that answered; null: there is none. Confined. */
    private @Nullable String resource;

    private volatile boolean answered;
    private volatile long usedNanos;

    private Demand(String key) {
      this.key = key;
    }

    String key() {
      return key;
    }

    @Nullable String resource() {
      return resource;
    }

    boolean isAnswered() {
      return answered;
    }
  }

  /** One who waits. Confined. */
  static final class Waiter {
    private final Consumer<DemandOutcome> action;
    private boolean done;

    Waiter(Consumer<DemandOutcome> action) {
      this.action = action;
    }

    void complete(DemandOutcome outcome) {
      if (!done) {
        done = true;
        action.accept(outcome);
      }
    }
  }

  private record Aged(Demand demand, long unusedNanos) {}

  private final LongSupplier nanoTime;
  private final Map<String, Demand> demands = new ConcurrentHashMap<>();

  /** How many keys each resource has answered. Confined. */
  private final Map<String, Integer> uses = new HashMap<>();

  Demands(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Whether a key was answered; if so it counts as used just now. Any thread. */
  boolean touchAnswered(String key) {
    Demand demand = demands.get(key);
    if (demand == null || !demand.answered) {
      return false;
    }
    demand.usedNanos = nanoTime.getAsLong();
    return true;
  }

  int size() {
    return demands.size();
  }

  Collection<String> keys() {
    return demands.keySet();
  }

  /** Waits for a key; true if it is new and must be subscribed. */
  boolean await(String key, Waiter waiter) {
    Demand demand = demands.get(key);
    boolean isNew = demand == null;
    if (demand == null) {
      demand = new Demand(key);
      demands.put(key, demand);
    }
    demand.usedNanos = nanoTime.getAsLong();
    if (demand.answered) {
      waiter.complete(DemandOutcome.ANSWERED);
    } else {
      demand.waiters.add(waiter);
    }
    return isNew;
  }

  /** One who waited has given up. */
  void forget(String key, Waiter waiter) {
    Demand demand = demands.get(key);
    if (demand != null) {
      demand.waiters.remove(waiter);
    }
  }

  /**
   * A key was answered. Those who wait must be told by {@link #complete} once the answer is in
   * effect.
   *
   * @param resource the name of the resource; null: there is none
   * @return null if nobody ever asked for this key
   */
  @Nullable Demand answered(String key, @Nullable String resource) {
    Demand demand = demands.get(key);
    if (demand != null) {
      use(demand.resource, -1);
      use(resource, 1);
      demand.resource = resource;
    }
    return demand;
  }

  private void use(@Nullable String resource, int change) {
    if (resource != null) {
      uses.merge(resource, change, (a, b) -> a + b == 0 ? null : a + b);
    }
  }

  /** Whether a resource has answered a key that is still wanted. */
  boolean isUsed(String resource) {
    return uses.containsKey(resource);
  }

  void complete(Demand demand) {
    demand.answered = true;
    tell(demand, DemandOutcome.ANSWERED);
  }

  /**
   * Takes out the keys that nobody waits for and that were not used for the longest time, until so
   * many are left.
   */
  List<Demand> evict(int keep) {
    if (demands.size() <= keep) {
      return List.of();
    }
    // The times are read once: they may change while sorting.
    long now = nanoTime.getAsLong();
    List<Aged> idle = new ArrayList<>();
    for (Demand demand : demands.values()) {
      if (demand.waiters.isEmpty()) {
        idle.add(new Aged(demand, now - demand.usedNanos));
      }
    }
    List<Demand> oldest =
        idle.stream()
            .sorted(Comparator.comparingLong(Aged::unusedNanos).reversed())
            .limit(demands.size() - keep)
            .map(Aged::demand)
            .toList();
    for (Demand demand : oldest) {
      demands.remove(demand.key);
      use(demand.resource, -1);
    }
    return oldest;
  }

  /** Nobody needs to wait any longer. */
  void refuseAll() {
    demands.values().forEach(demand -> tell(demand, DemandOutcome.REFUSED));
  }

  private static void tell(Demand demand, DemandOutcome outcome) {
    List<Waiter> waiters = List.copyOf(demand.waiters);
    demand.waiters.clear();
    waiters.forEach(waiter -> waiter.complete(outcome));
  }
}
