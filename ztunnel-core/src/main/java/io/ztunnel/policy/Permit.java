package io.ztunnel.policy;

/**
 * Evidence that a connection was allowed: only {@link PolicyEngine} makes it, and whatever carries
 * bytes of the application asks for it. Immutable.
 */
public final class Permit {
  private final Connection connection;

  Permit(Connection connection) {
    this.connection = connection;
  }

  /** What was allowed. */
  public Connection connection() {
    return connection;
  }

  @Override
  public String toString() {
    return "Permit[" + connection + "]";
  }
}
