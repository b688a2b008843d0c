package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.util.CharsetUtil;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.TestMesh;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The dump of a mesh that is larger than any buffer. */
class LargeDumpTest {
  private static final int WORKLOADS = 20_000;

  /** What a connection holds at most of an answer: a piece, and what the generator has buffered. */
  private static final int MAX_PIECE_BYTES = 48 << 10;

  private static MeshView mesh() {
    var yaml = new StringBuilder("workloads:\n");
    for (int i = 0; i < WORKLOADS; i++) {
      yaml.append(
          "- {uid: w%d, name: w%d, namespace: shop, workloadIps: [10.%d.%d.%d], services: {shop/all.svc: {80: 8080}}}\n"
              .formatted(i, i, i >> 16, i >> 8 & 255, i & 255));
    }
    return TestMesh.view(
        yaml
            + """
            services:
            - {name: all, namespace: shop, hostname: all.svc, vips: [/10.250.0.1], ports: {80: 8080}}
            """);
  }

  @Test
  void isMadeInPiecesOfBoundedSize() throws Exception {
    MeshView view = mesh();
    var dump = new ConfigDump();
    MeshSections.add(dump, () -> view, () -> null);
    var pieces = new JsonPieces(dump.values());
    var text = new StringBuilder();
    boolean more = true;
    while (more) {
      ByteBuf piece = Unpooled.buffer();
      more = pieces.writeNext(piece);
      assertTrue(piece.readableBytes() <= MAX_PIECE_BYTES, () -> "bytes: " + piece);
      text.append(piece.toString(CharsetUtil.US_ASCII));
    }
    assertTrue(text.length() > 100 * MAX_PIECE_BYTES, () -> "length: " + text.length());
    assertEquals(WORKLOADS, count(text, "\n      \"uid\": \"w"), "workloads");
    assertEquals(WORKLOADS, count(text, "\n          \"workloadUid\": \"w"), "endpoints");
  }

  private static long count(CharSequence text, String part) {
    return Pattern.compile(part, Pattern.LITERAL).matcher(text).results().count();
  }
}
