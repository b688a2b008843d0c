package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.SpiffeId;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** However compactly it is kept, a workload says what it was made of. */
final class WorkloadTest {
  @ParameterizedTest
  @CsvSource({
    "c1//Pod/shop/cart-7d4b9c6f5-x2x8z, cart-7d4b9c6f5-x2x8z",
    "c1//Pod/shop/web-0,                web-0",
    "c1//Pod/shop/cart,                 cart",
    "c1//Pod/shop/cart-,                cart-",
    "c1//Pod/shop/-,                    -",
    "c1//Pod/shop/a-12345678,           a-12345678",
    "c1//Pod/shop/a-123456789,          a-123456789",
    "c1//Pod/shop/a-bücher,             a-bücher",
    "c1//Pod/shop/,                     ''",
    "c2//Pod/shop/cart-x,               cart-x",
    "c1//Pod/other/cart-x,              cart-x",
    "c1//Pod/shop/cart-y,               cart-x",
    "c1//Pod/shop/cart-xy,              cart-x",
    "c1//Pod/shop/cart-x/,              cart-x",
    "c1/networking.istio.io/WorkloadEntry/shop/vm-1, vm-1",
    "'',                                ''",
    "'',                                web-0",
  })
  void hasItsUidAndName(String uid, String name) {
    Workload workload = workload(uid, name, List.of());
    assertEquals(uid, workload.uid());
    assertEquals(name, workload.name());
    assertTrue(workload.hasUid(uid));
    WorkloadInfo info = workload.info();
    assertTrue(workload.isKnownAs(info));
    assertFalse(
        workload.isKnownAs(new WorkloadInfo(name + "x", info.namespace(), info.serviceAccount())));
    assertFalse(workload.isKnownAs(new WorkloadInfo(name, "other", info.serviceAccount())));
    assertFalse(workload.isKnownAs(new WorkloadInfo(name, info.namespace(), "other")));
    assertEquals(uid.hashCode(), workload.uidHash());
    assertEquals(uid.contains("//Pod/"), workload.isPod());
    assertEquals(workload, workload(uid, name, List.of()));
    assertEquals(workload.hashCode(), workload(uid, name, List.of()).hashCode());
    for (String other : List.of(uid + "x", "x" + uid, uid.replace("shop", "shoq"), "c1//Pod/")) {
      assertEquals(other.equals(uid), workload.hasUid(other), other);
      assertEquals(other.equals(uid), workload.hasUidOf(workload(other, name, List.of())), other);
    }
    assertTrue(workload.hasUidOf(workload(uid, "another-1", List.of())), "whatever the name");
    assertTrue(workload(uid, "another-1", List.of()).hasUidOf(workload));
  }

  @Test
  void withAnUsualUidIsNotKeptInTwoForms() {
    Workload derived = workload("c1//Pod/shop/cart-x", "cart-x", List.of());
    Workload stated = workload("c1//Pod/shop/cart-x", "cart-y", List.of());
    assertTrue(derived.hasUidOf(stated));
    assertTrue(stated.hasUidOf(derived));
    assertNotEquals(derived, stated);
    assertFalse(derived.hasUidOf(workload("c1//Pod/shop/cart-y", "cart-y", List.of())));
  }

  @ParameterizedTest
  @CsvSource({
    "''",
    "10.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "fd00::1",
    "10.0.0.1 fd00::1",
    "10.0.0.1 10.0.0.2",
    "fd00::1 10.0.0.1 fd00::2",
  })
  void hasItsAddresses(@Nullable String text) {
    List<String> ips = text == null || text.isEmpty() ? List.of() : List.of(text.split(" ", -1));
    for (String uid : List.of("c1//Pod/shop/cart-x", "vm")) {
      Workload workload = workload(uid, "cart-x", ips);
      assertEquals(ips.stream().map(TestMesh::ip).toList(), workload.ips());
      assertEquals(!ips.isEmpty(), workload.hasIps());
      assertEquals(workload, workload(uid, "cart-x", ips));
      assertNotEquals(
          workload,
          workload(uid, "cart-x", Stream.concat(ips.stream(), Stream.of("10.9.9.9")).toList()));
      MeshState state = TestMesh.state();
      state.update(update -> update.insertWorkload(workload));
      for (String ip : ips) {
        assertEquals(workload, state.view().workload(TestMesh.address("net/" + ip)));
      }
      state.update(update -> update.removeWorkload(uid));
      for (String ip : ips) {
        assertEquals(null, state.view().workload(TestMesh.address("net/" + ip)));
      }
    }
  }

  private static Workload workload(String uid, String name, List<String> ips) {
    return Workload.builder(uid)
        .name(name)
        .identity(new SpiffeId("td", "shop", "sa"))
        .clusterId("c1")
        .network("net")
        .ips(ips.stream().map(TestMesh::ip).toList())
        .build();
  }
}
