package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.ChannelOutputShutdownException;
import io.netty.channel.socket.DuplexChannel;
import io.ztunnel.hbone.PayloadPacker;
import io.ztunnel.hbone.SocketReads;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Unanswered;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The TCP end of a relay. Confined to the channel's event loop, which is the relay's.
 *
 * <p>The channel has auto-read off until the relay starts and half-closure allowed. What arrives
 * all the same before (what was peeked at; io_uring reads on when the peer has ended) is kept,
 * bounded by the socket's receive buffer. Buffers read are passed on; buffers written belong to the
 * channel. An error of the socket ends the relay.
 */
final class TcpLeg extends Leg {
  private final Channel channel;
  private final Queue<ByteBuf> early = new ArrayDeque<>(0);

  /** Payload for a socket that takes no more now; comes after what the channel has. */
  private @Nullable PayloadPacker packer;

  private boolean awaitsAllTaken;
  private @Nullable Relay relay;
  private boolean earlyEnd;

  /** Our half has ended for good before a relay was told: the other leg was over at its start. */
  private boolean earlyEndSent;

  /** Netty has ended our half, in order. */
  private boolean outputEnded;

  /** After that the channel closes with the peer's end, instead of telling of it. */
  private boolean finSent;

  private @Nullable Throwable earlyError;

  TcpLeg(Channel channel) {
    this.channel = channel;
  }

  Channel channel() {
    return channel;
  }

  /** Makes the leg of a channel just accepted; the action is called when it is active. */
  static void install(Channel accepted, Consumer<TcpLeg> onActive) {
    TcpLeg leg = new TcpLeg(accepted);
    accepted.pipeline().addLast(leg.new Handler(() -> onActive.accept(leg)));
  }

  /** The handler to install in the channel's pipeline, as its only one. */
  ChannelHandler handler() {
    return new Handler(null);
  }

  /** Why the socket was lost before a relay took it, in one line. */
  String lostBecause() {
    return earlyError == null ? "connection closed" : SocketErrors.text(earlyError);
  }

  @Override
  void start(Relay relay) {
    assert channel.eventLoop().inEventLoop();
    this.relay = relay;
    SocketReads.goOnAfterFailedWrites(channel);
    boolean isAny = !early.isEmpty();
    ByteBuf payload = early.poll();
    while (payload != null) {
      relay.onData(this, payload);
      payload = early.poll();
    }
    if (isAny) {
      relay.onReadComplete(this);
    }
    if (earlyError != null) {
      relay.onBroken(this, earlyError);
    } else if (earlyEnd) {
      relay.onEndOfInput(this);
      if (!channel.isActive()) {
        relay.onClosed(this); // of which the channel has told already, or tells once more
      }
    } else if (!channel.isActive()) {
      relay.onBroken(this, new IOException("connection closed"));
    } else if (earlyEndSent) {
      relay.onEndSent(this);
    }
  }

  /** Releases what is neither delivered nor in the channel. */
  void discard() {
    if (packer != null) {
      packer.close();
    }
    ByteBuf payload = early.poll();
    while (payload != null) {
      payload.release();
      payload = early.poll();
    }
  }

  @Override
  void write(ByteBuf payload) {
    if (isFull() && PayloadPacker.suits(payload)) {
      packer().add(payload);
      writePackedWhenAllIsTaken();
    } else {
      writePacked();
      channel.write(payload, channel.voidPromise());
    }
  }

  /** Whether the socket has not taken all that was flushed before. */
  private boolean isFull() {
    @Nullable ChannelOutboundBuffer queued = channel.unsafe().outboundBuffer();
    return queued != null && !queued.isEmpty(); // of what was flushed
  }

  private PayloadPacker packer() {
    if (packer == null) {
      packer =
          new PayloadPacker(channel.alloc(), full -> channel.write(full, channel.voidPromise()));
    }
    return packer;
  }

  private void writePacked() {
    if (packer != null) {
      packer.flush();
    }
  }

  /** What is packed follows what the channel has, as soon as the socket has taken that. */
  private void writePackedWhenAllIsTaken() {
    if (awaitsAllTaken) {
      return;
    }
    awaitsAllTaken = true;
    channel
        .write(Unpooled.EMPTY_BUFFER)
        .addListener(
            taken -> {
              awaitsAllTaken = false;
              if (taken.isSuccess()) {
                writePacked();
                channel.flush();
              }
            });
  }

  @Override
  void flush() {
    channel.flush();
  }

  @Override
  boolean isWritable() {
    return channel.isWritable();
  }

  @Override
  void pause() {
    channel.config().setAutoRead(false);
  }

  @Override
  void resume() {
    if (channel.isActive()) { // epoll refuses to re-arm a closed socket
      channel.config().setAutoRead(true);
    }
  }

  @Override
  void shutdownOutput() {
    writePacked();
    holdForFin();
    // Netty's shutdownOutput drops what is still queued, so it follows the last write.
    channel
        .writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(
            written -> {
              if (!written.isSuccess()) {
                onWriteFailed(written.cause());
              } else if (channel.isActive()) {
                sendFin();
              }
            });
  }

