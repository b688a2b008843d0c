package io.ztunnel.redirection;

import java.io.IOException;

/** How many files and sockets this process may have open (RLIMIT_NOFILE). Stateless. */
public final class FileDescriptorLimit {
  private FileDescriptorLimit() {}

  /** What became of {@link #raise}. */
  public sealed interface Outcome {
    /** The limit before and now; equal if it was as high as it can be. Unsigned numbers. */
    record Raised(long before, long now) implements Outcome {}

    /** The limit stays as it was. */
    record Failed(String reason) implements Outcome {}
  }

  /** Raises the soft limit to the hard one. */
  public static Outcome raise() {
    try {
      Libc.Limit limit = Libc.descriptorLimit();
      Libc.setDescriptorLimit(new Libc.Limit(limit.hard(), limit.hard()));
      return new Outcome.Raised(limit.soft(), limit.hard());
    } catch (IOException e) {
      return new Outcome.Failed(String.valueOf(e.getMessage()));
    }
  }
}
