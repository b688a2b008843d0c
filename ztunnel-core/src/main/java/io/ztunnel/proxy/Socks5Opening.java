package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.NetUtil;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.redirection.Addresses;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/**
 * A connection to the SOCKS5 port that has not said yet where it is to go, in the books of its
 * proxy: a drain waits for it, and it is counted.
 *
 * <p>Confined to the event loop of the accepted channel; {@link LiveConnection}'s methods hop to
 * it.
 */
final class Socks5Opening implements LiveConnection {
  /** Where all of them go to as yet, whatever the pod calls its loopback. */
  private static final InetSocketAddress PORT =
      new InetSocketAddress(InetAddress.getLoopbackAddress(), ProxySettings.SOCKS5_PORT);

  private final PodProxy proxy;
  private final Channel accepted;
  private final ConnectionSummary summary;
  private boolean ended;

  private Socks5Opening(PodProxy proxy, Channel accepted, InetSocketAddress client) {
    this.proxy = proxy;
    this.accepted = accepted;
    this.summary =
        new ConnectionSummary(
            ConnectionSummary.Direction.OUTBOUND,
            Addresses.canonical(client),
            NetUtil.toSocketAddressString(PORT),
            PORT,
            "");
  }

  /** Registers a connection of this client; it is over with its channel at the latest. */
  static Socks5Opening begin(PodProxy proxy, Channel accepted, InetSocketAddress client) {
    Socks5Opening opening = new Socks5Opening(proxy, accepted, client);
    accepted.closeFuture().addListener(_ -> opening.end());
    proxy.context().metrics().sockets(Reporter.SOURCE).opened();
    proxy.table().add(opening);
    return opening;
  }

  /** It is over, or another one has taken its place. */
  void end() {
    if (!ended) {
      ended = true;
      proxy.context().metrics().sockets(Reporter.SOURCE).closed();
      proxy.table().remove(this);
    }
  }

  @Override
  public EventLoop loop() {
    return accepted.eventLoop();
  }

  @Override
  public ConnectionSummary summary() {
    return summary;
  }

  @Override
  public void onCut(ConnectionFailure cause) {
    if (!ended) {
      TcpLeg.reset(accepted);
    }
  }
}
