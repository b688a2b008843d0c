package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import org.jspecify.annotations.Nullable;

/** The pipeline of a connection to an upstream: a leg, ready before the first event. Used once. */
final class UpstreamDial extends ChannelInitializer<Channel> {
  private @Nullable TcpLeg leg;

  @Override
  protected void initChannel(Channel channel) {
    PodProxy.prepare(channel);
    TcpLeg made = new TcpLeg(channel);
    channel.pipeline().addLast(made.handler());
    leg = made;
  }

  /** The leg, once the connection stands. */
  TcpLeg leg() {
    if (leg == null) {
      throw new IllegalStateException("not connected");
    }
    return leg;
  }
}