  private void holdForFin() {
    if (unsentBytes() > 0) {
      SocketFactory.holdForFin(channel);
    }
  }

  @Override
  void leaveAfterWrites() {
    resume(); // what comes is dropped: unread bytes would make a reset of the close
    writePacked();
    holdForFin();
    channel
        .writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(
            written -> {
              if (written.isSuccess() || outputEnded) { // Netty takes nothing after our end
                onAllWritten();
              } else {
                channel.close();
              }
            });
  }

  @Override
  void resetAfterWrites() {
    resume(); // a far end that waits for us to read reads nothing
    writePacked();
    channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(_ -> reset(channel));
  }

  private void onWriteFailed(Throwable cause) {
    if (packer != null) {
      packer.close();
      packer = null;
    }
    if (relay == null) {
      earlyError = cause;
    } else if (cause instanceof ChannelOutputShutdownException && cause.getCause() != null) {
      relay.onOutputBroken(this, cause.getCause());
    }
  }

  /** Ends our half, unless that is done; closes if the far end has ended as well. */
  private void onAllWritten() {
    DuplexChannel duplex = (DuplexChannel) channel;
    if (!channel.isActive()) {
      return;
    }
    if (duplex.isInputShutdown()) {
      channel.close();
      return;
    }
    if (!duplex.isOutputShutdown()) {
      sendFin();
    }
    channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, false);
    if (relay == null) {
      earlyEndSent = true;
    } else {
      relay.onEndSent(this);
    }
  }

  private void sendFin() {
    try {
      if (SocketFactory.sendFin(channel)) {
        // The peer's end is now the end of both halves, and Netty may close the socket with it.
        channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, false);
        finSent = true;
      } else {
        outputEnded = true;
        ((DuplexChannel) channel).shutdownOutput();
      }
    } catch (IOException e) {
      if (inputEnded || !SocketErrors.isPeerGone(e)) {
        channel.pipeline().fireExceptionCaught(e);
      } // else it is told of behind what was sent before
    }
  }

  @Override
  void probe(SocketSettings.Keepalive keepalive) {
    if (channel.isActive()) {
      SocketFactory.probe(channel, keepalive);
    }
  }

  @Override
  @Nullable Throwable takeError() {
    return channel.isActive() ? SocketFactory.takeError(channel) : null;
  }

  @Override
  Unanswered unanswered() {
    return channel.isActive() ? SocketFactory.unanswered(channel) : Unanswered.NOTHING;
  }

  @Override
  void closeAfterWrites() {
    writePacked();
    channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(_ -> channel.close());
  }

  @Override
  long unsentBytes() {
    @Nullable ChannelOutboundBuffer queued = channel.unsafe().outboundBuffer();
    return queued == null ? 0 : queued.totalPendingWriteBytes() - queued.currentProgress();
  }

  @Override
  long deliveredBytes() {
    // A slow reader makes room in the socket's buffer in large steps only.
    return channel.isActive() ? SocketFactory.acknowledgedBytes(channel) - unsentBytes() : 0;
  }

  @Override
  boolean isEndDelivered() {
    return !channel.isActive() || SocketFactory.isEndAcknowledged(channel);
  }

  @Override
  void abort() {
    discard();
    reset(channel);
  }

  /** Closes so that the peer sees a reset, whatever is queued (SO_LINGER 0). */
  static void reset(Channel channel) {
    if (channel.isActive()) {
      try {
        channel.config().setOption(ChannelOption.SO_LINGER, 0);
      } catch (RuntimeException _) {
        // The socket is already closed; so be it.
      }
    }
    channel.close();
  }

  /** Turns the channel's events into the relay's. */
  private final class Handler extends ChannelInboundHandlerAdapter {
    private final @Nullable Runnable onActive;

    Handler(@Nullable Runnable onActive) {
      this.onActive = onActive;
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
      if (onActive != null) {
        onActive.run();
      }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      ByteBuf payload = (ByteBuf) message;
      if (relay == null) {
        early.add(payload);
      } else {
        relay.onData(TcpLeg.this, payload);
      }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
      if (relay != null) {
        relay.onReadComplete(TcpLeg.this);
      }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event == ChannelInputShutdownEvent.INSTANCE) {
        pause(); // else epoll tells of the end once more
        if (relay == null) {
          earlyEnd = true;
        } else {
          relay.onEndOfInput(TcpLeg.this);
        }
      }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
      if (relay != null) {
        relay.onWritable(TcpLeg.this);
      }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      if (relay == null) {
        earlyError = cause;
      } else if (cause instanceof ChannelOutputShutdownException) {
        onWriteFailed(cause);
      } else {
        relay.onBroken(TcpLeg.this, cause);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      discard();
      if (relay == null) {
        if (earlyError == null && !earlyEnd) {
          earlyError = new IOException("connection closed");
        }
      } else {
        if (finSent && !inputEnded) {
          relay.onEndOfInput(TcpLeg.this);
        }
        relay.onClosed(TcpLeg.this);
      }
    }
  }
}
