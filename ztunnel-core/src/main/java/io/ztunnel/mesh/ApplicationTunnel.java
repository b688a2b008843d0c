package io.ztunnel.mesh;

/**
 * How a workload that understands tunnelled traffic wants it handed over (waypoints).
 *
 * @param port where it listens; {@link #SAME_PORT}: the port that was asked for
 */
public record ApplicationTunnel(Kind kind, int port) {
  /** No port of its own. */
  public static final int SAME_PORT = 0;

  public ApplicationTunnel {
    Ports.checked("application tunnel port", port);
  }

  public boolean hasPort() {
    return port != SAME_PORT;
  }

  /** What precedes the bytes of the connection. */
  public enum Kind implements Spelled {
    NONE,
    /** A PROXY protocol header, version 2. */
    PROXY;

    @Override
    public String text() {
      return name();
    }
  }
}
