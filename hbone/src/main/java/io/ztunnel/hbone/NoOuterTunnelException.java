package io.ztunnel.hbone;

import java.io.IOException;

/** There is no tunnel for a connection to run in. Has no stack trace: nothing is wrong here. */
final class NoOuterTunnelException extends IOException {
  private static final long serialVersionUID = 1;

  private final transient HboneFailure failure;

  NoOuterTunnelException(HboneFailure failure) {
    super(failure.message());
    this.failure = failure;
  }

  HboneFailure failure() {
    return failure;
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
