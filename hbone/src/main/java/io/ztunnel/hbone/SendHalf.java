package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
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
  }

  private enum End {
    OPEN,
    REQUESTED,
    WRITTEN,
    /** Given up: nothing more is sent. */
    ABANDONED
  }

  private final int streamId;
  private final SendScheduler scheduler;
  private final Listener listener;
  private final SendWindow window;
  private final ArrayDeque<ByteBuf> waiting = new ArrayDeque<>(2);
  private End end = End.OPEN;
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

  /** Whether {@link #end} or {@link #abandon} was called. */
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
    if (!waiting.isEmpty() || !scheduler.isFreeFor(this) || !send(payload, Integer.MAX_VALUE)) {
      waiting.add(payload);
      waitForRoom();
    }
  }

  boolean isWritable() {
    boolean writable = waiting.isEmpty() && window.available() > 0 && scheduler.isFreeFor(this);
    if (!writable) {
      toldFull = true;
      waitForRoom();
    }
    return writable;
  }

  void end() {
    end = End.REQUESTED;
    if (waiting.isEmpty()) {
      writeLast(Unpooled.EMPTY_BUFFER);
    }
  }

  /** Drops what waits and sends nothing more. */
  void abandon() {
    if (end != End.WRITTEN) {
      end = End.ABANDONED;
    }
    waiting.forEach(ByteBuf::release);
    waiting.clear();
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
    @Nullable ByteBuf next = waiting.poll();
    if (next != null && !send(next, SendScheduler.TURN_BYTES)) {
      waiting.addFirst(next);
    }
    if (waiting.isEmpty() && toldFull && end == End.OPEN && window.available() > 0) {
      toldFull = false;
      listener.onWritable();
      return;
    }
    waitForRoom();
  }

  /** A place in line, if the stream's own window is not what it waits for. */
  private void waitForRoom() {
    boolean waits = !waiting.isEmpty() || (toldFull && end == End.OPEN);
    if (waits && window.available() > 0 && end != End.ABANDONED) {
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
        if (end == End.REQUESTED && waiting.isEmpty()) {
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
    scheduler.window().take(bytes);
  }

  private void writeLast(ByteBuf payload) {
    end = End.WRITTEN;
    scheduler.writer().data(streamId, payload, true, listener::onEndFlushed);
    listener.onEndWritten();
  }
}
