package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;

/** The receiving end of a {@link Tunnel}. Called on the tunnel's event loop. */
public interface TunnelListener {
  /**
   * Payload arrived; ownership passes to the listener. Never empty. The listener answers for every
   * byte with {@link Tunnel#consumed}.
   */
  void onData(ByteBuf payload);

  /** No more {@link #onData} in this read of the connection: a good moment to flush. */
  void onReadComplete();

  /** The peer has ended its half. Called at most once; our half stays open. */
  void onEndOfStream();

  /** {@link Tunnel#isWritable()} may have changed. */
  void onWritabilityChanged();

  /**
   * The tunnel is over without both halves having ended in order. Called at most once, as the last
   * call. All payload that arrived before was given out first.
   */
  void onTerminated(TunnelTermination cause);

  /**
   * Both halves have ended in order, or ours has and the peer's was left ({@link Tunnel#leave}),
   * and everything written was handed to the connection's socket buffer. Called at most once, as
   * the last call.
   */
  void onFinished();
}
