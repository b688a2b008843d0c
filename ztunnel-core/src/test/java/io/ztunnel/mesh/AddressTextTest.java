package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.net.InetAddress;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class AddressTextTest {
  @ParameterizedTest(name = "{0} is {1}")
  @CsvSource({
    "10.1.0.7,          10.1.0.7",
    "0.0.0.0,           0.0.0.0",
    "fd00:1::7,         fd00:1::7",
    "FD00:1:0:0:0:0:0:7, fd00:1::7",
    "::,                ::",
    "::ffff:10.1.0.7,   10.1.0.7",
  })
  void readsAddressesAndPrintsTheShortestForm(String text, String printed) {
    assertEquals(printed, IpText.of(Objects.requireNonNull(IpText.parse(text))));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "10",
        "10.1",
        "10.1.7",
        "10.1.0.256",
        "host",
        "[::1]",
        "fe80::1%1",
        " 10.1.0.7"
      })
  void readsNothingElse(String text) {
    assertNull(IpText.parse(text));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "10.0.0.0/8,     10.255.0.1,  true,  inside",
    "10.0.0.0/8,     11.0.0.1,    false, outside",
    "10.1.2.3/24,    10.1.2.200,  true,  host bits do not count",
    "10.1.2.3/32,    10.1.2.3,    true,  one address",
    "10.1.2.3/32,    10.1.2.2,    false, the next address",
    "0.0.0.0/0,      1.2.3.4,     true,  all of a family",
    "0.0.0.0/0,      ::1,         false, the other family",
    "::/0,           1.2.3.4,     false, the other family",
    "fd00:1::/64,    fd00:1::7,   true,  a whole word",
    "fd00:1::/64,    fd00:2::7,   false, a whole word",
    "fd00:1::/65,    fd00:1::7,   true,  more than a word",
    "fd00:1::/65,    fd00:1::8000:0:0:7, false, more than a word",
    "fd00:1::8/125,  fd00:1::f,   true,  less than a byte",
    "fd00:1::8/125,  fd00:1::10,  false, less than a byte",
  })
  void rangesContain(String range, String address, boolean inside, String why) {
    Cidr cidr = Objects.requireNonNull(Cidr.parse(range));
    assertEquals(inside, cidr.contains(IpBits.of(InetAddress.ofLiteral(address))), why);
    assertEquals(range, cidr.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "x/8"
      })
  void readsNoOtherRanges(String text) {
    assertNull(Cidr.parse(text));
  }

  @Test
  void aRangeMustFitItsFamily() {
    var e =
        assertThrows(IllegalArgumentException.class, () -> new Cidr(TestMesh.ip("10.0.0.0"), 64));
    assertEquals("prefix length: 64 (expected: 0-32)", e.getMessage());
  }

  @Test
  void anAddressIsTriedBeforeAHostname() {
    assertEquals(
        new NetworkAddress("net1", TestMesh.ip("192.0.2.10")),
        GatewayAddress.Destination.parse("net1/192.0.2.10"));
    assertEquals(
        new NamespacedHostname("net1", "gw.example.com"),
        GatewayAddress.Destination.parse("net1/gw.example.com"));
    assertNotNull(NetworkAddress.parse("/10.0.0.1"), "the empty network is one");
    assertNull(GatewayAddress.Destination.parse("192.0.2.10"));
  }
}
