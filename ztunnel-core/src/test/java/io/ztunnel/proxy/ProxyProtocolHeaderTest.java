package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.PooledByteBufAllocator;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.TestMesh;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProxyProtocolHeaderTest {
  private static final String SIGNATURE = "0d0a0d0a000d0a515549540a";

  private static String encoded(String source, String destination, @Nullable SpiffeId identity) {
    ByteBuf header =
        new ProxyProtocolHeader(TestMesh.socket(source), TestMesh.socket(destination), identity)
            .encode(PooledByteBufAllocator.DEFAULT);
    try {
      return ByteBufUtil.hexDump(header);
    } finally {
      header.release();
    }
  }

  // Version and command, family, length, source, destination, ports; then type, length and name.
  @ParameterizedTest(name = "{0} to {1} of {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          1.2.3.4:258         | 10.0.0.7:80         |               | 21 11 000c 01020304 0a000007 0102 0050
          1.2.3.4:65535       | 10.0.0.7:0          | t/n/s         | 21 11 0023 01020304 0a000007 ffff 0000 d0 0014 7370696666653a2f2f742f6e732f6e2f73612f73
          [2001:db8::1]:443   | [fd00::7]:8080      |               | 21 21 0024 20010db8000000000000000000000001 fd000000000000000000000000000007 01bb 1f90
          [2001:db8::1]:443   | [fd00::7]:8080      | t/n/s         | 21 21 003b 20010db8000000000000000000000001 fd000000000000000000000000000007 01bb 1f90 d0 0014 7370696666653a2f2f742f6e732f6e2f73612f73
          1.2.3.4:258         | [fd00::7]:8080      |               | 21 01 0000
          [2001:db8::1]:443   | 10.0.0.7:80         | t/n/s         | 21 01 0017 d0 0014 7370696666653a2f2f742f6e732f6e2f73612f73
          """)
  void isByteForByte(
      String source, String destination, @Nullable String identity, String expected) {
    SpiffeId id = null;
    if (identity != null) {
      String[] parts = identity.split("/", -1);
      id = new SpiffeId(parts[0], parts[1], parts[2]);
    }
    assertEquals(SIGNATURE + expected.replace(" ", ""), encoded(source, destination, id));
  }

  @Test
  void theLongestIdentityFits() {
    SpiffeId identity = new SpiffeId("t", "n", "s".repeat(0xffff - 36 - 3 - 19));
    String expected =
        "d0%04x".formatted(identity.toString().length())
            + HexFormat.of().formatHex(identity.toString().getBytes(StandardCharsets.UTF_8));
    String header = encoded("[2001:db8::1]:443", "[fd00::7]:8080", identity);
    assertEquals(SIGNATURE + "2121ffff", header.substring(0, 32));
    assertEquals(expected, header.substring(32 + 2 * 36));
  }
}
