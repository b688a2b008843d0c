package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelOption;
import io.netty.channel.unix.RawUnixChannelOption;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where a connection was going before the pod's rules redirected it to us. Stateless; called on the
 * event loop of the accepted channel.
 */
public final class OriginalDestination {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::socket");

  /** {@code getsockopt(SOL_IP, SO_ORIGINAL_DST)}: a {@code sockaddr_in}. */
  private static final ChannelOption<ByteBuffer> IPV4 =
      new RawUnixChannelOption("SO_ORIGINAL_DST", 0, 80, 16);

  /** {@code getsockopt(SOL_IPV6, IP6T_SO_ORIGINAL_DST)}: a {@code sockaddr_in6}. */
  private static final ChannelOption<ByteBuffer> IPV6 =
      new RawUnixChannelOption("IP6T_SO_ORIGINAL_DST", 41, 80, 28);

  private OriginalDestination() {}

  /**
   * The destination that the application dialled. Where the kernel has no record of a redirection,
   * this is the accepted socket's own address, which is right for a transparent one (TPROXY).
   */
  public static InetSocketAddress of(Channel accepted) {
    InetSocketAddress local = Addresses.canonical((InetSocketAddress) accepted.localAddress());
    boolean isIpv6 = local.getAddress() instanceof Inet6Address;
    try {
      ByteBuffer address = accepted.config().getOption(isIpv6 ? IPV6 : IPV4);
      if (address != null) {
        return parse(address, isIpv6);
      }
      warn(accepted, "this transport cannot ask for it");
    } catch (ChannelException e) {
      warn(accepted, IoFailure.reason(e));
    }
    return local;
  }

  private static void warn(Channel accepted, String reason) {
    if (!SocketFactory.isTransparent(accepted)) {
      LOG.warn("no original destination of {}: {}", accepted, reason);
    }
  }

  private static InetSocketAddress parse(ByteBuffer sockaddr, boolean isIpv6) {
    byte[] address = new byte[isIpv6 ? 16 : 4];
    sockaddr.get(sockaddr.position() + (isIpv6 ? 8 : 4), address);
    int port =
        Short.toUnsignedInt(
            sockaddr.duplicate().order(ByteOrder.BIG_ENDIAN).getShort(sockaddr.position() + 2));
    return new InetSocketAddress(Addresses.ofBytes(address), port);
  }
}
