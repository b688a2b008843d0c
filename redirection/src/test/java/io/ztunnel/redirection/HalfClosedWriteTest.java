package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a peer that said all it had to say is still told, however much it is. */
class HalfClosedWriteTest {
  private static final int BYTES = 16 << 20;
  private static final Duration TIMEOUT = Duration.ofSeconds(5);

  enum Opener {
    US,
    PEER
  }

  static Stream<Arguments> connections() {
    return SocketFactoryTest.transports().stream()
        .flatMap(
            transport -> Stream.of(Opener.values()).map(opener -> Arguments.of(transport, opener)));
  }

  @ParameterizedTest
  @MethodSource("connections")
  void aLargeAnswerToAPeerThatHasHalfClosedIsWhole(Transport transport, Opener opener)
      throws Exception {
    byte[] bytes = bytes();
    try (Connection connection = new Connection(transport, opener)) {
      connection.endHalf();
      // As a relay does whose other side is slow: the kernel has nothing left to tell of it.
      connection.on(() -> connection.channel.config().setAutoRead(false));
      connection.write(bytes, BYTES);
      // More than the kernel holds, so the rest has to wait.
      connection.on(() -> assertFalse(connection.channel.isWritable()));
      connection.assertArrives(bytes);
    }
  }

  /** Several pieces are one vectored write, which waits for room in another way than one piece. */
  @ParameterizedTest
  @MethodSource("connections")
  void aLargeAnswerInPiecesToAPeerThatHasHalfClosedIsWhole(Transport transport, Opener opener)
      throws Exception {
    byte[] bytes = bytes();
    try (Connection connection = new Connection(transport, opener)) {
      connection.endHalf();
      connection.write(bytes, BYTES / 2);
      Peer.awaitFull(connection.peer);
      connection.assertArrives(bytes);
    }
  }

  @ParameterizedTest
  @MethodSource("connections")
  void aChannelWhoseWriteWaitsForAHalfClosedPeerCloses(Transport transport, Opener opener)
      throws Exception {
    try (Connection connection = new Connection(transport, opener)) {
      connection.endHalf();
      connection.write(bytes(), BYTES / 2);
      Peer.awaitFull(connection.peer);
      assertTrue(connection.channel.close().await(5, TimeUnit.SECONDS));
    }
  }

  /** The write is told to end while the kernel tries it. */
  @ParameterizedTest
  @MethodSource("connections")
  void aChannelWhoseWriteBeginsToWaitForAHalfClosedPeerCloses(Transport transport, Opener opener)
      throws Exception {
    try (Connection connection = new Connection(transport, opener)) {
      connection.endHalf();
      connection.write(bytes(), BYTES);
      assertTrue(connection.channel.close().await(5, TimeUnit.SECONDS));
    }
  }

  @ParameterizedTest
  @MethodSource("connections")
  void aChannelThatMayNotBeHalfClosedClosesWithItsPeersHalf(Transport transport, Opener opener)
      throws Exception {
    try (Connection connection = new Connection(transport, opener)) {
      connection.channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, false);
      connection.write(bytes(), BYTES / 2);
      Peer.awaitFull(connection.peer);
      connection.peer.shutdownOutput();
      assertTrue(connection.channel.closeFuture().await(5, TimeUnit.SECONDS));
    }
  }

  private static byte[] bytes() {
    byte[] bytes = new byte[BYTES];
    new Random(4711).nextBytes(bytes);
    return bytes;
  }

  /** A channel that may be half closed, and its peer, which the test reads from. */
  private static final class Connection implements AutoCloseable {
    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    final Channel channel;
    final Socket peer;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Loops listening;
    private final Loops loops;
    private final EventLoop loop;

    Connection(Transport transport, Opener opener) throws Exception {
      listening = new Loops(transport);
      loops = new Loops(transport);
      InetAddress localhost = InetAddress.getLoopbackAddress();
      try (NetworkNamespace own = NetworkNamespace.current()) {
        SocketFactory factory = new SocketFactory(transport, own, SocketFactoryTest.settings());
        switch (opener) {
          case US -> {
            try (ServerSocket listener = new ServerSocket(0, 1, localhost)) {
              InetSocketAddress address = new InetSocketAddress(localhost, listener.getLocalPort());
              channel =
                  Loops.await(
                      factory.connect(loops.next(), address, null, new QuietHandler(), TIMEOUT));
              peer = listener.accept();
            }
          }
          case PEER -> {
            // Ends with the loops that it is on.
            TestListener listener =
                TestListener.open(factory, listening, loops, ListenerSettings.wildcard(0));
            peer = new Socket(localhost, listener.address().getPort());
            channel = listener.next();
          }
          default -> throw new AssertionError(opener);
        }
      }
      peer.setSoTimeout(Math.toIntExact(TIMEOUT.toMillis()));
      loop = channel.eventLoop();
      on(
          () -> {
            channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
            channel.pipeline().addFirst(new Ears());
            channel.config().setAutoRead(true);
          });
    }

    /** Tells the test what comes. */
    private final class Ears extends ChannelInboundHandlerAdapter {
      @Override
      public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
        if (event == ChannelInputShutdownEvent.INSTANCE) {
          ended.complete(null);
        }
      }

      @Override
      public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        failure.complete(cause);
      }
    }

    /** Runs it on the channel's loop. */
    void on(Runnable step) throws Exception {
      loop.submit(step).get(5, TimeUnit.SECONDS);
    }

    /** The peer has nothing more to say, and the channel knows. */
    void endHalf() throws Exception {
      peer.shutdownOutput();
      ended.get(5, TimeUnit.SECONDS);
    }

    /** Bytes in pieces of this size, which wait together to be sent. */
    void write(byte[] bytes, int piece) throws Exception {
      on(
          () -> {
            for (int from = 0; from < bytes.length; from += piece) {
              int length = Math.min(piece, bytes.length - from);
              channel.write(Unpooled.wrappedBuffer(bytes, from, length), channel.voidPromise());
            }
            channel.flush();
          });
    }

    /** The peer reads all of it, and nothing has gone wrong. */
    void assertArrives(byte[] bytes) throws IOException {
      assertArrayEquals(bytes, peer.getInputStream().readNBytes(bytes.length));
      assertNull(failure.getNow(null));
    }

    @Override
    public void close() throws IOException {
      peer.close();
      assertTrue(channel.close().awaitUninterruptibly(5, TimeUnit.SECONDS));
      loops.close();
      listening.close();
    }
  }
}
