package io.ztunnel.redirection;

import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoOps;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.util.concurrent.ThreadAwareExecutor;

/**
 * Netty's epoll, which keeps a socket that waits for nothing in the kernel's set. Confined to its
 * event loop's thread as any {@link IoHandler}.
 *
 * <p>A half-closed connection whose reader is paused waits for nothing. Netty 4.2.18 takes it out
 * of the set then, but forgets that it did: when a write has to wait later, {@code epoll_ctl} knows
 * no such socket, and the connection breaks with bytes unsent (netty/netty#16689 brought this in).
 * Here such a socket stays, armed for one event at most: the kernel reports an error or a hang-up
 * whether asked or not, and would do so without end.
 */
final class ArmedEpollHandler implements IoHandler {
  private static final EpollIoOps ONE_ERROR_AT_MOST = EpollIoOps.valueOf(1 << 30); // EPOLLONESHOT

  private final IoHandler epoll;

  private ArmedEpollHandler(IoHandler epoll) {
    this.epoll = epoll;
  }

  static IoHandlerFactory newFactory() {
    IoHandlerFactory factory = EpollIoHandler.newFactory();
    return new IoHandlerFactory() {
      @Override
      public IoHandler newHandler(ThreadAwareExecutor executor) {
        return new ArmedEpollHandler(factory.newHandler(executor));
      }

      @Override
      public boolean isChangingThreadSupported() {
        return factory.isChangingThreadSupported();
      }
    };
  }

  @Override
  public void initialize() {
    epoll.initialize();
  }

  @Override
  public int run(IoHandlerContext context) {
    return epoll.run(context);
  }

  @Override
  public void prepareToDestroy() {
    epoll.prepareToDestroy();
  }

  @Override
  public void destroy() {
    epoll.destroy();
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    return new Registration(epoll.register(handle));
  }

  @Override
  public void wakeup() {
    epoll.wakeup();
  }

  @Override
  public boolean isCompatible(Class<? extends IoHandle> handleType) {
    return epoll.isCompatible(handleType);
  }

  /** Any thread. */
  private static final class Registration implements IoRegistration {
    private final IoRegistration epoll;

    /**
     * Whether it is in the kernel's set. Before that, a socket may be one that is not connected.
     */
    private volatile boolean added;

    Registration(IoRegistration epoll) {
      this.epoll = epoll;
    }

    @Override
    @SuppressWarnings("TypeParameterUnusedInFormals") // Netty's signature
    public <T> T attachment() {
      return epoll.attachment();
    }

    @Override
    public long submit(IoOps ops) {
      if (!ops.equals(EpollIoOps.NONE)) {
        added = true;
        return epoll.submit(ops);
      }
      return epoll.submit(added ? ONE_ERROR_AT_MOST : ops);
    }

    @Override
    public boolean isValid() {
      return epoll.isValid();
    }

    @Override
    public boolean cancel() {
      return epoll.cancel();
    }
  }
}
