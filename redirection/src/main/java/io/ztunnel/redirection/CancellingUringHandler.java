package io.ztunnel.redirection;

import io.netty.channel.IoEvent;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoOps;
import io.netty.channel.IoRegistration;
import io.netty.channel.uring.IoUringIoEvent;
import io.netty.channel.uring.IoUringIoHandle;
import io.netty.channel.uring.IoUringIoHandler;
import io.netty.channel.uring.IoUringIoHandlerConfig;
import io.netty.channel.uring.IoUringIoOps;
import java.util.concurrent.TimeUnit;

/**
 * Netty's io_uring, but for writes that are cancelled: they end. Confined to its event loop's
 * thread as any {@link IoHandler}.
 *
 * <p>A channel that is closed cancels its write, and closes when that has ended. The kernel does
 * not find a write that it tries again at this very moment, which it does for milliseconds when a
 * peer has ended its half; then the write waits for room on a thread of the kernel, as long as the
 * peer pleases, and the channel with it. Netty asks once; here the kernel is asked until the write
 * has ended.
 */
final class CancellingUringHandler extends IoHandlerWrapper {
  /** Each has a thread of the kernel, which counts for the daemon's limit of threads. */
  private static final int MAX_WAITING_WRITES = 1_024;

  private static final int AGAIN_MILLIS = 1;

  // From linux/io_uring.h and errno.h.
  private static final byte WRITEV = 2;
  private static final byte ASYNC_CANCEL = 14;
  private static final byte SEND = 26;
  private static final int NO_SUCH_OPERATION = -2; // ENOENT
  private static final int ALREADY_RUNNING = -114; // EALREADY

  /** No operation has this name. */
  private static final long NONE = 0;

  private final IoEventLoop loop;

  private CancellingUringHandler(IoHandler uring, IoEventLoop loop) {
    super(uring);
    this.loop = loop;
  }

  static IoHandlerFactory newFactory() {
    IoUringIoHandlerConfig config =
        new IoUringIoHandlerConfig().setMaxUnboundedWorker(MAX_WAITING_WRITES);
    return wrapping(
        IoUringIoHandler.newFactory(config),
        (uring, executor) -> new CancellingUringHandler(uring, (IoEventLoop) executor));
  }

  @Override
  public IoRegistration register(IoHandle handle) throws Exception {
    Writes writes = new Writes((IoUringIoHandle) handle);
    return new Observed(registerInside(writes), writes);
  }

  /** Sees what becomes of a socket's writes. A stream has one at a time. */
  private final class Writes extends Handle<IoUringIoHandle> implements IoUringIoHandle {
    /** What the kernel knows the write by that has not ended; {@link #NONE} without one. */
    private long write = NONE;

    Writes(IoUringIoHandle handle) {
      super(handle);
    }

    private void submitted(long operation) {
      if (isWrite(code(operation))) {
        write = operation;
      }
    }

    @Override
    public void handle(IoRegistration registration, IoEvent event) {
      IoUringIoEvent completed = (IoUringIoEvent) event;
      if (isWrite(completed.opcode())) {
        write = NONE;
      } else if (completed.opcode() == ASYNC_CANCEL
          && isWrite((byte) completed.userData()) // which Netty sets to the code of what it cancels
          && (completed.res() == NO_SUCH_OPERATION || completed.res() == ALREADY_RUNNING)) {
        cancelAgain(registration, write);
      }
      super.handle(registration, event);
    }

    private void cancelAgain(IoRegistration registration, long cancelled) {
      if (cancelled == NONE || loop.isShutdown()) {
        return;
      }
      loop.schedule(
          () -> {
            if (write == cancelled && registration.isValid()) {
              long _ = registration.submit(cancellation(cancelled));
            }
          },
          AGAIN_MILLIS,
          TimeUnit.MILLISECONDS);
    }
  }

  /** Where Netty puts the code of an operation. */
  private static byte code(long operation) {
    return (byte) (operation >>> Short.SIZE);
  }

  private static boolean isWrite(byte code) {
    return code == WRITEV || code == SEND;
  }

  private static IoUringIoOps cancellation(long write) {
    return new IoUringIoOps(
        ASYNC_CANCEL,
        (byte) 0,
        (short) 0,
        -1,
        0,
        write,
        0,
        0,
        (long) code(write),
        (short) 0,
        (short) 0,
        0,
        0);
  }

  private static final class Observed extends Registration {
    private final Writes writes;

    Observed(IoRegistration registration, Writes writes) {
      super(registration);
      this.writes = writes;
    }

    @Override
    public long submit(IoOps ops) {
      long operation = registration.submit(ops);
      writes.submitted(operation);
      return operation;
    }
  }
}
