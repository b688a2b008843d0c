package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedReader;
import java.io.StringReader;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ListenTableTest {
  /** As the kernel writes it, with fewer columns at the end: listeners first. */
  private static final String TABLE =
      """
        sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
         0: 00000000:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
         1: 00000000:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
         2: 0100007F:3AA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
         3: 0100007F:3AA0 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0
         4: 0100007F:3AA0 0100007F:C002 06 00000000:00000000 00:00000000 00000000     0
      """;

  @ParameterizedTest
  @CsvSource({"15001, 2", "15008, 1", "49153, 0", "15006, 0"})
  void listenersOfAPortAreCountedAndConnectionsAreNot(int port, int expected) throws Exception {
    try (BufferedReader reader = new BufferedReader(new StringReader(TABLE))) {
      assertEquals(expected, ListenTable.listeners(reader, port));
    }
  }
}
