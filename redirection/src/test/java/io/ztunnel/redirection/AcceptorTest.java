package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.Channel;
import io.ztunnel.redirection.SocketSettings.Keepalive;
import io.ztunnel.redirection.SocketSettings.Transparency;
import java.io.IOException;
import java.io.Serial;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AcceptorTest {
  private static final InetAddress LOCALHOST = InetAddress.ofLiteral("127.0.0.1");

  @ParameterizedTest
  // Not io_uring, where the kernel took note of the limit when the accept was armed.
  @EnumSource(names = {"EPOLL", "NIO"})
  void listenerPausesWhenItCannotAcceptAndGoesOn(Transport transport) throws Exception {
    Keepalive keepalive = new Keepalive(false, Duration.ofMinutes(3), Duration.ofMinutes(3), 9);
    SocketSettings settings =
        new SocketSettings(true, OptionalInt.empty(), false, Transparency.NEVER, keepalive, false);
    try (NetworkNamespace own = NetworkNamespace.current();
        Loops loops = new Loops(transport);
        TestListener listener =
            TestListener.open(
                new SocketFactory(transport, own, settings),
                loops,
                ListenerSettings.at(new InetSocketAddress(LOCALHOST, 0)));
        SocketChannel waiting = SocketChannel.open()) {
      // Once with a made-up error: afterwards every class that is needed has been read from disk,
      // which without descriptors is not possible.
      Channel channel = listener.channel();
      Loops.await(channel.eventLoop().submit(() -> fail(channel)));
      assertFalse(channel.config().isAutoRead());
      try (Socket first = new Socket(LOCALHOST, listener.address().getPort())) {
        assertEquals(first.getLocalSocketAddress(), listener.next().remoteAddress());
      }
      assertTrue(channel.config().isAutoRead());
      Libc.Limit limit = Libc.descriptorLimit();
      Libc.setDescriptorLimit(new Libc.Limit(3, limit.hard()));
      try {
        assertTrue(waiting.connect(listener.address()));
        awaitPause(channel);
      } finally {
        Libc.setDescriptorLimit(limit);
      }
      assertEquals(waiting.getLocalAddress(), listener.next().remoteAddress());
    }
  }

  private static void awaitPause(Channel listener) throws Exception {
    for (int turn = 0; turn < 500 && listener.config().isAutoRead(); turn++) {
      Loops.await(listener.eventLoop().schedule(() -> "turn", 10, TimeUnit.MILLISECONDS));
    }
    assertFalse(listener.config().isAutoRead());
  }

  private static void fail(Channel channel) {
    channel.pipeline().fireExceptionCaught(new DeliberateException());
  }

  private static final class DeliberateException extends IOException {
    @Serial private static final long serialVersionUID = 1;
  }
}
