package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedReader;
import java.io.StringReader;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ListenTableTest {
  /** As the kernel writes it, with fewer columns at the end: listeners first. */
  private static final String TABLE =
      """
        sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
         0: 00000000:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
         1: 00000000:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
         2: 0100007F:3AA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
         3: 0100007F:3ACD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
         4: 00000000000000000000000001000000:3ACD 00000000000000000000000000000000:0000 0A 0:0 00:0 0     0
         5: 0100007F:3AA0 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0
         6: 0100007F:3AA0 0100007F:C002 06 00000000:00000000 00:00000000 00000000     0
      """;

  @Test
  void listenersAreCountedByPortAndConnectionsAreNot() throws Exception {
    Map<Integer, Integer> count = new HashMap<>();
    try (BufferedReader reader = new BufferedReader(new StringReader(TABLE))) {
      ListenTable.count(reader, count);
    }
    assertEquals(Map.of(15001, 2, 15008, 1, 15053, 2), count);
  }
}
