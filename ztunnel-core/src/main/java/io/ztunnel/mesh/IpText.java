package io.ztunnel.mesh;

import io.netty.util.NetUtil;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/** The text of IP addresses: dotted quads and RFC 5952. Never asks a name service. */
public final class IpText {
  static final InetAddress ANY_V4 = InetAddress.ofLiteral("0.0.0.0");
  static final InetAddress ANY_V6 = InetAddress.ofLiteral("::");

  private IpText() {}

  /**
   * Reads an address; null for anything but four decimal octets or an IPv6 address without zone and
   * brackets. An IPv4-mapped IPv6 address is read as the IPv4 address.
   */
  public static @Nullable InetAddress parse(String text) {
    boolean plain = text.indexOf('[') < 0 && text.indexOf('%') < 0;
    return plain && (NetUtil.isValidIpV4Address(text) || NetUtil.isValidIpV6Address(text))
        ? InetAddress.ofLiteral(text)
        : null;
  }

  /** The shortest text, without brackets. */
  public static String of(InetAddress address) {
    return NetUtil.toAddressString(address);
  }

  /** {@code ip:port}, an IPv6 address in brackets. */
  public static String of(InetSocketAddress address) {
    return NetUtil.toSocketAddressString(address);
  }
}
