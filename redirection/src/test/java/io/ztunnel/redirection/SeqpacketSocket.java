package io.ztunnel.redirection;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The server's side of a Unix SOCK_SEQPACKET socket, with the calls that production code has no use
 * for: bind, listen, accept, and sending descriptors. Confined to one thread, but for the close.
 */
@SuppressWarnings("restricted") // native access is what this class is for
final class SeqpacketSocket implements AutoCloseable {
  private static final int BACKLOG = 8;
  private static final int SOCK_CLOEXEC = 0x80000;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final int SCM_RIGHTS = 1;
  private static final Duration SEND_DEADLINE = Duration.ofSeconds(5);

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final MethodHandle BIND =
      link("bind", FunctionDescriptor.of(INT, INT, ValueLayout.ADDRESS, INT));
  private static final MethodHandle LISTEN = link("listen", FunctionDescriptor.of(INT, INT, INT));
  private static final MethodHandle ACCEPT =
      link(
          "accept4",
          FunctionDescriptor.of(INT, INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, INT));
  private static final MethodHandle SENDMSG =
      link("sendmsg", FunctionDescriptor.of(LONG, INT, ValueLayout.ADDRESS, INT));

  private final int fd;
  private boolean closed;

  private SeqpacketSocket(int fd) {
    this.fd = fd;
  }

  static SeqpacketSocket listen(Path path) throws IOException {
    int fd = Libc.socket(Libc.AF_UNIX, Libc.SOCK_SEQPACKET);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment address = arena.allocate(110, Long.BYTES);
      byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
      address.set(ValueLayout.JAVA_SHORT, 0, (short) Libc.AF_UNIX);
      MemorySegment.copy(name, 0, address, ValueLayout.JAVA_BYTE, 2, name.length);
      call("bind " + path, state -> (int) BIND.invokeExact(state, fd, address, 110));
      call("listen", state -> (int) LISTEN.invokeExact(state, fd, BACKLOG));
      return new SeqpacketSocket(fd);
    } catch (IOException | RuntimeException e) {
      Libc.close(fd);
      throw e;
    }
  }

  SeqpacketSocket accept(Duration deadline) throws IOException {
    Libc.setTimeout(fd, Libc.SO_RCVTIMEO, deadline.toMillis());
    int accepted =
        (int)
            call(
                "accept",
                state ->
                    (int)
                        ACCEPT.invokeExact(
                            state, fd, MemorySegment.NULL, MemorySegment.NULL, SOCK_CLOEXEC));
    Libc.setTimeout(accepted, Libc.SO_SNDTIMEO, SEND_DEADLINE.toMillis());
    return new SeqpacketSocket(accepted);
  }

  /** Sends one packet with a descriptor for each of the files. */
  void send(byte[] packet, List<Path> files) throws IOException {
    List<Integer> descriptors = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      for (Path file : files) {
        descriptors.add(Libc.open(file.toString()));
      }
      MemorySegment header = messageHeader(arena, packet, descriptors);
      call("sendmsg", state -> (long) SENDMSG.invokeExact(state, fd, header, MSG_NOSIGNAL));
    } finally {
      descriptors.forEach(Libc::close);
    }
  }

  private static MemorySegment messageHeader(
      Arena arena, byte[] packet, List<Integer> descriptors) {
    MemorySegment vector = arena.allocate(16, Long.BYTES);
    vector.set(ValueLayout.ADDRESS, 0, arena.allocateFrom(ValueLayout.JAVA_BYTE, packet));
    vector.set(LONG, 8, packet.length);
    MemorySegment header = arena.allocate(56, Long.BYTES);
    header.set(ValueLayout.ADDRESS, 16, vector);
    header.set(LONG, 24, 1);
    if (!descriptors.isEmpty()) {
      long length = 16 + 4L * descriptors.size();
      MemorySegment control = arena.allocate((length + 7) & ~7L, Long.BYTES);
      control.set(LONG, 0, length);
      control.set(INT, 8, Libc.SOL_SOCKET);
      control.set(INT, 12, SCM_RIGHTS);
      for (int i = 0; i < descriptors.size(); i++) {
        control.set(INT, 16 + 4L * i, descriptors.get(i));
      }
      header.set(ValueLayout.ADDRESS, 32, control);
      header.set(LONG, 40, control.byteSize());
    }
    return header;
  }

  byte[] receive(Duration deadline) throws IOException {
    Libc.setTimeout(fd, Libc.SO_RCVTIMEO, deadline.toMillis());
    Libc.Packet packet = Libc.receive(fd, 64 * 1024, 0);
    if (packet == null) {
      throw new EOFException("the proxy closed the connection (expected: a packet)");
    }
    ByteBuffer data = packet.data();
    byte[] bytes = new byte[data.remaining()];
    data.get(bytes);
    return bytes;
  }

  boolean isQuiet(Duration duration) throws IOException {
    try {
      receive(duration);
      return false;
    } catch (SystemCallException e) {
      if (e.errno() == Libc.EAGAIN) {
        return true;
      }
      throw e;
    }
  }

  boolean isEnded(Duration deadline) throws IOException {
    try {
      receive(deadline);
      return false;
    } catch (EOFException e) {
      return true;
    }
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      Libc.close(fd);
    }
  }

  @FunctionalInterface
  private interface Call {
    long invoke(MemorySegment state) throws Throwable;
  }

  private static long call(String name, Call call) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(Linker.Option.captureStateLayout());
      long result = call.invoke(state);
      if (result < 0) {
        int errno =
            (int)
                Linker.Option.captureStateLayout()
                    .varHandle(PathElement.groupElement("errno"))
                    .get(state, 0L);
        throw new SystemCallException(name, errno, Libc.errorText(errno));
      }
      return result;
    } catch (IOException | RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError(name, e);
    }
  }

  private static MethodHandle link(String name, FunctionDescriptor descriptor) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow(name),
        descriptor,
        Linker.Option.captureCallState("errno"));
  }
}
