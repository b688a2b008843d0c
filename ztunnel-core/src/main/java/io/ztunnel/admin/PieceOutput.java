package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/**
 * Where the writer of a body in pieces writes: the piece of the moment. Confined to the thread that
 * writes.
 */
final class PieceOutput extends OutputStream {
  private @Nullable ByteBuf piece;
  private boolean closed;

  /** All that is written from now on goes there. */
  void turnTo(ByteBuf next) {
    piece = next;
  }

  @Override
  public void write(int b) {
    if (!closed) {
      current().writeByte(b);
    }
  }

  @Override
  public void write(byte[] bytes, int offset, int length) {
    if (!closed) {
      current().writeBytes(bytes, offset, length);
    }
  }

  /** Nobody wants what is still written. */
  @Override
  public void close() {
    closed = true;
  }

  private ByteBuf current() {
    ByteBuf now = piece;
    if (now == null) {
      throw new IllegalStateException("no piece (expected: written within writeNext)");
    }
    return now;
  }
}
