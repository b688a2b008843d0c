package io.ztunnel.redirection;

import java.io.IOException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The system calls that neither the JDK nor Netty offer. Stateless; callable from any thread.
 *
 * <p>The only user of {@link LibcFunction}. Layouts and constants are those of 64-bit Linux and the
 * same on x86-64 and AArch64; {@code statx} stands in for {@code fstat}, whose structure is not.
 */
@SuppressWarnings("restricted") // native access is what this class is for
final class Libc {
  static final int AF_UNIX = 1;
  static final int AF_INET = 2;
  static final int SOCK_STREAM = 1;
  static final int SOCK_SEQPACKET = 5;
  static final int SOL_SOCKET = 1;
  static final int SO_RCVTIMEO = 20;
  static final int SO_SNDTIMEO = 21;
  static final int SO_MARK = 36;
  private static final int EINTR = 4;
  static final int EAGAIN = 11;

  static final int SOCK_CLOEXEC = 0x80000;
  private static final int O_RDONLY = 0;
  private static final int O_CLOEXEC = 0x80000;
  private static final int CLONE_NEWNET = 0x4000_0000;
  private static final int AT_EMPTY_PATH = 0x1000;
  private static final int STATX_INO = 0x100;
  private static final int SHUT_RD = 0;
  private static final int FIONBIO = 0x5421;
  private static final int RLIMIT_NOFILE = 7;
  private static final int BPF_PROG_LOAD = 5;
  private static final int BPF_PROG_TYPE_SK_REUSEPORT = 21;
  private static final int BPF_SK_REUSEPORT_SELECT_OR_MIGRATE = 40;
  private static final int SIZE_OF_BPF_ATTR = 72;

  /** {@code r0 = SK_PASS; exit}: two instructions of eBPF, each of eight bytes. */
  private static final long[] PASS = {0x0000_0001_0000_00b7L, 0x95L};

  static final int SCM_RIGHTS = 1;
  private static final int MSG_CTRUNC = 0x8;
  private static final int MSG_TRUNC = 0x20;
  static final int MSG_NOSIGNAL = 0x4000;
  private static final int MSG_CMSG_CLOEXEC = 0x4000_0000;

  /** {@code sun_path} of {@code sockaddr_un}, less its terminating zero. */
  private static final int MAX_UNIX_PATH_BYTES = 107;

  private static final long SIZE_OF_STATX = 256;
  private static final long SIZE_OF_MSGHDR = 56;
  private static final long SIZE_OF_CMSGHDR = 16;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final AddressLayout POINTER = ValueLayout.ADDRESS;

  private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      CALL_STATE.varHandle(PathElement.groupElement("errno")).withInvokeExactBehavior();

  private static final LibcFunction OPEN = LibcFunction.named("open");
  private static final LibcFunction CLOSE = LibcFunction.named("close");
  private static final LibcFunction SETNS = LibcFunction.named("setns");
  private static final LibcFunction STATX = LibcFunction.named("statx");
  private static final LibcFunction SOCKET = LibcFunction.named("socket");
  private static final LibcFunction CONNECT = LibcFunction.named("connect");
  private static final LibcFunction SHUTDOWN = LibcFunction.named("shutdown");
  private static final LibcFunction SEND = LibcFunction.named("send");
  private static final LibcFunction RECVMSG = LibcFunction.named("recvmsg");
  private static final LibcFunction SETSOCKOPT = LibcFunction.named("setsockopt");
  private static final LibcFunction IOCTL = LibcFunction.named("ioctl");
  private static final LibcFunction GETRLIMIT = LibcFunction.named("getrlimit");
  private static final LibcFunction SETRLIMIT = LibcFunction.named("setrlimit");
  private static final LibcFunction SYSCALL = LibcFunction.named("syscall");
  private static final LibcFunction STRERROR = LibcFunction.named("strerror");

  private Libc() {}

  /** One packet as the kernel delivered it. Its descriptors belong to the receiver. */
  record Packet(ByteBuffer data, List<Integer> descriptors, boolean truncated) {}

  /** Soft and hard limit, as unsigned numbers. */
  record Limit(long soft, long hard) {}

  static int open(String path) throws IOException {
    return call(
        "open " + path,
        (arena, state) ->
            OPEN.call(state, arena.allocateFrom(path).address(), O_RDONLY | O_CLOEXEC));
  }

