package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

final class PortMapTest {
  private static final PortMap PORTS = PortMap.of(Map.of(443, 0, 65535, 65535, 80, 8080));

  @Test
  void findsTargets() {
    assertEquals(8080, PORTS.target(80));
    assertEquals(0, PORTS.target(443));
    assertEquals(65535, PORTS.target(65535));
    assertEquals(PortMap.ABSENT, PORTS.target(8080));
  }

  @Test
  void findsServicePorts() {
    assertEquals(80, PORTS.serviceOf(8080));
    assertEquals(65535, PORTS.serviceOf(65535));
    assertEquals(PortMap.ABSENT, PORTS.serviceOf(80));
  }

  @Test
  void showsItselfInOrder() {
    assertEquals(new TreeMap<>(Map.of(80, 8080, 443, 0, 65535, 65535)), PORTS.asMap());
    assertEquals(PORTS, PortMap.of(PORTS.asMap()));
    assertEquals(PORTS.hashCode(), PortMap.of(PORTS.asMap()).hashCode());
  }

  @Test
  void refusesWhatIsNoPort() {
    var e = assertThrows(IllegalArgumentException.class, () -> PortMap.of(Map.of(80, 65536)));
    assertEquals("target port: 65536 (expected: 0-65535)", e.getMessage());
  }
}
