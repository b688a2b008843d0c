package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.util.NetUtil;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AddressesTest {
  @ParameterizedTest
  @CsvSource({
    "00000000000000000000ffff0a000001, 10.0.0.1",
    "00000000000000000000ffffffffffff, 255.255.255.255",
    "00000000000000000000fffe0a000001, ::fffe:a00:1",
    "0000000000000000000000000a000001, ::a00:1",
    "0000000000000000000100000a000001, ::1:0:a00:1",
    "fd00001002400001000000000000000a, fd00:10:240:1::a",
    "00000000000000000000000000000001, ::1",
  })
  void onlyMappedIpv6BecomesIpv4(String hex, String expected) throws Exception {
    byte[] bytes = HexFormat.of().parseHex(hex);
    InetAddress given = Inet6Address.getByAddress(null, bytes, -1); // stays IPv6, even if mapped
    assertEquals(expected, NetUtil.toAddressString(Addresses.canonical(given)));
    InetSocketAddress socket = Addresses.canonical(new InetSocketAddress(given, 80));
    assertEquals(InetAddress.ofLiteral(expected), socket.getAddress());
    assertEquals(80, socket.getPort());
  }

  @Test
  void ipv4StaysAsItIs() {
    InetAddress address = InetAddress.ofLiteral("10.0.0.1");
    assertEquals(address, Addresses.canonical(address));
  }

  @Test
  void unresolvedStaysUnresolved() {
    InetSocketAddress address = InetSocketAddress.createUnresolved("web.shop", 80);
    assertEquals(address, Addresses.canonical(address));
  }
}
