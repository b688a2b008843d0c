package io.ztunnel.mesh;

import java.io.Serial;

/**
 * A resource of the control plane that cannot be used. The message is the reason, fit for an answer
 * to the control plane. It has no stack trace: there may be many, and the sender is at fault.
 */
public final class ResourceException extends Exception {
  @Serial private static final long serialVersionUID = 1;

  ResourceException(String reason) {
    super(reason, null, false, false);
  }
}
