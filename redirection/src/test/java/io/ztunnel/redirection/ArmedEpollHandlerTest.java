package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.IoEvent;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoOps;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoEvent;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the kernel hears of what a socket waits for. */
class ArmedEpollHandlerTest {
  private static final int ONE_SHOT = 1 << 30;

  private static final IoHandlerContext CONTEXT =
      new IoHandlerContext() {
        @Override
        public boolean canBlock() {
          return false;
        }

        @Override
        public long delayNanos(long currentTimeNanos) {
          return 0;
        }

        @Override
        public long deadlineNanos() {
          return 0;
        }
      };

  /** In place of the kernel: notes what it is told. */
  private static final class Kernel implements IoHandler, IoRegistration {
    final List<String> told = new ArrayList<>();
    final List<IoHandle> registered = new ArrayList<>();

    /** Done while a batch of events is dealt with. */
    Runnable events = () -> {};

    boolean valid = true;
    boolean refuses;

    @Override
    public int run(IoHandlerContext context) {
      told.add("wait");
      events.run();
      return 0;
    }

    @Override
    public IoRegistration register(IoHandle handle) {
      registered.add(handle);
      return this;
    }

    @Override
    public long submit(IoOps ops) {
      if (refuses) {
        throw new UncheckedIOException(new IOException("no such file"));
      }
      if (valid) {
        told.add(name((EpollIoOps) ops));
      }
      return -1;
    }

    @Override
    @SuppressWarnings("TypeParameterUnusedInFormals") // Netty's signature
    public <T> T attachment() {
      throw new UnsupportedOperationException();
    }

    @Override
    public boolean isValid() {
      return valid;
    }

    @Override
    public boolean cancel() {
      valid = false;
      return true;
    }

    @Override
    public void wakeup() {}

    @Override
    public boolean isCompatible(Class<? extends IoHandle> handleType) {
      return true;
    }
  }

  private static final class Socket implements EpollIoHandle {
    boolean closed;
    int heard;

    @Override
    public FileDescriptor fd() {
      throw new UnsupportedOperationException();
    }

    @Override
    public void handle(IoRegistration registration, IoEvent event) {
      heard++;
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  private static String name(EpollIoOps ops) {
    return switch (ops) {
      case EpollIoOps same when same.equals(EpollIoOps.EPOLLIN) -> "in";
      case EpollIoOps same when same.equals(EpollIoOps.EPOLLOUT) -> "out";
      case EpollIoOps same when same.equals(EpollIoOps.NONE) -> "none";
      case EpollIoOps same when same.value() == ONE_SHOT -> "one-error";
      default -> "other";
    };
  }

  private static EpollIoOps ops(String name) {
    return switch (name) {
      case "in" -> EpollIoOps.EPOLLIN;
      case "out" -> EpollIoOps.EPOLLOUT;
      case "hup" -> EpollIoOps.EPOLLRDHUP;
      case "in-hup" -> EpollIoOps.EPOLLIN.with(EpollIoOps.EPOLLRDHUP);
      default -> EpollIoOps.NONE;
    };
  }

  private static EpollIoEvent event(int ops) {
    return () -> EpollIoOps.valueOf(ops);
  }

  @ParameterizedTest(name = "{0}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          none              | none                | a socket that is not connected stays out of the set
          in                | in                  | the first is told at once
          none in           | none in             | the first that is something is told at once
          in wait           | in wait             | and not again
          in out            | in                  | a change is told before the next wait
          in out wait       | in out wait         | told then
          in out in wait    | in wait             | what is as it was is not told
          in none wait      | in one-error wait   | waiting for nothing is waiting for an error
          in none in wait   | in wait             | nothing, and something again, in one turn
          in out none wait  | in one-error wait   | the last of a turn counts
          in out wait none wait in wait | in out wait one-error wait in wait | turn by turn
          hup in-hup wait   | one-error in wait   | the end is read in its turn
          in-hup hup wait in-hup wait | in one-error wait in wait | a reader that is paused does not hear of it
          in out cancel wait | in wait            | a socket that is gone changes no more
          in cancel out wait | in wait            | nor can it be changed
          out wait hangup wait | out wait one-error wait | room in a dead socket is not waited for
          out wait hangup in wait | out wait in wait | but what is asked for after that
          in wait hangup wait | in wait wait      | and it is read to the end
          out wait hangup cancel wait | out wait wait | unless it is gone
          """)
  void toldOncePerTurn(String steps, String expected, String why) throws Exception {
    Kernel kernel = new Kernel();
    ArmedEpollHandler handler = new ArmedEpollHandler(kernel);
    IoRegistration registration = handler.register(new Socket());
    for (String step : steps.split(" ", -1)) {
      switch (step) {
        case "wait" -> handler.run(CONTEXT);
        case "cancel" -> registration.cancel();
        case "hangup" -> kernel.registered.getFirst().handle(kernel, event(0x10));
        default -> registration.submit(ops(step));
      }
    }
    assertEquals(expected, String.join(" ", kernel.told), why);
  }

  /** What it says there was meant for a socket of the same number that is closed now. */
  @Test
  void aSocketHearsNothingOfTheBatchInWhichItWasRegistered() throws Exception {
    Kernel kernel = new Kernel();
    ArmedEpollHandler handler = new ArmedEpollHandler(kernel);
    Socket socket = new Socket();
    IoEvent event = event(EpollIoOps.EPOLLIN.value());
    kernel.events =
        () -> {
          if (kernel.registered.isEmpty()) {
            assertDoesNotThrow(() -> handler.register(socket));
          }
          kernel.registered.getFirst().handle(kernel, event);
        };
    handler.run(CONTEXT);
    assertEquals(0, socket.heard);
    handler.run(CONTEXT);
    assertEquals(1, socket.heard);
  }

  @Test
  void aSocketThatTheKernelRefusesToChangeIsClosed() throws Exception {
    Kernel kernel = new Kernel();
    ArmedEpollHandler handler = new ArmedEpollHandler(kernel);
    Socket socket = new Socket();
    IoRegistration registration = handler.register(socket);
    registration.submit(EpollIoOps.EPOLLIN);
    registration.submit(EpollIoOps.EPOLLOUT);
    kernel.refuses = true;
    handler.run(CONTEXT);
    assertTrue(socket.closed);
    assertEquals(List.of("in", "wait"), kernel.told);
  }
}
