package io.ztunnel.redirection;

import io.netty.util.NetUtil;
import java.net.InetSocketAddress;

/** One listener: where, and whether the connections it accepts are probed when idle. Immutable. */
public record ListenerSettings(ListenAddress address, boolean keepalive) {
  /** Where to listen. */
  public sealed interface ListenAddress {
    /** Every address of the namespace, in the families that it has. */
    record Wildcard(int port) implements ListenAddress {}

    /** One address. */
    record Exact(InetSocketAddress address) implements ListenAddress {
      public Exact {
        if (address.isUnresolved()) {
          throw new IllegalArgumentException(
              "%s (expected: a resolved address)".formatted(address));
        }
      }

      @Override
      public String toString() {
        return NetUtil.toSocketAddressString(address);
      }
    }
  }

  /** A listener on every address, whose connections are not probed. */
  public static ListenerSettings wildcard(int port) {
    return new ListenerSettings(new ListenAddress.Wildcard(port), false);
  }

  /** A listener on one address, whose connections are not probed. */
  public static ListenerSettings at(InetSocketAddress address) {
    return new ListenerSettings(new ListenAddress.Exact(address), false);
  }

  /** The same listener, its connections probed as {@link SocketSettings#keepalive} says. */
  public ListenerSettings withKeepalive() {
    return new ListenerSettings(address, true);
  }
}