  /** Closes a descriptor; Linux releases it whatever the call returns, so nothing is reported. */
  static void close(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      long _ = CLOSE.call(arena.allocate(CALL_STATE), fd);
    } catch (Throwable e) {
      throw new LinkageError("close", e);
    }
  }

  /** Moves the calling thread, and it alone, into a network namespace. */
  static void enterNetworkNamespace(int fd) throws IOException {
    call("setns", (_, state) -> SETNS.call(state, fd, CLONE_NEWNET));
  }

  static NetworkNamespace.Identity identity(int fd) throws IOException {
    try (Arena result = Arena.ofConfined()) {
      MemorySegment statx = result.allocate(SIZE_OF_STATX, Long.BYTES);
      call(
          "statx of descriptor " + fd,
          (arena, state) ->
              STATX.call(
                  state,
                  fd,
                  arena.allocateFrom("").address(),
                  AT_EMPTY_PATH,
                  STATX_INO,
                  statx.address()));
      long device =
          (Integer.toUnsignedLong(statx.get(INT, 136)) << 32)
              | Integer.toUnsignedLong(statx.get(INT, 140));
      return new NetworkNamespace.Identity(statx.get(LONG, 32), device);
    }
  }

  static int socket(int family, int type) throws IOException {
    return call("socket", (_, state) -> SOCKET.call(state, family, type | SOCK_CLOEXEC, 0));
  }

  static void connect(int fd, String unixPath) throws IOException {
    try (Arena addresses = Arena.ofConfined()) {
      MemorySegment address = unixAddress(addresses, unixPath);
      call(
          "connect to " + unixPath,
          (_, state) -> CONNECT.call(state, fd, address.address(), address.byteSize()));
    }
  }

  /** Receives nothing more: a thread that waits for something wakes, and the peer cannot send. */
  static void shutdownInput(int fd) throws IOException {
    call("shutdown", (_, state) -> SHUTDOWN.call(state, fd, SHUT_RD));
  }

  /** Lets calls on the descriptor wait, unless they say that they do not want to. */
  static void makeBlocking(int fd) throws IOException {
    try (Arena values = Arena.ofConfined()) {
      MemorySegment no = values.allocateFrom(INT, 0);
      call("ioctl FIONBIO", (_, state) -> IOCTL.call(state, fd, FIONBIO, no.address()));
    }
  }

  /** Sends one packet. */
  static void send(int fd, byte[] packet) throws IOException {
    int sent =
        call(
            "send",
            (arena, state) -> {
              MemorySegment data = arena.allocateFrom(ValueLayout.JAVA_BYTE, packet);
              return SEND.call(state, fd, data.address(), data.byteSize(), MSG_NOSIGNAL);
            });
    if (sent != packet.length) {
      throw new IOException("send: " + sent + " bytes of " + packet.length + " went out");
    }
  }

  /**
   * Waits for one packet with its descriptors, which are close-on-exec; null at the end of the
   * stream. A packet or descriptors beyond the given room are cut off, and the packet says so.
   */
  static @Nullable Packet receive(int fd, int maxBytes, int maxDescriptors) throws IOException {
    try (Arena buffers = Arena.ofConfined()) {
      MemorySegment data = buffers.allocate(maxBytes);
      MemorySegment control = buffers.allocate(controlRoom(maxDescriptors), Long.BYTES);
      MemorySegment header = messageHeader(buffers, data, control);
      int length =
          call(
              "recvmsg", (_, state) -> RECVMSG.call(state, fd, header.address(), MSG_CMSG_CLOEXEC));
      List<Integer> descriptors = descriptors(control.asSlice(0, header.get(LONG, 40)));
      if (length == 0 && descriptors.isEmpty()) {
        return null;
      }
      boolean truncated = (header.get(INT, 48) & (MSG_TRUNC | MSG_CTRUNC)) != 0;
      byte[] bytes = data.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
      return new Packet(ByteBuffer.wrap(bytes), descriptors, truncated);
    }
  }

  static void setIntOption(int fd, int level, int option, int value) throws IOException {
    try (Arena values = Arena.ofConfined()) {
      setOption(fd, level, option, values.allocateFrom(INT, value));
    }
  }

  /** Bounds a blocking call on the socket; the option is {@link #SO_RCVTIMEO} or its twin. */
  static void setTimeout(int fd, int option, long millis) throws IOException {
    try (Arena values = Arena.ofConfined()) {
      long micros = millis % 1000 * 1000;
      setOption(fd, SOL_SOCKET, option, values.allocateFrom(LONG, millis / 1000, micros));
    }
  }

  private static void setOption(int fd, int level, int option, MemorySegment value)
      throws IOException {
    call(
        "setsockopt " + level + "/" + option,
        (_, state) -> SETSOCKOPT.call(state, fd, level, option, value.address(), value.byteSize()));
  }

  static Limit descriptorLimit() throws IOException {
    try (Arena values = Arena.ofConfined()) {
      MemorySegment limit = values.allocate(16, Long.BYTES);
      call("getrlimit", (_, state) -> GETRLIMIT.call(state, RLIMIT_NOFILE, limit.address()));
      return new Limit(limit.get(LONG, 0), limit.get(LONG, 8));
    }
  }

  static void setDescriptorLimit(Limit value) throws IOException {
    try (Arena values = Arena.ofConfined()) {
      MemorySegment limit = values.allocateFrom(LONG, value.soft(), value.hard());
      call("setrlimit", (_, state) -> SETRLIMIT.call(state, RLIMIT_NOFILE, limit.address()));
    }
  }

  /**
   * Loads the program of {@link QueueMigration}; returns its descriptor, which is close-on-exec.
   */
  static int loadQueueMigration() throws IOException {
    try (Arena values = Arena.ofConfined()) {
      MemorySegment attributes = values.allocate(SIZE_OF_BPF_ATTR, Long.BYTES);
      attributes.set(INT, 0, BPF_PROG_TYPE_SK_REUSEPORT);
      attributes.set(INT, 4, PASS.length);
      attributes.set(POINTER, 8, values.allocateFrom(LONG, PASS));
      attributes.set(POINTER, 16, values.allocateFrom("Apache-2.0"));
      attributes.set(INT, 68, BPF_SK_REUSEPORT_SELECT_OR_MIGRATE);
      return call(
          "bpf",
          (_, state) ->
              SYSCALL.call(
                  state, bpfNumber(), BPF_PROG_LOAD, attributes.address(), SIZE_OF_BPF_ATTR));
    }
  }

  /** libc has no function for this call, and its number is one of the few that differ. */
  private static long bpfNumber() {
    return System.getProperty("os.arch").equals("aarch64") ? 280 : 321;
  }

  /** The kernel's words for an error number. */
  static String errorText(int errno) {
    try (Arena arena = Arena.ofConfined()) {
      long text = STRERROR.call(arena.allocate(CALL_STATE), errno);
      return MemorySegment.ofAddress(text).reinterpret(Long.MAX_VALUE).getString(0);
    } catch (Throwable e) {
      throw new LinkageError("strerror", e);
    }
  }

  /** One call of a linked function; the segment receives the error number. */
  @FunctionalInterface
  interface Call {
    long invoke(Arena arena, MemorySegment state) throws Throwable;
  }

  /**
   * Makes the call, again if a signal cut it short, and turns a negative result into an error. No
   * result is larger than an {@code int}: descriptors, and lengths of packets.
   */
  static int call(String name, Call call) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(CALL_STATE);
      int result;
      do {
        result = (int) call.invoke(arena, state);
      } while (result < 0 && errno(state) == EINTR);
      if (result < 0) {
        throw new SystemCallException(name, errno(state), errorText(errno(state)));
      }
      return result;
    } catch (IOException | RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError(name, e);
    }
  }

  private static int errno(MemorySegment state) {
    return (int) ERRNO.get(state, 0L);
  }

  static MemorySegment unixAddress(Arena arena, String path) throws IOException {
    byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > MAX_UNIX_PATH_BYTES) {
      throw new IOException(
          "path of a Unix socket: %d bytes (expected: <= %d): %s"
              .formatted(bytes.length, MAX_UNIX_PATH_BYTES, path));
    }
    MemorySegment address = arena.allocate(2 + MAX_UNIX_PATH_BYTES + 1, Long.BYTES);
    address.set(ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
    MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, 2, bytes.length);
    return address;
  }

  private static long controlRoom(int descriptors) {
    return SIZE_OF_CMSGHDR + aligned((long) descriptors * Integer.BYTES);
  }

  /** Control messages start at multiples of eight. */
  private static long aligned(long length) {
    return (length + 7) & ~7L;
  }

  /** A {@code msghdr} of one buffer and its control messages. */
  static MemorySegment messageHeader(Arena arena, MemorySegment data, MemorySegment control) {
    MemorySegment vector = arena.allocate(16, Long.BYTES);
    vector.set(POINTER, 0, data);
    vector.set(LONG, 8, data.byteSize());
    MemorySegment header = arena.allocate(SIZE_OF_MSGHDR, Long.BYTES);
    header.set(POINTER, 16, vector);
    header.set(LONG, 24, 1);
    header.set(POINTER, 32, control);
    header.set(LONG, 40, control.byteSize());
    return header;
  }

  /** The descriptors in received control messages; messages of other kinds are passed over. */
  private static List<Integer> descriptors(MemorySegment control) {
    List<Integer> descriptors = new ArrayList<>();
    long at = 0;
    while (at + SIZE_OF_CMSGHDR <= control.byteSize()) {
      long length = control.get(LONG, at);
      if (length < SIZE_OF_CMSGHDR || at + length > control.byteSize()) {
        break;
      }
      if (control.get(INT, at + 8) == SOL_SOCKET && control.get(INT, at + 12) == SCM_RIGHTS) {
        for (long fd = at + SIZE_OF_CMSGHDR; fd + Integer.BYTES <= at + length; fd += 4) {
          descriptors.add(control.get(INT, fd));
        }
      }
      at += aligned(length);
    }
    return descriptors;
  }
}
