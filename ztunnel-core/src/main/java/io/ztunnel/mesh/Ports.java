package io.ztunnel.mesh;

/** Port numbers. */
final class Ports {
  static final int MAX = 65535;

  private Ports() {}

  static int checked(String what, int port) {
    if (port < 0 || port > MAX) {
      throw new IllegalArgumentException(what + ": " + port + " (expected: 0-65535)");
    }
    return port;
  }
}
