package io.ztunnel.redirection;

import io.netty.channel.IoEvent;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoOps;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoEvent;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Netty's epoll, but for what the kernel is told. Confined to its event loop's thread as any {@link
 * IoHandler}.
 *
 * <p>What a socket waits for changes several times in one turn of the loop, when it is connected or
 * its peer has ended: the kernel is told once, before it is asked for events. Only the first
 * submission goes to it at once, because it may fail.
 *
 * <p>A socket that waits for nothing stays in the kernel's set. A half-closed connection whose
 * reader is paused waits for nothing. Netty 4.2.18 takes it out of the set then, but forgets that
 * it did: when a write has to wait later, {@code epoll_ctl} knows no such socket, and the
 * connection breaks with bytes unsent (netty/netty#16689 brought this in). Here such a socket
 * stays, armed for one event at most: the kernel reports an error or a hang-up whether asked or
 * not, and would do so without end.
 *
 * <p>A socket that is dead both ways takes nothing more: who still waits for room in it, with its
 * reader paused, would hear of that without end.
 *
 * <p>That its peer has ended, a socket learns by reading, behind all that was sent before. Netty
 * wants to be told at once (EPOLLRDHUP), and reads up to the end then, whatever its reader asks
 * for: a whole receive buffer, of a connection that is paused because the other side is slow.
 *
 * <p>The kernel names a socket by its number, which the next socket gets when it is closed. What a
 * batch of events says of a socket that was closed while the batch was dealt with, Netty would tell
 * one that was opened meanwhile: it would take itself for connected.
 */
final class ArmedEpollHandler extends IoHandlerWrapper {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::socket");

  private static final EpollIoOps ONE_ERROR_AT_MOST = EpollIoOps.valueOf(1 << 30); // EPOLLONESHOT

  private static final EpollIoOps HANG_UP = EpollIoOps.valueOf(0x10); // EPOLLHUP

  /** What the kernel has not been told yet; those that are cancelled meanwhile included. */
  private final ArrayDeque<Armed> changed = new ArrayDeque<>();

  /** The number of the batch of events that is, or was last, dealt with. */
  private long batch;

  ArmedEpollHandler(IoHandler epoll) {
    super(epoll);
  }

  static IoHandlerFactory newFactory() {
    return wrapping(EpollIoHandler.newFactory());
  }

  static IoHandlerFactory wrapping(IoHandlerFactory epoll) {
    return wrapping(epoll, (handler, _) -> new ArmedEpollHandler(handler));
  }

  @Override
  public int run(IoHandlerContext context) {
    for (Armed next = changed.poll(); next != null; next = changed.poll()) {
      next.tell();
    }
    batch++;
    return super.run(context);
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    Newcomer newcomer = new Newcomer((EpollIoHandle) handle, batch);
    Armed registration = new Armed(newcomer, registerInside(newcomer));
    newcomer.armed = registration;
    return registration;
  }

  /** A socket that hears nothing of the batch of events in which it was registered. */
  private final class Newcomer extends Handle<EpollIoHandle> implements EpollIoHandle {
    private final long born;
    private @Nullable Armed armed;

    Newcomer(EpollIoHandle handle, long born) {
      super(handle);
      this.born = born;
    }

    @Override
    public FileDescriptor fd() {
      return handle.fd();
    }

    @Override
    public void handle(IoRegistration registration, IoEvent event) {
      if (born == batch) {
        return;
      }
      super.handle(registration, event);
      if (armed != null && ((EpollIoEvent) event).ops().contains(HANG_UP)) {
        armed.onHangUp();
      }
    }
  }

  private final class Armed extends Registration {
    private final Newcomer handle;

    /**
     * What the kernel knows; null before the first submission. Until then, a socket may be one that
     * is not connected.
     */
    private @Nullable EpollIoOps told;

    /** What it is to know, while this is among the changed. */
    private @Nullable EpollIoOps wanted;

    Armed(Newcomer handle, IoRegistration registration) {
      super(registration);
      this.handle = handle;
    }

    @Override
    public long submit(IoOps ops) {
      if (told == null && ops.equals(EpollIoOps.NONE)) {
        return registration.submit(ops);
      }
      EpollIoOps next = armed((EpollIoOps) ops);
      if (told == null) {
        long value = registration.submit(next);
        told = next;
        return value;
      }
      if (!registration.isValid()) {
        return -1;
      }
      if (wanted == null) {
        changed.add(this);
      }
      wanted = next;
      return next.value();
    }

    /** Both directions have ended. */
    void onHangUp() {
      if (registration.isValid()
          && wanted == null
          && told != null
          && told.contains(EpollIoOps.EPOLLOUT)) {
        wanted = armed(told.without(EpollIoOps.EPOLLOUT));
        changed.add(this);
      }
    }

    private static EpollIoOps armed(EpollIoOps ops) {
      EpollIoOps next = ops.without(EpollIoOps.EPOLLRDHUP);
      return next.equals(EpollIoOps.NONE) ? ONE_ERROR_AT_MOST : next;
    }

    private void tell() {
      EpollIoOps next = wanted;
      wanted = null;
      if (next == null || next.equals(told)) {
        return;
      }
      told = next;
      try {
        registration.submit(next); // -1 if it was cancelled
      } catch (UncheckedIOException e) {
        LOG.error("a connection is closed, epoll does not take it: {}", e.getMessage());
        handle.close();
      }
    }
  }
}
