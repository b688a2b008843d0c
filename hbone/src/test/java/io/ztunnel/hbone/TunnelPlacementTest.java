package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TunnelPlacementTest {
  private static final int FULL = TunnelPlacement.TOGETHER;

  /** A connection. Confined to the test's thread. */
  private static final class Connection implements TunnelPlacement.Candidate {
    private final String name;
    private final @Nullable String backend;
    private int tunnels;
    private long lastTurn;

    Connection(String name, @Nullable String backend, int tunnels, long lastTurn) {
      this.name = name;
      this.backend = backend;
      this.tunnels = tunnels;
      this.lastTurn = lastTurn;
    }

    @Override
    public int tunnels() {
      return tunnels;
    }

    @Override
    public @Nullable String backend() {
      return backend;
    }

    @Override
    public long lastTurn() {
      return lastTurn;
    }
  }

  private static Connection connection(
      String name, @Nullable String backend, int tunnels, long lastTurn) {
    return new Connection(name, backend, tunnels, lastTurn);
  }

  record Row(String because, List<Connection> connections, String turn, String carrier) {
    @Override
    public String toString() {
      return because;
    }
  }

  static List<Row> rows() {
    return List.of(
        new Row("the only one", List.of(connection("a", null, 99, 7)), "a", "a"),
        new Row(
            "of unknown backends the one with the fewest",
            List.of(connection("a", null, 2, 1), connection("b", null, 1, 2)),
            "b",
            "b"),
        new Row(
            "of equals the one whose turn is longest ago",
            List.of(connection("a", null, 1, 9), connection("b", null, 1, 3)),
            "b",
            "b"),
        new Row(
            "a backend's connections fill one after the other",
            List.of(connection("a", "x", 3, 2), connection("b", "x", 0, 1)),
            "b",
            "a"),
        new Row(
            "one that is full is left for the next",
            List.of(connection("a", "x", FULL, 2), connection("b", "x", 0, 1)),
            "b",
            "b"),
        new Row(
            "of empty ones the youngest, which stays longest",
            List.of(
                connection("a", "x", 0, 2), connection("b", "x", 0, 1), connection("c", "x", 0, 3)),
            "b",
            "c"),
        new Row(
            "when all are full the one with the fewest",
            List.of(
                connection("a", "x", FULL + 2, 1),
                connection("b", "x", FULL, 2),
                connection("c", "x", FULL + 1, 3)),
            "a",
            "b"),
        new Row(
            "the backend with the fewest for each of its connections",
            List.of(
                connection("a", "x", 4, 1), connection("b", "x", 0, 2), connection("c", "y", 3, 3)),
            "a",
            "a"),
        new Row(
            "not the one with the fewest, when it has as many for each",
            List.of(
                connection("a", "x", 6, 1), connection("b", "x", 0, 2), connection("c", "y", 2, 3)),
            "c",
            "c"),
        new Row(
            "who has not answered yet has no other connection",
            List.of(
                connection("a", "x", 1, 1),
                connection("b", null, 0, 4),
                connection("c", null, 0, 5)),
            "b",
            "b"));
  }

  @ParameterizedTest
  @MethodSource("rows")
  void goesTo(Row row) {
    TunnelPlacement<Connection> placement =
        Objects.requireNonNull(TunnelPlacement.among(row.connections(), List.of()));
    assertEquals(row.turn(), placement.turn().name, "turn");
    assertEquals(row.carrier(), placement.carrier().name, "carrier");
  }

  @Test
  void nowhereIfThereIsNone() {
    assertNull(TunnelPlacement.among(List.<Connection>of(), List.of(connection("a", "x", 1, 1))));
  }

  @Test
  void whatABackendStillHasOnConnectionsThatTakeNoMoreCounts() {
    List<Connection> candidates = List.of(connection("a", "x", 0, 1), connection("b", "y", 2, 2));
    List<Connection> others =
        List.of(
            connection("c", "x", 2, 0), connection("d", "x", 1, 0), connection("e", null, 9, 0));
    assertEquals(
        "b", Objects.requireNonNull(TunnelPlacement.among(candidates, others)).turn().name);
  }

  /** As the gateway has spread connections: three, three and two. */
  private static List<Connection> eight() {
    return IntStream.range(0, 8)
        .mapToObj(i -> connection("c" + i, List.of("x", "y", "z").get(i % 3), 0, 0))
        .collect(Collectors.toCollection(ArrayList::new));
  }

  private static Connection place(List<Connection> connections, long turn) {
    TunnelPlacement<Connection> placement =
        Objects.requireNonNull(TunnelPlacement.among(connections, List.of()));
    placement.turn().lastTurn = turn;
    return placement.carrier();
  }

  @Test
  void eachConnectionStandsForTheSameShareOfTunnelsThatComeOneAfterTheOther() {
    List<Connection> connections = eight();
    Map<String, Integer> shares = new HashMap<>();
    for (int i = 1; i <= 800; i++) {
      String backend = String.valueOf(place(connections, i).backend());
      shares.merge(backend, 1, Integer::sum);
    }
    assertEquals(Map.of("x", 300, "y", 300, "z", 200), shares);
  }

  @Test
  void tunnelsThatStayAreSpreadInTheSameWayOverFewConnections() {
    List<Connection> connections = eight();
    for (int i = 1; i <= 32; i++) {
      place(connections, i).tunnels++;
    }
    Map<String, Integer> shares =
        connections.stream()
            .collect(
                Collectors.groupingBy(
                    each -> String.valueOf(each.backend()),
                    Collectors.summingInt(Connection::tunnels)));
    assertEquals(Map.of("x", 12, "y", 12, "z", 8), shares);
    assertEquals(3, connections.stream().filter(each -> each.tunnels() > 0).count());
  }

  @Test
  void manyTunnelsFillAllConnections() {
    List<Connection> connections = eight();
    for (int i = 1; i <= 8 * 2 * FULL; i++) {
      place(connections, i).tunnels++;
    }
    connections.forEach(each -> assertEquals(2 * FULL, each.tunnels(), each.name));
  }
}
