package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.ztunnel.redirection.SocketSettings.Keepalive;
import io.ztunnel.redirection.SocketSettings.Transparency;
import java.io.IOException;
import java.io.Serial;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AcceptorTest {
  private static final InetAddress LOCALHOST = InetAddress.ofLiteral("127.0.0.1");

  private static final SocketSettings SETTINGS =
      new SocketSettings(
          true,
          OptionalInt.empty(),
          false,
          Transparency.NEVER,
          new Keepalive(false, Duration.ofMinutes(3), Duration.ofMinutes(3), 9),
          false);

  @ParameterizedTest
  // Not io_uring, where the kernel took note of the limit when the accept was armed.
  @EnumSource(names = {"EPOLL", "NIO"})
  void listenerPausesWhenItCannotAcceptAndGoesOn(Transport transport) throws Exception {
    try (NetworkNamespace own = NetworkNamespace.current();
        Loops loops = new Loops(transport);
        TestListener listener =
            TestListener.open(
                new SocketFactory(transport, own, SETTINGS),
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

  @ParameterizedTest
  @EnumSource
  void manyShortConnectionsStayOnTheLoopThatAccepts(Transport transport) throws Exception {
    try (NetworkNamespace own = NetworkNamespace.current();
        Loops loops = new Loops(transport);
        TestListener listener =
            TestListener.open(
                new SocketFactory(transport, own, SETTINGS),
                loops,
                ListenerSettings.at(new InetSocketAddress(LOCALHOST, 0)))) {
      EventLoop accepting = listener.channel().eventLoop();
      try (Clients clients = new Clients(listener)) {
        assertEquals(4, clients.countOn(accepting, 8), "in turn");
      }
      // However slow the machine is, hundreds in a row are sooner or later fast enough.
      int kept = 0;
      for (int turn = 0; turn < 50 && kept < ShortConnections.MAX_KEPT; turn++) {
        for (int i = 0; i < 200; i++) {
          try (Clients clients = new Clients(listener)) {
            clients.countOn(accepting, 1);
          }
        }
        try (Clients clients = new Clients(listener)) {
          kept = clients.countOn(accepting, ShortConnections.MAX_KEPT);
        }
      }
      assertEquals(ShortConnections.MAX_KEPT, kept, "of as many that were accepted");
    }
  }

  /** Connections whose both ends the test has. */
  private static final class Clients implements AutoCloseable {
    private final TestListener listener;
    private final List<SocketChannel> clients = new ArrayList<>();
    private final List<Channel> accepted = new ArrayList<>();

    Clients(TestListener listener) {
      this.listener = listener;
    }

    /** Connects so many more, and tells how many of them a loop has. */
    int countOn(EventLoop loop, int count) throws Exception {
      int found = 0;
      for (int i = 0; i < count; i++) {
        clients.add(SocketChannel.open(listener.address()));
        Channel channel = listener.next();
        accepted.add(channel);
        if (channel.eventLoop().equals(loop)) {
          found++;
        }
      }
      return found;
    }

    @Override
    public void close() throws IOException {
      for (Channel channel : accepted) {
        assertTrue(channel.close().awaitUninterruptibly(5, TimeUnit.SECONDS), channel::toString);
      }
      for (SocketChannel client : clients) {
        client.close();
      }
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
