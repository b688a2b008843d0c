package io.ztunnel.redirection;

import io.netty.util.NetUtil;
import java.net.InetSocketAddress;

/**
 * One listener. Immutable.
 *
 * @param keepalive whether the connections it accepts are probed when idle
 * @param marking whether it and what it accepts have the packet mark
 */
public record ListenerSettings(ListenAddress address, boolean keepalive, Marking marking) {
  /** Whose packets a listener's are, for the rules of redirection. */
  public enum Marking {
    /** The proxy's: with {@link SocketSettings#listenerMark}, if there is one. */
    MARKED,
    /** Anybody's. */
    UNMARKED
  }

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

  /** A listener on every address, marked, whose connections are not probed. */
  public static ListenerSettings wildcard(int port) {
    return new ListenerSettings(new ListenAddress.Wildcard(port), false, Marking.MARKED);
  }

  /** A listener on one address, marked, whose connections are not probed. */
  public static ListenerSettings at(InetSocketAddress address) {
    return new ListenerSettings(new ListenAddress.Exact(address), false, Marking.MARKED);
  }

  /** The same listener, its connections probed as {@link SocketSettings#keepalive} says. */
  public ListenerSettings withKeepalive() {
    return new ListenerSettings(address, true, marking);
  }

  /**
   * The same listener without the packet mark, for connections of applications in the same
   * namespace. The rules note for each of those that a marked packet came over loopback, and from
   * then on the kernel looks up a route for every packet of both sides.
   */
  public ListenerSettings withoutMark() {
    return new ListenerSettings(address, keepalive, Marking.UNMARKED);
  }
}
