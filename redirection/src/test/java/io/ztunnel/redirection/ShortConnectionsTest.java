package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.redirection.ShortConnections.Accepted;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which of the connections of a listener stay on its loop. */
class ShortConnectionsTest {
  private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 5);
  private final ShortConnections connections = new ShortConnections(nanos::get);

  private void pass(long millis) {
    nanos.addAndGet(Duration.ofMillis(millis).toNanos());
  }

  /** One after the other, each for a time. */
  private void come(int count, long eachMillis) {
    for (int i = 0; i < count; i++) {
      Accepted connection = connections.accept();
      pass(eachMillis);
      connections.ended(connection);
    }
  }

  /** Whether the next one stays; it ends at once. */
  private boolean isNextKept() {
    Accepted connection = connections.accept();
    connections.ended(connection);
    return connection.isKept();
  }

  @ParameterizedTest(name = "{0}: {4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a first one                   | 0   | 0   | 0   | false
          63 at once                    | 63  | 0   | 0   | false
          64 at once                    | 64  | 0   | 0   | true
          64 in 64 ms                   | 64  | 1   | 0   | true
          64 in 128 ms                  | 64  | 2   | 0   | false
          640 in 1.28 s                 | 640 | 2   | 0   | false
          640 at once, then a pause     | 640 | 0   | 101 | false
          640 at once, then a short one | 640 | 0   | 100 | true
          long ones                     | 100 | 251 | 0   | false
          """)
  void keptAreThoseThatFollowManyShortOnes(
      String what, int count, long eachMillis, long pauseMillis, boolean kept) {
    come(count, eachMillis);
    pass(pauseMillis);
    assertEquals(kept, isNextKept(), what);
  }

  /** It came before them, and ends among them. */
  @Test
  void aLongOneBeginsTheCountAnew() {
    Accepted first = connections.accept();
    pass(251);
    come(64, 0);
    come(64, 0);
    assertTrue(isNextKept());
    connections.ended(first);
    assertFalse(isNextKept());
    come(62, 0);
    assertFalse(isNextKept());
    assertTrue(isNextKept());
  }

  @Test
  void soManyAreKeptAtATime() {
    come(64, 0);
    List<Accepted> open = new ArrayList<>();
    for (int i = 0; i < 3 * ShortConnections.MAX_KEPT; i++) {
      open.add(connections.accept());
    }
    for (int i = 0; i < open.size(); i++) {
      assertEquals(i < ShortConnections.MAX_KEPT, open.get(i).isKept(), "connection " + i);
    }
    connections.ended(open.get(20)); // not one of them
    assertFalse(connections.accept().isKept());
    connections.ended(open.get(3));
    assertTrue(connections.accept().isKept());
    assertFalse(connections.accept().isKept());
  }

  /** Those that were kept and last are held against later ones for as long as they are open. */
  @Test
  void longOnesThatWereKeptStayCounted() {
    come(64, 0);
    for (int i = 0; i < ShortConnections.MAX_KEPT; i++) {
      assertTrue(connections.accept().isKept());
    }
    pass(1000);
    come(65, 0);
    come(64, 0);
    assertFalse(isNextKept());
  }
}
