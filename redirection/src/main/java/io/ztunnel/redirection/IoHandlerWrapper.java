package io.ztunnel.redirection;

import io.netty.channel.IoEvent;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoRegistration;
import io.netty.util.concurrent.ThreadAwareExecutor;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One of Netty's handlers, but for what a subclass does otherwise. Confined to its event loop's
 * thread as any {@link IoHandler}.
 */
abstract class IoHandlerWrapper implements IoHandler {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::socket");

  private final IoHandler handler;

  IoHandlerWrapper(IoHandler handler) {
    this.handler = handler;
  }

  /** Makes what {@code factory} does, each in a wrapper for the loop that it serves. */
  static IoHandlerFactory wrapping(
      IoHandlerFactory factory, BiFunction<IoHandler, ThreadAwareExecutor, IoHandler> wrapper) {
    return new IoHandlerFactory() {
      @Override
      public IoHandler newHandler(ThreadAwareExecutor executor) {
        return wrapper.apply(factory.newHandler(executor), executor);
      }

      @Override
      public boolean isChangingThreadSupported() {
        return factory.isChangingThreadSupported();
      }
    };
  }

  @Override
  public final void initialize() {
    handler.initialize();
  }

  @Override
  public int run(IoHandlerContext context) {
    return handler.run(context);
  }

  @Override
  public final void prepareToDestroy() {
    handler.prepareToDestroy();
  }

  @Override
  public final void destroy() {
    handler.destroy();
  }

  /** Registers it with Netty's handler. */
  final IoRegistration registerInside(IoHandle handle) throws Exception {
    return handler.register(handle);
  }

  @Override
  public final void wakeup() {
    handler.wakeup();
  }

  @Override
  public final boolean isCompatible(Class<? extends IoHandle> handleType) {
    return handler.isCompatible(handleType);
  }

  /** What Netty's handler serves in place of another handle, but for what a subclass does. */
  abstract static class Handle<H extends IoHandle> implements IoHandle {
    final H handle;

    Handle(H handle) {
      this.handle = handle;
    }

    @Override
    public final void registered() {
      handle.registered();
    }

    @Override
    public void handle(IoRegistration registration, IoEvent event) {
      handle.handle(registration, event);
    }

    @Override
    public final void unregistered() {
      handle.unregistered();
    }

    /** Tells what goes wrong. */
    @Override
    public final void close() {
      try {
        handle.close();
      } catch (Exception e) {
        LOG.error("cannot close: {}", e.getMessage());
      }
    }
  }

  /** One of Netty's registrations, but for what a subclass does with submissions. */
  abstract static class Registration implements IoRegistration {
    final IoRegistration registration;

    Registration(IoRegistration registration) {
      this.registration = registration;
    }

    @Override
    @SuppressWarnings("TypeParameterUnusedInFormals") // Netty's signature
    public final <T> T attachment() {
      return registration.attachment();
    }

    @Override
    public final boolean isValid() {
      return registration.isValid();
    }

    @Override
    public final boolean cancel() {
      return registration.cancel();
    }
  }
}
