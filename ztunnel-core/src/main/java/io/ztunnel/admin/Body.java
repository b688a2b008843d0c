package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.io.Closeable;
import java.io.IOException;

/** What a reply carries. */
sealed interface Body {
  /** A piece ends with the first of its parts beyond this. */
  int PIECE_BYTES = 32 << 10;

  /** All of it. Whoever writes it releases the bytes. */
  record Whole(ByteBuf bytes) implements Body {}

  /** Made while it is sent, as fast as the client takes it: a state may be larger than memory. */
  record Streamed(Pieces pieces) implements Body {}

  /**
   * A body in the making. Confined to the event loop of the connection that takes it, and closed by
   * it, sent or not.
   */
  interface Pieces extends Closeable {
    /** Appends a piece of bounded size; whether there is more. */
    boolean writeNext(ByteBuf out) throws IOException;

    @Override
    default void close() throws IOException {} // most hold nothing but memory
  }

  /** Closes pieces; what cannot be closed is of no use to anybody, and is only told. */
  static void close(Pieces pieces) {
    try {
      pieces.close();
    } catch (IOException e) {
      Log.target("ztunnel::hyper_util")
          .at(LogLevel.WARN, "body not closed")
          .string("error", e.toString())
          .log();
    }
  }
}
