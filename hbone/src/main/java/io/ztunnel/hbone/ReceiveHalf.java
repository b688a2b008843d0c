package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.EventLoop;
import org.jspecify.annotations.Nullable;

/**
 * The peer's half of a stream: its window, what has arrived for the reader, and its end.
 *
 * <p>Payload goes to the reader as it comes. It waits here only before there is a reader, or, in
 * pieces that suit a {@link PayloadPacker}, while the reader is far behind.
 *
 * <p>Confined to its connection's event loop.
 */
final class ReceiveHalf {
  /** Unread bytes from which on pieces are put together before they are handed on. */
  private static final int FAR_BEHIND_BYTES = 256 * 1024;

  /** Where payload goes. */
  interface Reader {
    void onPayload(ByteBuf payload);

    /** The peer has ended its half; all payload was handed on. */
    void onEnd();

    /** Payload was handed on outside of a read of the connection. */
    void onDelivered();
  }

  private final int streamId;
  private final EventLoop loop;
  private final FrameWriter writer;
  private final ConnectionCredit credit;
  private final ReceiveWindow window;
  private @Nullable Reader reader;
  private @Nullable WaitingPayload inbox;

  /** Arrived and not consumed. */
  private int held;

  /** Of these, what the reader has. */
  private int handedOn;

  /** Of these, what the connection has no credit for yet. */
  private int withheld;

  private boolean ended;
  private boolean endHandedOn;
  private boolean deliveryScheduled;
  private boolean closed;

  ReceiveHalf(
      int streamId,
      EventLoop loop,
      FrameWriter writer,
      ConnectionCredit credit,
      ReceiveWindow window) {
    this.streamId = streamId;
    this.loop = loop;
    this.writer = writer;
    this.credit = credit;
    this.window = window;
  }

  boolean isEnded() {
    return ended;
  }

  boolean isEndHandedOn() {
    return endHandedOn;
  }

  /** Arrived and not consumed. */
  int held() {
    return held;
  }

  /** Counts a DATA frame; false if the peer sent more than it may. */
  boolean receive(int flowBytes) {
    return window.receive(flowBytes);
  }

  /** Takes a piece of payload, and its buffer. */
  void onPayload(ByteBuf piece) {
    int bytes = piece.readableBytes();
    held += bytes;
    withheld += credit.arrived(bytes);
    if (reader == null || deliveryScheduled) {
      inbox().add(piece);
      return;
    }
    if (isInboxEmpty() && !(isFarBehind() && PayloadPacker.suits(piece))) {
      handOn(reader, piece);
      return;
    }
    inbox().add(piece);
    if (!(isFarBehind() && inbox().isGathering())) {
      deliver();
    }
  }

  /** Padding arrived: nobody reads it. */
  void onPadding(int bytes) {
    creditStream(bytes);
  }

  /** The peer has ended its half. The reader hears of it from {@link #handOnEndWhenDelivered}. */
  void end() {
    ended = true;
  }

  /** Tells the reader of the end, after everything that came before. */
  void handOnEndWhenDelivered() {
    if (!deliveryScheduled) {
      flush();
    }
  }

  /** From now on there is a reader; what waits is delivered to it after this call. */
  void open(Reader reader) {
    this.reader = reader;
    if (!isInboxEmpty() || ended) {
      scheduleDelivery();
    }
  }

  /** The reader is done with bytes that it was given. */
  void consumed(int bytes) {
    if (closed) {
      return;
    }
    if (bytes < 0 || bytes > handedOn) {
      throw new IllegalArgumentException("consumed: " + bytes + " (expected: 0-" + handedOn + ")");
    }
    handedOn -= bytes;
    held -= bytes;
    credit.unhold(bytes);
    int back = Math.min(bytes, withheld);
    withheld -= back;
    credit.giveBack(back);
    creditStream(bytes);
    if (!isInboxEmpty() && !isFarBehind()) {
      scheduleDelivery();
    }
  }

  /** Gives back what was withheld from the connection: the process holds less now. */
  void giveBackWithheld() {
    int back = withheld;
    withheld = 0;
    credit.giveBack(back);
  }

  /** Hands on everything that has arrived, if there is a reader. */
  void flush() {
    deliver();
    handOnEnd();
  }

  private void deliver() {
    while (reader != null && inbox != null) {
      ByteBuf piece = inbox.poll();
      if (piece == null) {
        return;
      }
      handOn(reader, piece);
    }
  }

  /** The stream is over: nothing is handed on any more, and no byte is owed to the connection. */
  void close() {
    if (closed) {
      return;
    }
    closed = true;
    reader = null;
    credit.unhold(held);
    giveBackWithheld();
    if (inbox != null) {
      inbox.close();
      inbox = null;
    }
  }

  private void handOn(Reader to, ByteBuf piece) {
    handedOn += piece.readableBytes();
    to.onPayload(piece);
  }

  private void handOnEnd() {
    if (ended && !endHandedOn && reader != null) {
      endHandedOn = true;
      reader.onEnd();
    }
  }

  private void scheduleDelivery() {
    if (!deliveryScheduled) {
      deliveryScheduled = true;
      loop.execute(this::scheduledDelivery);
    }
  }

  private void scheduledDelivery() {
    deliveryScheduled = false;
    flush();
    if (reader != null) {
      reader.onDelivered();
    }
  }

  private void creditStream(int bytes) {
    if (ended || closed) {
      return;
    }
    int increment = window.credit(bytes);
    if (increment > 0) {
      writer.windowUpdate(streamId, increment);
    }
  }

  private boolean isFarBehind() {
    return handedOn >= FAR_BEHIND_BYTES;
  }

  private boolean isInboxEmpty() {
    return inbox == null || inbox.isEmpty();
  }

  private WaitingPayload inbox() {
    if (inbox == null) {
      inbox = new WaitingPayload(PooledByteBufAllocator.DEFAULT);
    }
    return inbox;
  }
}
