package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import java.net.InetAddress;

/** Why an inbound connection ends nowhere. How it is told is for the caller. Immutable. */
public sealed interface InboundFailure extends InboundResult {
  /** The peer asks for an address that is not here, and this is not its waypoint. */
  record IpMismatch(InetAddress local, InetAddress requested) implements InboundFailure {}

  /** Nothing has the hostname. */
  record UnknownHostname(String hostname) implements InboundFailure {}

  /** The service does not have the port, or nobody says what is behind it here. */
  record NoPort(Authority.Host requested) implements InboundFailure {}

  /** The service has no address that the application could be told. */
  record NoServiceAddress(String hostname) implements InboundFailure {}

  /** It would come back to this proxy. */
  record SelfCall() implements InboundFailure {}

  /** A plain connection was going to a port of the pod on which this proxy listens. */
  record ProxyPort(int port) implements InboundFailure {}
}
