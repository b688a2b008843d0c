package io.ztunnel.redirection;

import java.io.IOException;

/** What the kernel must let us do to serve pods. Stateless. */
public final class Permissions {
  private static final int TEST_MARK = 1337;

  private Permissions() {}

  /**
   * Tries out what every pod will need: entering a network namespace and marking packets. To be
   * called at start, on a thread of the process's own namespace.
   *
   * @throws IOException that names the capabilities, if one of the two is refused
   */
  public static void check() throws IOException {
    try {
      tryEntering();
      tryMarking();
    } catch (IOException e) {
      throw new IOException(
          "%s (expected: the capabilities CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW)"
              .formatted(e.getMessage()),
          e);
    }
  }

  private static void tryEntering() throws IOException {
    int fd = Libc.open(NetworkNamespace.OF_THIS_THREAD);
    try {
      Libc.enterNetworkNamespace(fd);
    } finally {
      Libc.close(fd);
    }
  }

  private static void tryMarking() throws IOException {
    int fd = Libc.socket(Libc.AF_INET, Libc.SOCK_STREAM);
    try {
      Libc.setIntOption(fd, Libc.SOL_SOCKET, Libc.SO_MARK, TEST_MARK);
    } finally {
      Libc.close(fd);
    }
  }
}
