package io.ztunnel.metrics;

/** On whose behalf a connection is reported: which end of it this proxy serves, if any. */
public enum Reporter {
  /** The proxy of the client: outbound and SOCKS connections. */
  SOURCE("source"),
  /** The proxy of the server: inbound and passthrough connections. */
  DESTINATION("destination"),
  /** A gateway between networks, which neither end belongs to. */
  GATEWAY("gateway");

  private final String label;

  Reporter(String label) {
    this.label = label;
  }

  /** The value of the {@code reporter} label. */
  String label() {
    return label;
  }
}
