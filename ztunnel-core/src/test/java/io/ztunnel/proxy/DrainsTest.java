package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.metrics.MeshRegistry;
import org.junit.jupiter.api.Test;

class DrainsTest {
  private final Drains drains = new Drains(new MeshRegistry());
  private final ConnectionTable first = new ConnectionTable(drains);
  private final ConnectionTable second = new ConnectionTable(drains);

  @Test
  void theProcessIsBusyWhileAnyProxyCarriesSomething() {
    drains.begin(first);
    drains.onOpened();
    drains.onOpened();
    drains.onClosed();
    assertFalse(drains.isIdle());
    drains.onClosed();
    assertTrue(drains.isIdle());
  }

  @Test
  void proxiesThatEndTogetherAgreeThatTheProcessWasIdle() {
    drains.begin(first);
    drains.begin(second);
    assertTrue(drains.isIdle());
    drains.onOpened();
    drains.end(first);
    assertTrue(drains.isIdle(), "the first one accepts no more, so nor does the second one");
    drains.end(second);
    assertFalse(drains.isIdle());
  }
}
