package io.ztunnel.xds;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.ztunnel.xds.FakeControlPlane.Entry;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ResponseReaderTest {
  private static final String TYPE = FakeControlPlane.ADDRESS;

  private final List<String> seen = new ArrayList<>();
  private final ResponseReader reader =
      new ResponseReader(
          new ResponseReader.Sink() {
            @Override
            public void onResource(Resource resource) {
              resource.read();
              String payload = new String(resource.payload(), UTF_8);
              seen.add(
                  "%s=%s of %s"
                      .formatted(
                          resource.name(),
                          payload.length() > 10 ? payload.length() : payload,
                          resource.payloadType()));
            }

            @Override
            public void onEnd(ResponseReader.Summary summary) {
              seen.add(summary.toString());
            }
          });

  private static byte[] message(byte... content) {
    ByteBuf framed = Unpooled.buffer().writeByte(0).writeInt(content.length).writeBytes(content);
    return framed.readSlice(framed.readableBytes()).copy().array();
  }

  private static byte[] response() {
    return message(
        FakeControlPlane.response(
            TYPE,
            "n-1",
            List.of(
                Entry.of("a", "1".getBytes(UTF_8)),
                Entry.of("large", "z".repeat(200_000).getBytes(UTF_8)),
                Entry.of("b", "2".getBytes(UTF_8))),
            List.of("gone", "göne"),
            true));
  }

  /** In pieces; returns how many responses ended. */
  private int read(byte[] bytes, int piece) throws IOException {
    int ends = 0;
    for (int from = 0; from < bytes.length; from += piece) {
      ByteBuf buffer = Unpooled.wrappedBuffer(bytes, from, Math.min(piece, bytes.length - from));
      while (buffer.isReadable()) {
        ends += reader.read(buffer) ? 1 : 0;
      }
    }
    return ends;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 100, 16_384, 65_536, 70_000, 1_000_000})
  void piecesOfAnySizeGiveTheSame(int piece) throws IOException {
    byte[] one = response();
    byte[] empty = message();
    byte[] stream = Unpooled.wrappedBuffer(one, empty, one).copy().array();
    assertEquals(3, read(stream, piece));
    List<String> expected =
        List.of(
            "a=1 of " + TYPE,
            "large=200000 of " + TYPE,
            "b=2 of " + TYPE,
            "Summary[typeUrl=" + TYPE + ", nonce=n-1, resources=3, removed=[gone, göne]]");
    List<String> all = new ArrayList<>(expected);
    all.add("Summary[typeUrl=, nonce=, resources=0, removed=[]]");
    all.addAll(expected);
    assertEquals(all, seen);
  }

  @Test
  void nothingIsReadBeyondTheEndOfAResponse() throws IOException {
    ByteBuf two = Unpooled.wrappedBuffer(response(), response());
    int size = two.readableBytes() / 2;
    assertTrue(reader.read(two));
    assertEquals(size, two.readableBytes());
    assertEquals(4, seen.size());
    assertTrue(reader.read(two));
    assertFalse(two.isReadable());
  }

  @Test
  void fieldsThatAreNotKnownAreSkipped() throws IOException {
    // 7: a number, 8: four bytes, 9: eight bytes, 10: text; then the nonce
    byte[] content = {
      0x38,
      (byte) 0x96,
      1,
      0x45,
      1,
      2,
      3,
      4,
      0x49,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      0x52,
      1,
      'x',
      0x2a,
      1,
      'n'
    };
    assertEquals(1, read(message(content), 1));
    assertEquals(List.of("Summary[typeUrl=, nonce=n, resources=0, removed=[]]"), seen);
  }

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          12 7f 01 02,          a field of 127 bytes
          12 ff ff ff ff 0f 01, a field of 4294967295 bytes
          12 80 80 80 20,       a field of 67108864 bytes
          12,                   ends within a field
          0a 80,                ends within a field
          0b,                   wire type 3
          38 ff ff ff ff ff ff ff ff ff ff ff 01, a number of more than ten bytes
          22 01 ff,             a text that is not UTF-8
          """)
  void aBrokenResponseIsRefused(String hex, String reason) {
    byte[] bytes = HexFormat.ofDelimiter(" ").parseHex(hex);
    IOException thrown = assertThrows(IOException.class, () -> read(message(bytes), 1_000));
    assertTrue(String.valueOf(thrown.getMessage()).contains(reason), thrown::toString);
  }

  @Test
  void aCompressedMessageIsRefused() {
    byte[] bytes = response();
    bytes[0] = 1;
    IOException thrown = assertThrows(IOException.class, () -> read(bytes, 1_000));
    assertTrue(String.valueOf(thrown.getMessage()).contains("compressed"), thrown::toString);
  }
}
