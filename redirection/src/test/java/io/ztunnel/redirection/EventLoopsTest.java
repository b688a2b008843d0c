package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EventLoopsTest {
  /** Netty's own loops leave the socket open at every fifth to tenth end. */
  private static final int ROUNDS = 200;

  @ParameterizedTest
  @EnumSource
  void noChannelIsLeftOpenWhereverInItsTurnALoopIsToldToEnd(Transport transport) throws Exception {
    assumeTrue(transport.available(), transport.unavailabilityReason());
    for (int round = 0; round < ROUNDS; round++) {
      EventLoops loops = new EventLoops(transport, 1);
      Channel listener =
          new ServerBootstrap()
              .group(loops)
              .channel(transport.serverChannelClass())
              .childHandler(new ChannelInboundHandlerAdapter())
              .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
              .sync()
              .channel();
      for (int task = 0; task < round % 40; task++) {
        loops.execute(() -> {});
      }
      assertTrue(loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).await(10, TimeUnit.SECONDS));
      assertFalse(listener.isOpen(), "round " + round);
    }
  }
}
