package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.util.Random;

/**
 * Sends bytes through a tunnel in pieces of random sizes, as fast as it takes them, and ends the
 * half. Run first, and whenever the tunnel is writable again, on the tunnel's loop.
 */
final class PieceWriter implements Runnable {
  private static final int HEAD_ROOM = 9;
  private static final int MAX_PIECE = 100_000;

  private final Tunnel tunnel;
  private final byte[] bytes;
  private final Random random;
  private int at;
  private boolean ended;

  PieceWriter(Tunnel tunnel, byte[] bytes, Random random) {
    this.tunnel = tunnel;
    this.bytes = bytes;
    this.random = random;
  }

  @Override
  public void run() {
    while (at < bytes.length && tunnel.isWritable()) {
      int length = Math.min(bytes.length - at, 1 + random.nextInt(MAX_PIECE));
      ByteBuf piece = PooledByteBufAllocator.DEFAULT.directBuffer(HEAD_ROOM + length);
      piece.setIndex(HEAD_ROOM, HEAD_ROOM).writeBytes(bytes, at, length);
      tunnel.write(piece);
      at += length;
    }
    if (at == bytes.length && !ended) {
      ended = true;
      tunnel.shutdownOutput();
    }
  }
}
