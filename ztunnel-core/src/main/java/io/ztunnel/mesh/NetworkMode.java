package io.ztunnel.mesh;

/** Whether a workload has its addresses to itself. */
public enum NetworkMode implements Spelled {
  STANDARD("Standard"),
  /** It shares its node's addresses, which therefore do not name it. */
  HOST_NETWORK("HostNetwork");

  private final String text;

  NetworkMode(String text) {
    this.text = text;
  }

  @Override
  public String text() {
    return text;
  }
}
