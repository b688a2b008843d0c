package io.ztunnel.redirection;

import java.io.IOException;
import java.io.Serial;

/** A system call that failed; the message names the call and the kernel's reason. Immutable. */
final class SystemCallException extends IOException {
  @Serial private static final long serialVersionUID = 1;

  private final int errno;

  SystemCallException(String call, int errno, String reason) {
    super(call + ": " + reason + " (os error " + errno + ")");
    this.errno = errno;
  }

  /** The kernel's error number. */
  int errno() {
    return errno;
  }
}
