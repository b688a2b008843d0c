package io.ztunnel.profile;

import java.io.Serial;

/** Allocations are not being sampled. */
public final class NotActiveException extends Exception {
  @Serial private static final long serialVersionUID = 1;

  NotActiveException() {
    super("heap profiling is not active");
  }
}
