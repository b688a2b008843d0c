package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Copies payload that has to wait together, in order: a peer cannot make each byte cost a buffer,
 * nor a part of a read keep all of it.
 *
 * <p>Confined to the event loop of its owner, who closes it.
 */
public final class PayloadPacker {
  private static final int PACK_BYTES = 16 << 10;

  /** With less room than this a pack is full. */
  private static final int FULL_BYTES = 1 << 10;

  /** What waits may keep this many times its own size from being used again. */
  private static final int KEPT_TIMES = 4;

  private final ByteBufAllocator alloc;
  private final Consumer<ByteBuf> packed;
  private @Nullable ByteBuf pack;

  /**
   * @param packed takes each buffer that is full, or that {@link #flush} lets out
   */
  public PayloadPacker(ByteBufAllocator alloc, Consumer<ByteBuf> packed) {
    this.alloc = alloc;
    this.packed = packed;
  }

  /** Whether a piece is better copied than kept. */
  public static boolean suits(ByteBuf piece) {
    int bytes = piece.readableBytes();
    return bytes < PACK_BYTES || keptBy(piece) > KEPT_TIMES * (long) bytes;
  }

  /** Whether a piece is little, and the buffer it lies in is much. */
  static boolean isCrumb(ByteBuf piece) {
    int bytes = piece.readableBytes();
    return bytes < PACK_BYTES && keptBy(piece) > KEPT_TIMES * (long) bytes;
  }

  /** The size of the buffer that the piece lies in, which is free when the piece is. */
  static int keptBy(ByteBuf piece) {
    ByteBuf whole = piece;
    for (ByteBuf next = piece.unwrap(); next != null; next = next.unwrap()) {
      whole = next;
    }
    return whole.capacity();
  }

  /** Whether nothing waits to be let out. */
  public boolean isEmpty() {
    return pack == null;
  }

  /** Copies the piece behind the ones before, and releases it. */
  public void add(ByteBuf piece) {
    if (pack != null && pack.writableBytes() < piece.readableBytes()) {
      flush();
    }
    while (piece.isReadable()) {
      ByteBuf open = pack;
      if (open == null) {
        open = alloc.directBuffer(PACK_BYTES, PACK_BYTES);
        pack = open;
      }
      open.writeBytes(piece, Math.min(piece.readableBytes(), open.writableBytes()));
      if (open.writableBytes() < FULL_BYTES) {
        flush();
      }
    }
    piece.release();
  }

  /** Lets out what was added. */
  public void flush() {
    ByteBuf out = pack;
    if (out != null) {
      pack = null;
      packed.accept(out);
    }
  }

  /** Drops what was added. */
  public void close() {
    if (pack != null) {
      pack.release();
      pack = null;
    }
  }
}
