package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import java.io.IOException;

/** What a reply carries. */
sealed interface Body {
  /** All of it. Whoever writes it releases the bytes. */
  record Whole(ByteBuf bytes) implements Body {}

  /** Made while it is sent, as fast as the client takes it: a state may be larger than memory. */
  record Streamed(Pieces pieces) implements Body {}

  /** A body in the making. Confined to the event loop of the connection that takes it. */
  interface Pieces {
    /** Appends a piece of bounded size; whether there is more. */
    boolean writeNext(ByteBuf out) throws IOException;
  }
}
