package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetSocketAddress;
import org.junit.jupiter.api.Test;

final class SourceLimitsTest {
  private final SourceLimits limits = new SourceLimits(1, 2);

  @Test
  void eachSourceHasItsOwnShare() {
    assertTrue(limits.openConnection("a"));
    assertFalse(limits.openConnection("a"));
    assertTrue(limits.openTunnel("a"));
    assertTrue(limits.openTunnel("a"));
    assertFalse(limits.openTunnel("a"));
    assertTrue(limits.openConnection("b"));
    assertTrue(limits.openTunnel("b"));
    assertEquals(2, limits.sources());
  }

  @Test
  void whatIsGivenBackCanBeHadAgainAndNothingIsKeptOfTheRest() {
    assertTrue(limits.openConnection("a"));
    assertTrue(limits.openTunnel("a"));
    limits.closeConnection("a");
    assertTrue(limits.openConnection("a"));
    limits.closeConnection("a");
    assertEquals(1, limits.sources(), "a tunnel is left");
    limits.closeTunnel("a");
    assertEquals(0, limits.sources());
  }

  @Test
  void aRefusalCountsNothing() {
    SourceLimits none = new SourceLimits(1, 1);
    assertTrue(none.openTunnel("a"));
    assertFalse(none.openTunnel("a"));
    none.closeTunnel("a");
    assertTrue(none.openTunnel("a"));
  }

  @Test
  void aRefusalIsForetoldOfThoseWithTooManyTunnelsOnly() {
    assertNull(limits.refusal("a"));
    assertTrue(limits.openTunnel("a"));
    assertNull(limits.refusal("a"));
    assertTrue(limits.openTunnel("a"));
    assertEquals(limits.tooManyTunnels("a"), limits.refusal("a"));
    assertNull(limits.refusal("b"));
  }

  @Test
  void aClientWithoutACertificateIsCountedByItsAddress() {
    assertEquals("192.0.2.1", SourceLimits.source(new InetSocketAddress("192.0.2.1", 1234)));
    assertEquals("2001:db8::1", SourceLimits.source(new InetSocketAddress("2001:db8::1", 1)));
  }
}
