package io.ztunnel.mesh;

import java.net.Inet6Address;
import java.net.InetAddress;

/** Which IP families a service uses. */
public enum IpFamilies implements Spelled {
  DUAL("Dual"),
  IPV4("IPv4"),
  IPV6("IPv6");

  private final String text;

  IpFamilies(String text) {
    this.text = text;
  }

  @Override
  public String text() {
    return text;
  }

  public boolean allows(InetAddress address) {
    return switch (this) {
      case DUAL -> true;
      case IPV4 -> !(address instanceof Inet6Address);
      case IPV6 -> address instanceof Inet6Address;
    };
  }
}
