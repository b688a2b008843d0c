package io.ztunnel.mesh;

import java.util.Objects;

/**
 * A local configuration that cannot be used; the message says where, what was found and what was
 * expected, and is all that a user needs.
 */
public final class LocalConfigException extends Exception {
  private static final long serialVersionUID = 1;

  LocalConfigException(String message) {
    super(message);
  }

  @Override
  public String getMessage() {
    return Objects.requireNonNull(super.getMessage());
  }
}
