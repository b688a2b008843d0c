package io.ztunnel.mesh;

/**
 * The uid that the control plane gives to gateways, {@code NetworkGateway/network/address/port}
 * (Istio). It has port 0 where the control plane does not know it.
 */
final class GatewayUid {
  private static final String PREFIX = "NetworkGateway/";
  private static final int MAX_PORT = 65_535;

  private GatewayUid() {}

  static boolean is(String uid) {
    return uid.startsWith(PREFIX);
  }

  /** The port that it names; the standard one where it names none. */
  static int port(String uid, int standard) {
    int slash = uid.lastIndexOf('/');
    int port = 0;
    for (int i = slash + 1; i < uid.length(); i++) {
      int digit = uid.charAt(i) - '0';
      if (digit < 0 || digit > 9 || port > MAX_PORT) {
        return standard;
      }
      port = port * 10 + digit;
    }
    return port > 0 && port <= MAX_PORT ? port : standard;
  }
}
