package io.ztunnel.profile;

import java.io.Serial;

/** Somebody else is taking a profile; there is one at a time. */
public final class ProfilerBusyException extends Exception {
  @Serial private static final long serialVersionUID = 1;

  ProfilerBusyException() {
    super("a profile is being taken already (expected: one at a time); try again when it is done");
  }
}
