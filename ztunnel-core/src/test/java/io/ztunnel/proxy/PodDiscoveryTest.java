package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.netty.channel.EventLoop;
import io.netty.channel.embedded.EmbeddedChannel;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PodDiscoveryTest {
  /** A control plane that answers when the test says so. */
  private static final class Silent implements Discovery {
    final List<Runnable> asked = new ArrayList<>();

    @Override
    public void await(EventLoop loop, NetworkAddress address, Runnable then) {
      asked.add(then);
    }

    @Override
    public void await(EventLoop loop, NamespacedHostname service, Runnable then) {
      asked.add(then);
    }

    @Override
    public Set<GatewayAddress.Destination> unknown(Set<GatewayAddress.Destination> gateways) {
      return gateways;
    }

    @Override
    public void await(EventLoop loop, Set<GatewayAddress.Destination> gateways, Runnable then) {
      asked.add(then);
    }
  }

  private static final NetworkAddress ADDRESS =
      new NetworkAddress("", InetAddress.ofLiteral("192.0.2.1"));

  private final EventLoop loop = new EmbeddedChannel().eventLoop();
  private final Silent controlPlane = new Silent();
  private int goneOn;

  private void ask(Discovery discovery, int count) {
    for (int i = 0; i < count; i++) {
      switch (i % 3) {
        case 0 -> discovery.await(loop, ADDRESS, () -> goneOn++);
        case 1 -> discovery.await(loop, new NamespacedHostname("ns", "host"), () -> goneOn++);
        default -> discovery.await(loop, Set.of(), () -> goneOn++);
      }
    }
  }

  @Test
  void aPodThatHasUsedItsShareUpGoesOnAndOthersMayAsk() {
    Discovery greedy = PodDiscovery.of(controlPlane);
    ask(greedy, PodDiscovery.SHARE + 5);
    assertEquals(5, goneOn);
    assertEquals(PodDiscovery.SHARE, controlPlane.asked.size());
    ask(PodDiscovery.of(controlPlane), 10);
    assertEquals(5, goneOn);
    assertEquals(PodDiscovery.SHARE + 10, controlPlane.asked.size());

    controlPlane.asked.forEach(Runnable::run);
    assertEquals(PodDiscovery.SHARE + 15, goneOn);
    ask(greedy, PodDiscovery.SHARE);
    assertEquals(2 * PodDiscovery.SHARE + 10, controlPlane.asked.size());
  }

  @Test
  void whereNothingIsAskedNothingIsShared() {
    assertSame(Discovery.NOTHING, PodDiscovery.of(Discovery.NOTHING));
  }
}
