package io.ztunnel.bench.lab;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AccessLineTest {
  private static final AccessLine LINE =
      new AccessLine(
          "2026-11-21T19:25:45Z\tinfo\taccess\tconnection complete\tsrc.addr=10.240.1.11:60988"
              + " src.workload=\"web\" dst.hbone_addr=a:80 dst.workload=\"cart 1\"");

  @ParameterizedTest
  @CsvSource({
    "src.addr, 10.240.1.11:60988",
    "src.workload, web",
    "dst.workload, cart 1",
    "addr, (no addr)",
    "dst.cluster, (no dst.cluster)"
  })
  void fieldsAreFoundByTheirWholeNamesQuotedOrNot(String name, String value) {
    assertEquals(value, LINE.field(name));
  }

  @Test
  void anotherValueThanExpectedFailsAndIsNamed() {
    assertDoesNotThrow(() -> LINE.expect("src.workload", "web"));
    IOException thrown =
        assertThrows(IOException.class, () -> LINE.expect("src.workload", "crawler"));
    assertEquals("src.workload=web (expected: crawler) in: " + LINE.text(), thrown.getMessage());
  }
}
