package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/**
 * Our half of a stream: what waits for the windows, and its end.
 *
 * <p>Confined to its connection's event loop.
 */
final class SendHalf {
  /** Hears what becomes of the half. */
  interface Listener {
    /** There is room again. */
    void onWritable();

    /** END_STREAM was written: the half is closed. */
    void onEndWritten();

    /** Everything up to END_STREAM is in the socket's buffer. */
    void onEndFlushed();

    /** Everything that was written before {@link SendHalf#cut} is sent. */
    void onCut();
  }

  private enum End {
    OPEN,
    REQUESTED,
    WRITTEN,
    /** What waits is sent, but no END_STREAM. */
    CUT,
    /** Given up: nothing more is sent. */
    ABANDONED
  }

  private final int streamId;
  private final SendScheduler scheduler;
  private final Listener listener;
  private final SendWindow window;

  /** Of a payload that was sent in part, the rest; it comes before what waits. */
  private @Nullable ByteBuf begun;

  /** Made when something has to wait for the first time. */
  private @Nullable WaitingPayload waiting;

  private End end = End.OPEN;
  private boolean endTold;
  private boolean endFlushed;
  private boolean inLine;
  private boolean toldFull;

  SendHalf(int streamId, SendScheduler scheduler, int initialWindow, Listener listener) {
    this.streamId = streamId;
    this.scheduler = scheduler;
    this.listener = listener;
    this.window = new SendWindow(initialWindow);
  }

  boolean isInLine() {
    return inLine;
  }

  void inLine(boolean inLine) {
    this.inLine = inLine;
  }

  /** Whether {@link #end}, {@link #cut} or {@link #abandon} was called. */
  boolean isEnding() {
    return end != End.OPEN;
  }

  boolean isEndWritten() {
    return end == End.WRITTEN;
  }

  void write(ByteBuf payload) {
    if (!payload.isReadable()) {
      payload.release();
      return;
    }
    if (waits() || !scheduler.isFreeFor(this) || !send(payload, Integer.MAX_VALUE)) {
      hold(payload);
      waitForRoom();
    }
  }

  private boolean waits() {
    return begun != null || (waiting != null && !waiting.isEmpty());
  }

  /** What may wait for long must not keep the read that it came with. */
  private void hold(ByteBuf payload) {
    WaitingPayload held = waiting;
    if (held == null) {
      held = new WaitingPayload(scheduler.writer().alloc());
      waiting = held;
    }
    held.add(payload);
  }

  boolean isWritable() {
    boolean writable = !waits() && window.available() > 0 && scheduler.isFreeFor(this);
    if (!writable) {
      toldFull = true;
      waitForRoom();
    }
    return writable;
  }

  void end() {
    end = End.REQUESTED;
    if (!waits()) {
      writeLast(Unpooled.EMPTY_BUFFER);
    }
  }

  /** Sends what waits and no end: the owner resets the stream then. */
  void cut() {
    end = End.CUT;
    if (!waits()) {
      listener.onCut();
    }
  }

  /** Drops what waits and sends nothing more. */
  void abandon() {
    if (end != End.WRITTEN) {
      end = End.ABANDONED;
    }
    if (begun != null) {
      begun.release();
      begun = null;
    }
    if (waiting != null) {
      waiting.close();
    }
  }

  /** The stream's window grew, or shrank when negative; false if it is now larger than allowed. */
  boolean addWindow(long bytes) {
    if (!window.add(bytes)) {
      return false;
    }
    waitForRoom();
    return true;
  }

  /** Sends one turn's worth, or tells that there is room. */
  void takeTurn() {
    @Nullable ByteBuf next = poll();
    if (next != null && !send(next, SendScheduler.TURN_BYTES)) {
      begun = PayloadPacker.isCrumb(next) ? copied(next) : next;
    }
    if (!waits() && end == End.CUT) {
      listener.onCut();
      return;
    }
    if (!waits() && toldFull && end == End.OPEN && window.available() > 0) {
      toldFull = false;
      listener.onWritable();
      return;
    }
    waitForRoom();
  }

  private ByteBuf copied(ByteBuf crumb) {
    try {
      return scheduler.writer().alloc().directBuffer(crumb.readableBytes()).writeBytes(crumb);
    } finally {
      crumb.release();
    }
  }

  private @Nullable ByteBuf poll() {
    ByteBuf rest = begun;
    if (rest != null) {
      begun = null;
      return rest;
    }
    return waiting == null ? null : waiting.poll();
  }

  /** A place in line, if the stream's own window is not what it waits for. */
  private void waitForRoom() {
    boolean wants = waits() || (toldFull && end == End.OPEN);
    if (wants && window.available() > 0 && end != End.ABANDONED) {
      scheduler.enqueue(this);
    }
  }

  /**
   * Sends as much of the payload as the windows and the limit allow; true if nothing is left of it,
   * and its buffer is gone.
   */
  private boolean send(ByteBuf payload, int limit) {
    int left = limit;
    while (left > 0 && end != End.ABANDONED && scheduler.isOpen()) {
      int room = Math.min(window.available(), scheduler.window().available());
      int n = Math.min(Math.min(room, left), scheduler.writer().maxFrameBytes());
      if (payload.readableBytes() <= n) {
        take(payload.readableBytes());
        if (end == End.REQUESTED && !waits()) {
          writeLast(payload);
        } else {
          scheduler.writer().data(streamId, payload, false, null);
        }
        return true;
      }
      if (n == 0) {
        break;
      }
      take(n);
      left -= n;
      scheduler.writer().data(streamId, payload.readRetainedSlice(n), false, null);
    }
    if (end == End.ABANDONED) { // its own flush has found the socket broken
      payload.release();
      return true;
    }
    return false;
  }

  private void take(int bytes) {
    window.take(bytes);
    scheduler.take(bytes);
  }

  private void writeLast(ByteBuf payload) {
    end = End.WRITTEN;
    scheduler.writer().data(streamId, payload, true, this::onFlushed);
    endTold = true;
    listener.onEndWritten();
    if (endFlushed) {
      listener.onEndFlushed();
    }
  }

  /** Perhaps within the write: a stream is over only after its half has ended. */
  private void onFlushed() {
    endFlushed = true;
    if (endTold) {
      listener.onEndFlushed();
    }
  }
}
