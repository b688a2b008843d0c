package io.ztunnel.routing;

import io.ztunnel.mesh.IpText;
import java.net.InetAddress;

/** Why an inbound connection ends nowhere. Immutable. */
public sealed interface InboundFailure extends InboundResult {
  /** The connection's error (Istio); for the log, not for the peer. */
  String message();

  /** The HTTP status that the peer is answered with. */
  int status();

  /** The authority is neither an address nor a hostname with a port. */
  record NoValidAuthority(String authority) implements InboundFailure {
    @Override
    public String message() {
      return "no valid authority pseudo header: " + authority;
    }

    @Override
    public int status() {
      return 400;
    }
  }

  /** The peer asks for an address that is not here, and this is not its waypoint. */
  record IpMismatch(InetAddress local, InetAddress requested) implements InboundFailure {
    @Override
    public String message() {
      return "ip mismatch: " + IpText.of(local) + " != " + IpText.of(requested);
    }

    @Override
    public int status() {
      return 400;
    }
  }

  /** Nothing has the hostname. */
  record UnknownHostname(String hostname) implements InboundFailure {
    @Override
    public String message() {
      return "no service or workload for hostname: " + hostname;
    }

    @Override
    public int status() {
      return 503;
    }
  }

  /** The service does not have the port, or nobody says what is behind it here. */
  record NoPort(RequestedAddress.Named requested) implements InboundFailure {
    @Override
    public String message() {
      return "requested service " + requested + " found, but cannot resolve port";
    }

    @Override
    public int status() {
      return 503;
    }
  }

  /** The service has no address that the application could be told. */
  record NoServiceAddress(String hostname) implements InboundFailure {
    @Override
    public String message() {
      return "requested service " + hostname + " found, but has no IP addresses";
    }

    @Override
    public int status() {
      return 503;
    }
  }

  /** It would come back to this proxy. */
  record SelfCall() implements InboundFailure {
    @Override
    public String message() {
      return "attempted recursive call to ourselves";
    }

    @Override
    public int status() {
      return 503;
    }
  }
}
