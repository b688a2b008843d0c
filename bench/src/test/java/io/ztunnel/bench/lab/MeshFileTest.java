package io.ztunnel.bench.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.LocalConfig;
import io.ztunnel.mesh.LocalConfigException;
import io.ztunnel.mesh.Protocol;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.util.List;
import org.junit.jupiter.api.Test;

class MeshFileTest {
  private static final MeshFile.Member CART =
      new MeshFile.Member(
          "cart", "node-2", InetAddress.ofLiteral("10.1.0.2"), InetAddress.ofLiteral("fd00::2"));

  @Test
  void daemonReadsWhatTheLabWrites() throws LocalConfigException {
    String yaml =
        new MeshFile()
            .workload(
                CART,
                "shop",
                "seller",
                List.of(new MeshFile.ServicePort("cart", 80, 8080)),
                List.of("no-crawlers"))
            .service("cart", "shop", "10.96.0.20", 80, 8080)
            .deny("no-crawlers", "shop", "cluster.local/ns/shop/sa/crawler")
            .toString();

    LocalConfig config = LocalConfig.parse(yaml);

    Workload cart = config.workloads().getFirst();
    assertEquals("node-2", cart.node());
    assertEquals("seller", cart.serviceAccount());
    assertEquals(List.of(CART.ipv4(), CART.ipv6()), cart.ips());
    assertEquals(Protocol.HBONE, cart.protocol());
    assertEquals(List.of("shop/no-crawlers"), cart.authorizationPolicies());
    assertEquals(List.of("shop/cart.shop.svc.cluster.local"), cart.sortedServices());
    assertEquals("cart", config.services().getFirst().name().name());
    assertEquals(Authorization.Action.DENY, config.policies().getFirst().action());
  }

  @Test
  void emptyMeshIsReadToo() throws LocalConfigException {
    assertEquals(List.of(), LocalConfig.parse(new MeshFile().toString()).workloads());
  }
}
