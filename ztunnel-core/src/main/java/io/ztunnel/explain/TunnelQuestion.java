package io.ztunnel.explain;

import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.IpText;
import io.ztunnel.routing.GatewayCall;
import java.net.InetAddress;

/**
 * A tunnel from another network that is pretended. Immutable.
 *
 * @param client the identity in its certificate
 * @param caller what kind of proxy asks
 * @param authority the service and the port that it asks for
 */
public record TunnelQuestion(SpiffeId client, GatewayCall.Caller caller, Authority authority) {
  private static final int MAX_PORT = 65_535;

  /**
   * A question in an operator's words.
   *
   * @param destination the host name or the address of a service
   * @throws QuestionException if it asks for something that cannot be
   */
  public static TunnelQuestion of(
      String client, GatewayCall.Caller caller, String destination, int port) {
    if (destination.isEmpty()) {
      throw new QuestionException("dst: empty (expected: a host name or an address of a service)");
    }
    if (port < 1 || port > MAX_PORT) {
      throw new QuestionException("port: " + port + " (expected: 1-65535)");
    }
    InetAddress ip = IpText.parse(destination);
    return new TunnelQuestion(
        SpiffeId.parse(client)
            .orElseThrow(
                () ->
                    new QuestionException(
                        "src: %s (expected: spiffe://<trust domain>/ns/<namespace>/sa/<account>)"
                            .formatted(client.isEmpty() ? "empty" : client))),
        caller,
        ip == null ? new Authority.Host(destination, port) : new Authority.Address(ip, port));
  }
}
