package io.ztunnel.hbone;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * On which of several connections through a gateway the next tunnel goes. Each connection stands
 * for an equal share of them, as the gateway has spread connections over its backends; but those
 * that have reached the same backend share what falls to them by filling one after the other:
 * tunnels that are side by side on one connection share its frames, records and system calls at all
 * three ends. Immutable.
 *
 * @param turn whose share it is
 * @param carrier where the tunnel goes: this one, or another one to the same backend
 */
record TunnelPlacement<C extends TunnelPlacement.Candidate>(C turn, C carrier) {
  /** A connection is filled up to this before the next one to the same backend is. */
  static final int TOGETHER = 16;

  /** A connection. */
  interface Carrier {
    /** Tunnels on it. */
    int tunnels();

    /** Whom it has reached; null: not known, which is taken for somebody who has no other one. */
    @Nullable String backend();
  }

  /** A connection that can take a tunnel. */
  interface Candidate extends Carrier {
    /** Grows with each turn it had: of equals the one with the least is next. */
    long lastTurn();
  }

  /** What connections to one backend have to carry. */
  private static final class Load {
    private int connections;
    private long tunnels;

    void add(Candidate connection) {
      connections++;
      addTunnels(connection);
    }

    void addTunnels(Carrier connection) {
      tunnels += connection.tunnels();
    }

    /** By the tunnels for each connection that can take some. */
    int compareTo(Load other) {
      return Long.compare(tunnels * other.connections, other.tunnels * connections);
    }
  }

  /**
   * Chooses.
   *
   * @param candidates in the order of their birth
   * @param others that can take none, but load their backends
   * @return null if there are no candidates
   */
  static <C extends Candidate> @Nullable TunnelPlacement<C> among(
      List<C> candidates, Iterable<? extends Carrier> others) {
    Map<Object, Load> loads = new HashMap<>();
    for (C each : candidates) {
      loads.computeIfAbsent(whom(each), _ -> new Load()).add(each);
    }
    for (Carrier each : others) {
      @Nullable Load load = loads.get(whom(each));
      if (load != null) {
        load.addTunnels(each);
      }
    }
    @Nullable C turn = null;
    for (C each : candidates) {
      if (turn == null || isBefore(each, turn, loads)) {
        turn = each;
      }
    }
    if (turn == null) {
      return null;
    }
    C carrier = turn;
    for (C each : candidates) {
      if (whom(each).equals(whom(turn)) && isBetter(each, carrier)) {
        carrier = each;
      }
    }
    return new TunnelPlacement<>(turn, carrier);
  }

  private static Object whom(Carrier connection) {
    @Nullable String backend = connection.backend();
    return backend == null ? connection : backend;
  }

  private static boolean isBefore(Candidate one, Candidate other, Map<Object, Load> loads) {
    int order =
        Objects.requireNonNull(loads.get(whom(one)))
            .compareTo(Objects.requireNonNull(loads.get(whom(other))));
    return order != 0 ? order < 0 : one.lastTurn() < other.lastTurn();
  }

  /** Of connections to one backend; of equals the younger one is, which stays longer. */
  private static boolean isBetter(Candidate one, Candidate before) {
    boolean isFull = one.tunnels() >= TOGETHER;
    boolean wasFull = before.tunnels() >= TOGETHER;
    if (isFull || wasFull) {
      return one.tunnels() <= before.tunnels();
    }
    return one.tunnels() >= before.tunnels();
  }
}
