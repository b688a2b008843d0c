package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.util.CharsetUtil;
import io.ztunnel.hbone.Tunnel;
import io.ztunnel.hbone.TunnelListener;
import io.ztunnel.hbone.TunnelReset;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A tunnel whose far end is the test: remembers what was sent, says it is writable or not. */
final class FakeTunnel implements Tunnel {
  private final EventLoop loop;
  final List<String> events = new CopyOnWriteArrayList<>();
  final AtomicInteger consumedBytes = new AtomicInteger();
  volatile boolean writable = true;

  /** Set: nothing waits to be sent, and this one is told so. */
  volatile @Nullable TunnelListener idleListener;

  FakeTunnel(EventLoop loop) {
    this.loop = loop;
  }

  @Override
  public EventLoop eventLoop() {
    return loop;
  }

  @Override
  public void write(ByteBuf payload) {
    events.add("data " + payload.toString(CharsetUtil.US_ASCII));
    payload.release();
  }

  @Override
  public boolean isWritable() {
    return writable;
  }

  @Override
  public void shutdownOutput() {
    if (!events.contains("end")) {
      events.add("end");
    }
  }

  @Override
  public void leave() {
    events.add("leave");
  }

  @Override
  public void resetAfterWrites() {
    events.add("reset CANCEL after writes");
    if (idleListener != null) {
      idleListener.onFinished();
    }
  }

  @Override
  public void consumed(int bytes) {
    consumedBytes.addAndGet(bytes);
  }

  @Override
  public void reset(TunnelReset code) {
    events.add("reset " + code);
  }
}
