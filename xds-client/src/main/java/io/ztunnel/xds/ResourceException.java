package io.ztunnel.xds;

/** Why one resource is not taken; told to the control plane, which logs it. */
public final class ResourceException extends Exception {
  private static final long serialVersionUID = 1;

  /** The reason: what was found and what was expected. */
  public ResourceException(String reason) {
    super(reason);
  }

  /** The reason, from the error that showed it. */
  public ResourceException(String reason, Throwable cause) {
    super(reason, cause);
  }

  /** The reason in words. */
  public String reason() {
    return String.valueOf(getMessage());
  }
}
