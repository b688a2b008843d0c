package io.ztunnel.redirection;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The server's side of a Unix SOCK_SEQPACKET socket, with the calls that production code has no use
 * for: bind, listen, accept, and sending descriptors. Confined to one thread, but for the close.
 */
final class SeqpacketSocket implements AutoCloseable {
  private static final int BACKLOG = 8;
  private static final Duration SEND_DEADLINE = Duration.ofSeconds(5);

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final LibcFunction BIND = LibcFunction.named("bind");
  private static final LibcFunction LISTEN = LibcFunction.named("listen");
  private static final LibcFunction ACCEPT = LibcFunction.named("accept4");
  private static final LibcFunction SENDMSG = LibcFunction.named("sendmsg");

  private final int fd;
  private boolean closed;

  private SeqpacketSocket(int fd) {
    this.fd = fd;
  }

  static SeqpacketSocket listen(Path path) throws IOException {
    int fd = Libc.socket(Libc.AF_UNIX, Libc.SOCK_SEQPACKET);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment address = Libc.unixAddress(arena, path.toString());
      Libc.call(
          "bind " + path,
          (_, state) -> BIND.call(state, fd, address.address(), address.byteSize()));
      Libc.call("listen", (_, state) -> LISTEN.call(state, fd, BACKLOG));
      return new SeqpacketSocket(fd);
    } catch (IOException | RuntimeException e) {
      Libc.close(fd);
      throw e;
    }
  }

  SeqpacketSocket accept(Duration deadline) throws IOException {
    Libc.setTimeout(fd, Libc.SO_RCVTIMEO, deadline.toMillis());
    int accepted =
        Libc.call("accept", (_, state) -> ACCEPT.call(state, fd, 0, 0, Libc.SOCK_CLOEXEC));
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
      MemorySegment data = arena.allocateFrom(ValueLayout.JAVA_BYTE, packet);
      MemorySegment header = Libc.messageHeader(arena, data, rights(arena, descriptors));
      Libc.call(
          "sendmsg", (_, state) -> SENDMSG.call(state, fd, header.address(), Libc.MSG_NOSIGNAL));
    } finally {
      descriptors.forEach(Libc::close);
    }
  }

  /** A control message with descriptors, or no room at all for none. */
  private static MemorySegment rights(Arena arena, List<Integer> descriptors) {
    if (descriptors.isEmpty()) {
      return MemorySegment.NULL;
    }
    long length = 16 + 4L * descriptors.size();
    MemorySegment control = arena.allocate((length + 7) & ~7L, Long.BYTES);
    control.set(LONG, 0, length);
    control.set(INT, 8, Libc.SOL_SOCKET);
    control.set(INT, 12, Libc.SCM_RIGHTS);
    for (int i = 0; i < descriptors.size(); i++) {
      control.set(INT, 16 + 4L * i, descriptors.get(i));
    }
    return control;
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
}
