package io.ztunnel.redirection;

import io.netty.channel.ChannelException;
import io.netty.channel.unix.Errors.NativeIoException;

/** The kernel's reason for a failed socket call, whichever library reports it. Stateless. */
final class IoFailure {
  private IoFailure() {}

  static String reason(Throwable failure) {
    if (failure instanceof NativeIoException e) {
      int errno = -e.expectedErr();
      return Libc.errorText(errno) + " (os error " + errno + ")";
    }
    if (failure instanceof ChannelException e && e.getCause() != null) {
      return reason(e.getCause()); // Netty's wrapper says less
    }
    String message = failure.getMessage();
    return message == null ? failure.toString() : message;
  }
}
