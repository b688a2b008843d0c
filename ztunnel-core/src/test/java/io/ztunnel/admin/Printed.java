package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.util.CharsetUtil;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** What a client would get to read. */
final class Printed {
  private Printed() {}

  static String json(@Nullable Object value) throws IOException {
    ByteBuf out = Unpooled.buffer();
    JsonPieces pieces = new JsonPieces(value);
    boolean more = true;
    while (more) {
      ByteBuf piece = Unpooled.buffer();
      more = pieces.writeNext(piece);
      out.writeBytes(piece);
    }
    return out.toString(CharsetUtil.UTF_8);
  }
}
