package io.ztunnel.app;

import io.netty.util.NetUtil;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where a server of the daemon listens. */
sealed interface BindAddress {
  /** Absent if the kernel has no IPv6; then no address of it can be bound. */
  Path IPV6_INTERFACES = Path.of("/proc/net/if_inet6");

  /** The addresses to bind, at least one. */
  List<InetSocketAddress> addresses(Host host);

  /** The port of all of them. */
  int port();

  /** The form of {@code /config_dump}. */
  Variant dump();

  /** One address. */
  record Socket(InetSocketAddress address) implements BindAddress {
    @Override
    public List<InetSocketAddress> addresses(Host host) {
      // Without IPv6 not even the wildcard of both families can be bound.
      boolean both = address.getAddress() instanceof Inet6Address v6 && v6.isAnyLocalAddress();
      return both && !host.exists(IPV6_INTERFACES)
          ? List.of(new InetSocketAddress("0.0.0.0", address.getPort()))
          : List.of(address);
    }

    @Override
    public int port() {
      return address.getPort();
    }

    @Override
    public Variant dump() {
      return new Variant("SocketAddr", toString());
    }

    @Override
    public String toString() {
      return NetUtil.toSocketAddressString(address);
    }
  }

  /** Loopback, in both families where the machine has both. */
  record Localhost(boolean ipv6, int port) implements BindAddress {
    private static final Logger LOG = LoggerFactory.getLogger("ztunnel::config");
    private static final Path DISABLED = Path.of("/proc/sys/net/ipv6/conf/lo/disable_ipv6");

    @Override
    public List<InetSocketAddress> addresses(Host host) {
      var v4 = new InetSocketAddress(NetUtil.LOCALHOST4, port);
      return ipv6 && hasIpv6(host)
          ? List.of(v4, new InetSocketAddress(NetUtil.LOCALHOST6, port))
          : List.of(v4);
    }

    private static boolean hasIpv6(Host host) {
      if (!host.exists(IPV6_INTERFACES)) {
        return false;
      }
      try {
        return !host.read(DISABLED).trim().equals("1");
      } catch (IOException e) {
        LOG.warn("cannot tell whether loopback has IPv6, taking it as on: {}", e.toString());
        return true;
      }
    }

    @Override
    public Variant dump() {
      return new Variant("Localhost", List.of(ipv6, port));
    }

    @Override
    public String toString() {
      return "localhost:" + port;
    }
  }
}
