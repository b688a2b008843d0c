package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.ServiceName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ExportsTest {
  @ParameterizedTest(name = "{0} and {1}/{2}: {3}")
  @CsvSource({
    "shop/*, shop, cart.shop.svc.cluster.local, true",
    "shop/*, shopping, cart.shopping.svc.cluster.local, false",
    "*/api.*, bank, api.bank.svc.cluster.local, true",
    "*/api.*, bank, my-api.bank.svc.cluster.local, false",
    "*/*.local, bank, a.local, true",
    "*/*.local, bank, a.local.x, false",
    "*/a*b*c, n, aXbYbZc, true",
    "*/a*b*c, n, aXbYbZ, false",
    "n/host, n, host, true",
    "n/host, n, hosts, false",
    "n/host, n, HOST, false",
    "'shop/a, shop/b', shop, b, true",
    "'shop/a, shop/b', shop, c, false",
    "*/*, any, thing, true",
  })
  void patternsMatchTheWholeNames(String text, String namespace, String host, boolean expected) {
    Service service = Service.builder(new ServiceName("x", namespace, host)).build();
    assertEquals(expected, Exports.parse(text).contains(service, "here"));
  }

  @Test
  void printsAsItIsRead() {
    assertEquals("shop/*,*/api.*", Exports.parse("shop/*, */api.*").toString());
    assertInstanceOf(Exports.Global.class, Exports.parse(" "));
    assertEquals("", Exports.parse("").toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"shop", "shop/", "/x", "shop/*,", "a/b/c", "shop/ü", "a b/c"})
  void whatIsNoPatternIsRefused(String text) {
    IllegalArgumentException failure =
        assertThrows(IllegalArgumentException.class, () -> Exports.parse(text));
    assertEquals("expected: namespace/host, * for any text", failure.getMessage());
  }
}
