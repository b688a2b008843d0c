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
 * @param address the client's, which policies may ask for
 */
public record TunnelQuestion(
    SpiffeId client, GatewayCall.Caller caller, Authority authority, InetAddress address) {
  private static final int MAX_PORT = 65_535;

  /**
   * A question in an operator's words.
   *
   * @param destination the host name or the address of a service
   * @param address the client's; empty: 0.0.0.0
   * @throws QuestionException if it asks for something that cannot be
   */
  public static TunnelQuestion of(
      String client, GatewayCall.Caller caller, String destination, int port, String address) {
    if (destination.isEmpty()) {
      throw new QuestionException("dst: empty (expected: a host name or an address of a service)");
    }
    if (port < 1 || port > MAX_PORT) {
      throw new QuestionException("port: " + port + " (expected: 1-65535)");
    }
    InetAddress from = IpText.parse(address.isEmpty() ? "0.0.0.0" : address);
    if (from == null) {
      throw new QuestionException("address: %s (expected: an IP address)".formatted(address));
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
        ip == null ? named(destination, port) : new Authority.Address(ip, port),
        from);
  }

  private static Authority named(String destination, int port) throws QuestionException {
    return Authority.parse(destination + ":" + port)
        .orElseThrow(
            () ->
                new QuestionException(
                    "dst: %s (expected: a host name or an address of a service)"
                        .formatted(destination)));
  }
}
