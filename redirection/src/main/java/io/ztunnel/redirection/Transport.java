package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollDatagramChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.SocketProtocolFamily;
import io.netty.channel.socket.nio.NioDatagramChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.channel.uring.IoUring;
import io.netty.channel.uring.IoUringDatagramChannel;
import io.netty.channel.uring.IoUringServerSocketChannel;
import io.netty.channel.uring.IoUringSocketChannel;
import java.nio.channels.spi.SelectorProvider;
import org.jspecify.annotations.Nullable;

/**
 * How Netty talks to the kernel. The constructors of channels open their sockets on the calling
 * thread, and so in its network namespace. Immutable.
 */
public enum Transport {
  /** Linux epoll: the default. */
  EPOLL(EpollServerSocketChannel.class) {
    @Override
    @Nullable Throwable unavailabilityCause() {
      return Epoll.unavailabilityCause();
    }

    @Override
    IoHandlerFactory ioHandlerFactory() {
      return ArmedEpollHandler.newFactory();
    }

    @Override
    ServerChannel openServerChannel(SocketProtocolFamily family) {
      return new EpollServerSocketChannel(family);
    }

    @Override
    Channel openChannel(SocketProtocolFamily family) {
      return new EpollSocketChannel(family);
    }

    @Override
    DatagramChannel openDatagramChannel(SocketProtocolFamily family) {
      return new EpollDatagramChannel(family);
    }
  },

  /**
   * Linux io_uring. Its sockets are dual-stack ones, whatever the family asked for: a listener on
   * {@code 0.0.0.0} is one on {@code [::]}.
   */
  IO_URING(IoUringServerSocketChannel.class) {
    @Override
    @Nullable Throwable unavailabilityCause() {
      return IoUring.unavailabilityCause();
    }

    @Override
    IoHandlerFactory ioHandlerFactory() {
      return CancellingUringHandler.newFactory();
    }

    @Override
    ServerChannel openServerChannel(SocketProtocolFamily family) {
      return new IoUringServerSocketChannel();
    }

    @Override
    Channel openChannel(SocketProtocolFamily family) {
      return new IoUringSocketChannel();
    }

    @Override
    DatagramChannel openDatagramChannel(SocketProtocolFamily family) {
      return new IoUringDatagramChannel(family);
    }
  },

  /**
   * The JDK's selectors, which know neither packet marks nor transparent sockets nor the original
   * destination: of use only where nothing is redirected.
   */
  NIO(NioServerSocketChannel.class) {
    @Override
    @Nullable Throwable unavailabilityCause() {
      return null;
    }

    @Override
    IoHandlerFactory ioHandlerFactory() {
      return NioIoHandler.newFactory();
    }

    @Override
    ServerChannel openServerChannel(SocketProtocolFamily family) {
      return new NioServerSocketChannel(SelectorProvider.provider(), family);
    }

    @Override
    Channel openChannel(SocketProtocolFamily family) {
      return new NioSocketChannel(SelectorProvider.provider(), family);
    }

    @Override
    DatagramChannel openDatagramChannel(SocketProtocolFamily family) {
      return new NioDatagramChannel(SelectorProvider.provider(), family);
    }
  };

  private final Class<? extends ServerChannel> serverChannelClass;

  Transport(Class<? extends ServerChannel> serverChannelClass) {
    this.serverChannelClass = serverChannelClass;
  }

  /** True if this machine has it. */
  public boolean available() {
    return unavailabilityCause() == null;
  }

  /** Why this machine has it not; empty if it has. */
  public String unavailabilityReason() {
    Throwable cause = unavailabilityCause();
    return cause == null ? "" : cause.toString();
  }

  abstract @Nullable Throwable unavailabilityCause();

  /** What {@link EventLoops} are made with. */
  abstract IoHandlerFactory ioHandlerFactory();

  /** For bootstraps in the process's own namespace. */
  public Class<? extends ServerChannel> serverChannelClass() {
    return serverChannelClass;
  }

  abstract ServerChannel openServerChannel(SocketProtocolFamily family);

  abstract Channel openChannel(SocketProtocolFamily family);

  abstract DatagramChannel openDatagramChannel(SocketProtocolFamily family);

  /** True if sockets take any option of the kernel, by its number. */
  boolean hasKernelOptions() {
    return switch (this) {
      case EPOLL, IO_URING -> true;
      case NIO -> false;
    };
  }

  /**
   * True if the local address of a channel that was bound without a port shows the one that the
   * kernel chose at the connect. Netty's io_uring channel keeps what it saw at the bind.
   */
  boolean seesPortChosenByConnect() {
    return switch (this) {
      case EPOLL -> true;
      case IO_URING, NIO -> false;
    };
  }
}
