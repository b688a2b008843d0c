package io.ztunnel.redirection;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A network namespace, held open by a file descriptor that this object owns.
 *
 * <p>Usable from any platform thread. {@link #close} may come at any time: calls in progress keep
 * the descriptor until they end, so that its number is never reused under them, and later calls
 * fail.
 */
public final class NetworkNamespace implements AutoCloseable {
  static final String OF_THIS_THREAD = "/proc/thread-self/ns/net";

  /** As the kernel lists it. */
  private static final String IPV6_LOOPBACK = "00000000000000000000000000000001";

  /** Set in {@link #users} once closed; the bits below count the calls in progress. */
  private static final int CLOSED = 1 << 30;

  private static final ThreadLocal<Boolean> INSIDE = ThreadLocal.withInitial(() -> false);

  private final int fd;
  private final Identity identity;

  /** Written by every thread that calls or closes. */
  private final AtomicInteger users = new AtomicInteger();

  private NetworkNamespace(int fd, Identity identity) {
    this.fd = fd;
    this.identity = identity;
  }

  /** What tells one namespace from another: two descriptors of one namespace have equal ones. */
  public record Identity(long inode, long device) {}

  /** What to do inside a namespace. */
  @FunctionalInterface
  public interface Action<T, X extends Exception> {
    T run() throws X;
  }

  /** The namespace that threads return to: where the process was when it first asked. */
  private static final class Home {
    static final NetworkNamespace NAMESPACE = open();

    private static NetworkNamespace open() {
      try {
        return of(OF_THIS_THREAD);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot open the process's own network namespace", e);
      }
    }
  }

  /** The namespace of the calling thread. */
  public static NetworkNamespace current() throws IOException {
    return of(OF_THIS_THREAD);
  }

  /** The namespace that is bound to a path, such as {@code /run/netns/NAME}. */
  public static NetworkNamespace ofPath(Path path) throws IOException {
    return of(path.toString());
  }

  /**
   * Takes over a descriptor, which is closed if this fails. Whether it is one of a network
   * namespace shows at the first {@link #call}.
   */
  static NetworkNamespace adopt(int fd) throws IOException {
    try {
      return new NetworkNamespace(fd, Libc.identity(fd));
    } catch (IOException | RuntimeException e) {
      Libc.close(fd);
      throw e;
    }
  }

  private static NetworkNamespace of(String path) throws IOException {
    return adopt(Libc.open(path));
  }

  public Identity identity() {
    return identity;
  }

  /**
   * Runs an action on the calling thread, inside this namespace. The action may open sockets and
   * read {@code /proc}; it must start no thread (which would stay in the namespace), and must not
   * block or log.
   *
   * @throws IOException if the namespace cannot be entered or was closed
   * @throws IllegalStateException on a virtual thread, or inside another call
   */
  public <T, X extends Exception> T call(Action<T, X> action) throws IOException, X {
    if (Thread.currentThread().isVirtual()) {
      throw new IllegalStateException("virtual thread (expected: a platform thread, for setns)");
    }
    if (INSIDE.get()) {
      throw new IllegalStateException("already inside a network namespace (expected: no nesting)");
    }
    retain();
    try {
      return identity.equals(Home.NAMESPACE.identity) ? action.run() : inside(action);
    } finally {
      release();
    }
  }

  private <T, X extends Exception> T inside(Action<T, X> action) throws IOException, X {
    try {
      Libc.enterNetworkNamespace(fd);
    } catch (SystemCallException e) {
      throw new IOException("cannot enter " + this + ": " + e.getMessage(), e);
    }
    INSIDE.set(true);
    try {
      return action.run();
    } finally {
      INSIDE.set(false);
      goHome();
    }
  }

  private void goHome() {
    try {
      Libc.enterNetworkNamespace(Home.NAMESPACE.fd);
    } catch (Throwable e) {
      // The thread would open the sockets of other pods here: no way to go on safely.
      System.err.println("fatal: a thread cannot leave " + this + ", the process ends: " + e);
      Runtime.getRuntime().halt(1);
    }
  }

  /**
   * True if a socket in this namespace can use IPv6. False, without an error, where the kernel has
   * none and where it is switched off.
   */
  boolean hasIpv6() throws IOException {
    return call(NetworkNamespace::threadHasIpv6);
  }

  /** As {@link #hasIpv6}, for the namespace that the calling thread is in right now. */
  static boolean threadHasIpv6() throws IOException {
    String addresses;
    try {
      addresses = Files.readString(Path.of("/proc/thread-self/net/if_inet6"));
    } catch (NoSuchFileException e) {
      return false; // a kernel without IPv6
    }
    // Addresses, even of one interface only, prove more than the switches, which are per interface.
    boolean hasAddress = !addresses.isBlank();
    return hasAddress || !(isIpv6SwitchedOff("all") || isIpv6SwitchedOff("lo"));
  }

  /** True if the namespace that the calling thread is in has the address ::1, on loopback. */
  static boolean threadHasIpv6Loopback() throws IOException {
    try {
      return Files.readString(Path.of("/proc/thread-self/net/if_inet6")).contains(IPV6_LOOPBACK);
    } catch (NoSuchFileException e) {
      return false; // a kernel without IPv6
    }
  }

  private static boolean isIpv6SwitchedOff(String scope) throws IOException {
    try {
      // The kernel shows the switches of the reading thread's namespace.
      return Files.readString(Path.of("/proc/sys/net/ipv6/conf", scope, "disable_ipv6"))
          .strip()
          .equals("1");
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  private void retain() throws IOException {
    int before = users.getAndUpdate(count -> (count & CLOSED) != 0 ? count : count + 1);
    if ((before & CLOSED) != 0) {
      throw new IOException(this + " is closed");
    }
  }

  private void release() {
    if (users.decrementAndGet() == CLOSED) {
      Libc.close(fd);
    }
  }

  /** Gives the descriptor back, after the calls in progress. A second close does nothing. */
  @Override
  public void close() {
    int before = users.getAndUpdate(count -> count | CLOSED);
    if (before == 0) {
      Libc.close(fd);
    }
  }

  @Override
  public String toString() {
    return "network namespace " + identity.inode;
  }
}
