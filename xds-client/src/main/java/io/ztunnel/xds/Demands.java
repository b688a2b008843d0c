package io.ztunnel.xds;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The keys that were asked for by name, and who waits for them. Confined to the {@code xds} thread
 * but for {@link #touchAnswered}; outlives streams.
 *
 * <p>A key is answered by a resource of this name or with this alias, or by its removal. It stays
 * subscribed after that. Still it is asked for again when the resource is gone, or when there was
 * none a while ago: istiod tells of what comes into being by its name only, and an address is none.
 */
final class Demands {
  /** How long it is believed that there is no resource of a key. */
  static final long ABSENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** What whoever waits for a key has to do for it. */
  enum Asking {
    /** It must be subscribed. */
    FIRST,
    /** It must be subscribed again; the control plane answers that only if it is not any more. */
    AGAIN,
    /** Nothing: it is known, or asked for already. */
    NONE
  }

  /** One key. The waiters are confined; the rest is written there and read by any thread. */
  static final class Demand {
    private final String key;
    private final List<Waiter> waiters = new ArrayList<>(1);

    /** The names of the resources that answered; empty: there is none. Confined. */
    private final Set<String> resources = new LinkedHashSet<>(1);

    /** Whether an answer is to come. Confined. */
    private boolean asked;

    private volatile boolean answered;

    /** Whether the answer was a resource, and not that there is none. */
    private volatile boolean present;

    private volatile long answeredNanos;
    private volatile long usedNanos;

    private Demand(String key) {
      this.key = key;
    }

    String key() {
      return key;
    }

    boolean isAsked() {
      return asked;
    }

    Set<String> resources() {
      return resources;
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

  /** Whether somebody could answer. Written there, read by any thread. */
  private volatile boolean answerable;

  /** Which keys each resource has answered. Confined. */
  private final Map<String, Set<Demand>> uses = new HashMap<>();

  Demands(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /**
   * Whether there is a control plane to ask. While there is none, what it has said before is
   * believed however long ago that was.
   */
  void setAnswerable(boolean answerable) {
    this.answerable = answerable;
  }

  /** Whether a key was answered, for now; if so it counts as used. Any thread. */
  boolean touchAnswered(String key) {
    Demand demand = demands.get(key);
    if (demand == null || !isAnswered(demand)) {
      return false;
    }
    demand.usedNanos = nanoTime.getAsLong();
    return true;
  }

  private boolean isAnswered(Demand demand) {
    return demand.answered
        && (demand.present
            || !answerable
            || nanoTime.getAsLong() - demand.answeredNanos < ABSENCE_NANOS);
  }

  int size() {
    return demands.size();
  }

  Collection<String> keys() {
    return demands.keySet();
  }

  /** Waits for a key. */
  Asking await(String key, Waiter waiter) {
    boolean isNew = !demands.containsKey(key);
    Demand demand = demands.computeIfAbsent(key, Demand::new);
    demand.usedNanos = nanoTime.getAsLong();
    if (isAnswered(demand)) {
      waiter.complete(DemandOutcome.ANSWERED);
      return Asking.NONE;
    }
    demand.waiters.add(waiter);
    if (demand.asked) {
      return Asking.NONE;
    }
    demand.asked = true;
    return isNew ? Asking.FIRST : Asking.AGAIN;
  }

  /** One who waited has given up. */
  void forget(String key, Waiter waiter) {
    Demand demand = demands.get(key);
    if (demand != null) {
      demand.waiters.remove(waiter);
      demand.asked &= !demand.waiters.isEmpty(); // the next one may have more luck
    }
  }

  /**
   * A key was answered. Those who wait must be told by {@link #complete} once the answer is in
   * effect. Several resources may have one alias, such as the address of a node; all are kept.
   *
   * @param resource the name of the resource; null: there is none
   * @return null if nobody ever asked for this key
   */
  @Nullable Demand answered(String key, @Nullable String resource) {
    Demand demand = demands.get(key);
    if (demand == null) {
      return null;
    }
    if (resource == null) {
      letGo(demand);
      demand.resources.clear();
    } else if (demand.resources.add(resource)) {
      uses.computeIfAbsent(resource, _ -> new HashSet<>(1)).add(demand);
    }
    return demand;
  }

  private void letGo(Demand demand) {
    demand.resources.forEach(resource -> letGo(demand, resource));
  }

  private void letGo(Demand demand, String resource) {
    uses.computeIfPresent(
        resource,
        (_, users) -> {
          users.remove(demand);
          return users.isEmpty() ? null : users;
        });
  }

  /** A resource is gone; who asks for a key that it alone has answered is to ask again. */
  void lost(String resource) {
    Set<Demand> users = uses.remove(resource);
    if (users != null) {
      users.forEach(demand -> lose(demand, resource));
    }
  }

  /**
   * A resource has come with these aliases. Who asks for another key that it alone has answered is
   * to ask again; in place of that key it is wanted by its name, or else it would never be let go
   * of.
   */
  void renamed(String resource, List<String> aliases) {
    Set<Demand> users = uses.get(resource);
    if (users == null) {
      return;
    }
    for (Demand demand : List.copyOf(users)) {
      if (!demand.key.equals(resource) && !aliases.contains(demand.key)) {
        letGo(demand, resource);
        lose(demand, resource);
        demands.computeIfAbsent(resource, Demand::new).usedNanos = nanoTime.getAsLong();
      }
    }
  }

  private static void lose(Demand demand, String resource) {
    demand.resources.remove(resource);
    if (demand.resources.isEmpty()) {
      demand.answered = false;
    }
  }

  /** Whether a resource has answered a key that is still wanted. */
  boolean isUsed(String resource) {
    return uses.containsKey(resource);
  }

  void complete(Demand demand) {
    demand.present = !demand.resources.isEmpty();
    demand.answeredNanos = nanoTime.getAsLong();
    demand.answered = true;
    demand.asked = false;
    tell(demand, DemandOutcome.ANSWERED);
  }

  /**
   * Takes out the keys that nobody waits for and that were not used for the longest time, if there
   * are too many. While there is no control plane to ask, only those to which there is nothing, and
   * no more than must.
   *
   * @param limit of all
   * @param more how many go beyond that
   */
  List<Demand> evict(int limit, int more) {
    boolean all = answerable;
    int keep = all ? limit - more : limit;
    if (demands.size() <= keep) {
      return List.of();
    }
    // The times are read once: they may change while sorting.
    long now = nanoTime.getAsLong();
    List<Aged> idle = new ArrayList<>();
    for (Demand demand : demands.values()) {
      if (demand.waiters.isEmpty() && (all || demand.resources.isEmpty())) {
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
      letGo(demand);
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
