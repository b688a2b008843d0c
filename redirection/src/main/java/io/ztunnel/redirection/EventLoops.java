package io.ztunnel.redirection;

import io.netty.channel.IoEventLoop;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SingleThreadIoEventLoop;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadFactory;

/**
 * Event loops that close their channels when they end, whenever they are told to. Netty's look
 * whether they are to end once in a turn, before its tasks, and may end after them: one that is
 * told in between, without a quiet time, goes and leaves its sockets open.
 */
public final class EventLoops extends MultiThreadIoEventLoopGroup {
  /** Loops with threads of Netty's naming. */
  public EventLoops(Transport transport, int threads) {
    super(threads, transport.ioHandlerFactory());
  }

  public EventLoops(Transport transport, int threads, ThreadFactory threadFactory) {
    super(threads, threadFactory, transport.ioHandlerFactory());
  }

  @Override
  protected IoEventLoop newChild(Executor executor, IoHandlerFactory factory, Object... args) {
    return new Loop(this, executor, factory);
  }

  private static final class Loop extends SingleThreadIoEventLoop {
    Loop(EventLoops parent, Executor executor, IoHandlerFactory factory) {
      super(parent, executor, factory);
    }

    @Override
    protected boolean confirmShutdown() {
      if (isShuttingDown()) {
        ioHandler().prepareToDestroy();
      }
      return super.confirmShutdown();
    }
  }
}
