package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class RequestedAddressTest {
  @ParameterizedTest(name = "{0} is {1} {2}")
  @CsvSource({
    "1.2.3.4:80,            Numeric, 1.2.3.4:80",
    "[::1]:80,              Numeric, [::1]:80",
    "[fd00:0:0:0:0:0:0:1]:65535, Numeric, [fd00::1]:65535",
    "[::ffff:1.2.3.4]:80,   Numeric, 1.2.3.4:80",
    "1.2.3.4:0,             Numeric, 1.2.3.4:0",
    "echo.shop.svc.cluster.local:8080, Named, echo.shop.svc.cluster.local:8080",
    "Some_Host-1:1,         Named,   Some_Host-1:1",
    "1.2.3:80,              Named,   1.2.3:80",
  })
  void readsAddressesAndHostnames(String authority, String kind, String printed) {
    RequestedAddress address = RequestedAddress.parse(authority);
    assertEquals(
        kind,
        switch (address) {
          case null -> "nothing";
          case RequestedAddress.Numeric _ -> "Numeric";
          case RequestedAddress.Named _ -> "Named";
        });
    assertEquals(printed, String.valueOf(address));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ":",
        ":80",
        "host",
        "host:",
        "1.2.3.4",
        "[::1]",
        "::1:80",
        "host:65536",
        "host:-1",
        "host:+1",
        "host:80x",
        "host: 80",
        "ho st:80",
        "[1.2.3.4]:80",
        "[host]:80",
        "user@host:80",
        "host/x:80",
        "http://host:80",
        "host:000080"
      })
  void readsNothingElse(String authority) {
    assertNull(RequestedAddress.parse(authority));
  }
}
