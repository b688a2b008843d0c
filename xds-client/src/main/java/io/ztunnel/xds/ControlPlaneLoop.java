package io.ztunnel.xds;

import io.netty.channel.IoEventLoop;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.channel.nio.NioIoHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.Executor;

/**
 * The event loop of all channels to the control plane. It closes them when it ends, wherever in its
 * turn it is told to; Netty's own leaves them open when it is told between its look at that and its
 * tasks, and there is no quiet time.
 */
final class ControlPlaneLoop extends MultiThreadIoEventLoopGroup {
  ControlPlaneLoop() {
    super(1, new DefaultThreadFactory("grpc", true), NioIoHandler.newFactory());
  }

  @Override
  protected IoEventLoop newChild(Executor executor, IoHandlerFactory factory, Object... args) {
    return new SingleThreadIoEventLoop(this, executor, factory) {
      @Override
      protected boolean confirmShutdown() {
        if (isShuttingDown()) {
          ioHandler().prepareToDestroy();
        }
        return super.confirmShutdown();
      }
    };
  }
}
