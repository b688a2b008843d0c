package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPipelineException;
import io.netty.channel.EventLoop;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.Future;
import io.ztunnel.redirection.SocketSettings.Keepalive;
import io.ztunnel.redirection.SocketSettings.Transparency;
import java.io.IOException;
import java.net.ConnectException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** In the process's own namespace, on loopback: needs no privileges. */
class SocketFactoryTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(5);
  private static final InetAddress LOCALHOST = InetAddress.ofLiteral("127.0.0.1");
  private static NetworkNamespace own;

  static List<Transport> transports() {
    List<Transport> available = new ArrayList<>();
    for (Transport transport : Transport.values()) {
      if (transport.available()) {
        available.add(transport);
      } else {
        System.out.println("SKIPPED, no " + transport + ": " + transport.unavailabilityReason());
      }
    }
    return available;
  }

  @BeforeAll
  static void open() throws Exception {
    own = NetworkNamespace.current();
  }

  @AfterAll
  static void close() {
    own.close();
  }

  @ParameterizedTest
  @MethodSource("transports")
  void acceptedConnectionWaitsWithoutReadingOnAWorker(Transport transport) throws Exception {
    try (Loops boss = new Loops(transport);
        Loops workers = new Loops(transport);
        TestListener listener =
            TestListener.open(
                factory(transport, settings()), boss, workers, ListenerSettings.wildcard(0));
        Socket client = new Socket(LOCALHOST, listener.address().getPort())) {
      Channel channel = listener.next();
      assertFalse(channel.config().isAutoRead());
      assertEquals(true, channel.config().getOption(ChannelOption.TCP_NODELAY));
      assertEquals(false, channel.config().getOption(ChannelOption.SO_KEEPALIVE));
      assertEquals(workers.group(), channel.eventLoop().parent());
      Loops.await(channel.writeAndFlush(Unpooled.copiedBuffer("hi", StandardCharsets.UTF_8)));
      assertEquals("hi", Peer.hear(client, 2));
    }
  }

  @Test
  void anEndIsAcknowledgedOnceAllBeforeItIsTaken() throws Exception {
    int bytes = 64 << 10;
    try (Loops loops = new Loops(Transport.EPOLL);
        TestListener listener =
            TestListener.open(
                factory(Transport.EPOLL, settings()), loops, ListenerSettings.wildcard(0));
        Socket client = new Socket()) {
      client.setReceiveBufferSize(1); // the least that the kernel gives
      client.connect(new InetSocketAddress(LOCALHOST, listener.address().getPort()));
      Channel channel = listener.next();
      Loops.await(channel.writeAndFlush(Unpooled.buffer(bytes).writeZero(bytes)));
      EventLoop loop = channel.eventLoop();
      assertTrue(Loops.on(loop, () -> SocketFactory.sendFin(channel)));
      assertFalse(Loops.on(loop, () -> SocketFactory.isEndAcknowledged(channel)));
      assertEquals(bytes, client.getInputStream().readAllBytes().length);
      long deadline = System.nanoTime() + TIMEOUT.toNanos();
      while (!Loops.on(loop, () -> SocketFactory.isEndAcknowledged(channel))) {
        assertTrue(System.nanoTime() < deadline, "not acknowledged");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void connectionThatNobodyRedirectedWasGoingToItsLocalAddress(Transport transport)
      throws Exception {
    try (Loops loops = new Loops(transport);
        TestListener listener =
            TestListener.open(factory(transport, settings()), loops, ListenerSettings.wildcard(0));
        Socket client = new Socket(LOCALHOST, listener.address().getPort())) {
      Channel channel = listener.next();
      assertEquals(
          client.getRemoteSocketAddress(),
          Loops.on(channel.eventLoop(), () -> OriginalDestination.of(channel)));
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void acceptedConnectionIsProbedIfTheListenerSaysSo(Transport transport) throws Exception {
    ListenerSettings probed =
        ListenerSettings.at(new InetSocketAddress(LOCALHOST, 0)).withKeepalive();
    try (Loops loops = new Loops(transport);
        TestListener listener = TestListener.open(factory(transport, settings()), loops, probed);
        Socket _ = new Socket(LOCALHOST, listener.address().getPort())) {
      assertEquals(true, listener.next().config().getOption(ChannelOption.SO_KEEPALIVE));
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void takenPortIsReportedWithItsAddress(Transport transport) throws Exception {
    try (Loops loops = new Loops(transport);
        ServerSocket taken = new ServerSocket(0, 1, LOCALHOST)) {
      InetSocketAddress address = new InetSocketAddress(LOCALHOST, taken.getLocalPort());
      Throwable failure =
          Loops.awaitFailure(
              factory(transport, settings())
                  .listen(
                      loops.next(),
                      loops.group(),
                      ListenerSettings.at(address),
                      new QuietHandler()));
      String expected =
          "java.io.IOException: failed to bind to address 127.0.0.1:%d: Address already in use"
              .formatted(taken.getLocalPort());
      assertTrue(failure.toString().startsWith(expected), failure::toString);
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void reusedPortIsSharedByTwoListeners(Transport transport) throws Exception {
    SocketFactory factory =
        factory(
            transport,
            new SocketSettings(
                true, OptionalInt.empty(), true, Transparency.NEVER, keepalive(), false));
    try (Loops loops = new Loops(transport);
        TestListener first = TestListener.open(factory, loops, ListenerSettings.wildcard(0));
        TestListener second =
            TestListener.open(
                factory, loops, ListenerSettings.wildcard(first.address().getPort()))) {
      assertEquals(first.address(), second.address());
    }
  }

  @ParameterizedTest // not with NIO, which closes after the next select only
  @EnumSource(names = {"EPOLL", "IO_URING"})
  void closedListenerFreesItsPortAtOnce(Transport transport) throws Exception {
    Assumptions.assumeTrue(transport.available(), transport.unavailabilityReason());
    try (Loops loops = new Loops(transport)) {
      SocketFactory factory = factory(transport, settings());
      int port;
      try (TestListener first = TestListener.open(factory, loops, ListenerSettings.wildcard(0))) {
        port = first.address().getPort();
      }
      try (TestListener second =
          TestListener.open(factory, loops, ListenerSettings.wildcard(port))) {
        assertEquals(port, second.address().getPort());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void wildcardIsIpv4WhereIpv6IsSwitchedOff(Transport transport) throws Exception {
    SocketSettings settings =
        new SocketSettings(
            false, OptionalInt.empty(), false, Transparency.NEVER, keepalive(), false);
    try (Loops loops = new Loops(transport);
        TestListener listener =
            TestListener.open(factory(transport, settings), loops, ListenerSettings.wildcard(0))) {
      InetAddress local = listener.address().getAddress();
      assertTrue(local.isAnyLocalAddress());
      assertEquals(transport == Transport.IO_URING, local instanceof Inet6Address);
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void handlerSeesTheConnectionBecomeActive(Transport transport) throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    ChannelDuplexHandler handler =
        new ChannelDuplexHandler() {
          @Override
          public void handlerAdded(ChannelHandlerContext ctx) {
            seen.add("added, active: " + ctx.channel().isActive());
          }

          @Override
          public void channelActive(ChannelHandlerContext ctx) {
            seen.add("active: " + ctx.channel().isActive());
          }
        };
    try (Loops loops = new Loops(transport);
        ServerSocket server = new ServerSocket(0, 1, LOCALHOST)) {
      Channel channel =
          Loops.await(
              factory(transport, settings())
                  .connect(
                      loops.next(),
                      new InetSocketAddress(LOCALHOST, server.getLocalPort()),
                      null,
                      handler,
                      TIMEOUT));
      assertEquals("added, active: false", seen.poll(5, TimeUnit.SECONDS));
      assertEquals("active: true", seen.poll(5, TimeUnit.SECONDS));
      assertEquals(server.getLocalSocketAddress(), channel.remoteAddress());
      assertEquals(true, channel.config().getOption(ChannelOption.TCP_NODELAY));
      assertEquals(true, channel.config().getOption(ChannelOption.SO_KEEPALIVE));
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void manyConnectionsFromWithinALoopAllSucceed(Transport transport) throws Exception {
    try (Loops loops = new Loops(transport);
        ServerSocket server = new ServerSocket(0, 300, LOCALHOST)) {
      EventLoop loop = loops.next();
      SocketFactory factory = factory(transport, settings());
      InetSocketAddress address = new InetSocketAddress(LOCALHOST, server.getLocalPort());
      List<Future<Channel>> connecting =
          Loops.on(
              loop,
              () -> {
                List<Future<Channel>> started = new ArrayList<>();
                for (int i = 0; i < 300; i++) {
                  started.add(factory.connect(loop, address, null, new QuietHandler(), TIMEOUT));
                }
                return started;
              });
      for (Future<Channel> connected : connecting) {
        Channel channel = Loops.await(connected);
        assertTrue(channel.isActive());
        Loops.await(channel.close());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void refusedConnectionFailsAndLeavesNoSocket(Transport transport) throws Exception {
    InetSocketAddress nobody = unusedAddress();
    try (Loops loops = new Loops(transport)) {
      EventLoop loop = loops.next();
      Loops.on(loop, () -> "started"); // its own descriptors are open by now
      Descriptors before = Descriptors.now();
      for (int i = 0; i < 20; i++) {
        Throwable failure =
            Loops.awaitFailure(
                factory(transport, settings())
                    .connect(loop, nobody, null, new QuietHandler(), TIMEOUT));
        assertInstanceOf(ConnectException.class, failure);
      }
      awaitNoneLeaked(before, loop);
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void cancelledAttemptLeavesNoSocket(Transport transport) throws Exception {
    try (Loops loops = new Loops(transport);
        ServerSocket server = new ServerSocket(0, 1, LOCALHOST)) {
      EventLoop loop = loops.next();
      Loops.on(loop, () -> "started");
      Descriptors before = Descriptors.now();
      InetSocketAddress address = new InetSocketAddress(LOCALHOST, server.getLocalPort());
      Future<Channel> attempt =
          Loops.on(
              loop,
              () -> {
                Future<Channel> started =
                    factory(transport, settings())
                        .connect(loop, address, null, new QuietHandler(), TIMEOUT);
                started.cancel(false);
                return started;
              });
      assertThrows(CancellationException.class, attempt::get);
      awaitNoneLeaked(before, loop);
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void ownAddressAsSourceIsSeenByTheServer(Transport transport) throws Exception {
    InetAddress source = InetAddress.ofLiteral("127.0.0.77");
    try (Loops loops = new Loops(transport);
        ServerSocket server = new ServerSocket(0, 1, LOCALHOST)) {
      server.setSoTimeout(5_000);
      InetSocketAddress address = new InetSocketAddress(LOCALHOST, server.getLocalPort());
      Channel channel =
          Loops.await(
              factory(transport, settings())
                  .connect(loops.next(), address, source, new QuietHandler(), TIMEOUT));
      try (Socket accepted = server.accept()) {
        assertEquals(source, accepted.getInetAddress());
        assertEquals(accepted.getRemoteSocketAddress(), channel.localAddress());
      }
    }
  }

  @Test
  void finOnAConnectionThatWasResetFailsAsTheOthersDo() throws Exception {
    Assumptions.assumeTrue(Transport.EPOLL.available(), Transport.EPOLL.unavailabilityReason());
    try (Loops loops = new Loops(Transport.EPOLL);
        ServerSocket server = new ServerSocket(0, 1, LOCALHOST)) {
      EventLoop loop = loops.next();
      InetSocketAddress address = new InetSocketAddress(LOCALHOST, server.getLocalPort());
      Channel channel =
          Loops.await(
              factory(Transport.EPOLL, settings())
                  .connect(loop, address, null, new QuietHandler(), TIMEOUT));
      Socket peer = server.accept();
      peer.setSoLinger(true, 0);
      IOException failure =
          Loops.on(
              loop, // which hears of the reset in its next turn only
              () -> {
                peer.close();
                return assertThrows(IOException.class, () -> SocketFactory.sendFin(channel));
              });
      assertEquals("not connected", failure.getMessage());
    }
  }

  /**
   * The kernel gives the number of a closed socket to the next one, for which what it has said of
   * the closed one must not be taken.
   */
  @ParameterizedTest
  @MethodSource("transports")
  void attemptDoesNotTakeTheEventOfASocketThatWasClosedInTheSameTurn(Transport transport)
      throws Exception {
    SocketFactory factory = factory(transport, settings());
    List<Future<Channel>> attempts = new ArrayList<>();
    try (Loops loops = new Loops(transport);
        ServerSocket server = new ServerSocket(0, 2, LOCALHOST);
        ServerSocket full = new ServerSocket(0, 1, LOCALHOST);
        Socket _ = new Socket(LOCALHOST, full.getLocalPort());
        Socket _ = new Socket(LOCALHOST, full.getLocalPort())) {
      EventLoop loop = loops.next();
      InetSocketAddress silent = new InetSocketAddress(LOCALHOST, full.getLocalPort());
      List<Channel> both = new ArrayList<>();
      CountDownLatch ended = new CountDownLatch(1);
      class Ending extends ChannelInboundHandlerAdapter {
        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
          if (attempts.isEmpty()) {
            both.forEach(Channel::close);
            for (int i = 0; i < 16; i++) {
              attempts.add(factory.connect(loop, silent, null, new QuietHandler(), TIMEOUT));
            }
            ended.countDown();
          }
        }
      }
      List<Socket> peers = new ArrayList<>();
      InetSocketAddress address = new InetSocketAddress(LOCALHOST, server.getLocalPort());
      for (int i = 0; i < 2; i++) {
        both.add(Loops.await(factory.connect(loop, address, null, new Ending(), TIMEOUT)));
        peers.add(server.accept());
      }
      Loops.on(
          loop,
          () -> { // one turn hears of both
            for (Socket peer : peers) {
              peer.setSoLinger(true, 0);
              peer.close();
            }
            return null;
          });
      assertTrue(ended.await(TIMEOUT.toSeconds(), TimeUnit.SECONDS), "the resets are seen");
      List<Boolean> connected =
          Loops.on(loop, () -> attempts.stream().map(Future::isSuccess).distinct().toList());
      attempts.forEach(attempt -> attempt.cancel(false));
      assertEquals(List.of(false), connected);
    }
  }

  @Test
  void unresolvedDestinationIsRefused() throws Exception {
    try (Loops loops = new Loops(Transport.NIO)) {
      InetSocketAddress unresolved = InetSocketAddress.createUnresolved("web.shop", 80);
      Throwable failure =
          Loops.awaitFailure(
              factory(Transport.NIO, settings())
                  .connect(loops.next(), unresolved, null, new QuietHandler(), TIMEOUT));
      assertEquals(
          "java.io.IOException: web.shop/<unresolved>:80 (expected: a resolved address)",
          failure.toString());
    }
  }

  @Test
  void sourceOfAnotherFamilyIsRefused() throws Exception {
    try (Loops loops = new Loops(Transport.NIO)) {
      Throwable failure =
          Loops.awaitFailure(
              factory(Transport.NIO, settings())
                  .connect(
                      loops.next(),
                      new InetSocketAddress("fd00::1", 80),
                      LOCALHOST,
                      new QuietHandler(),
                      TIMEOUT));
      assertEquals(
          "java.io.IOException: source 127.0.0.1 and destination [fd00::1]:80 are of different"
              + " address families",
          failure.toString());
    }
  }

  @Test
  void handlerForOneConnectionOnlyIsRefusedByAListener() throws Exception {
    try (Loops loops = new Loops(Transport.NIO)) {
      ChannelInboundHandlerAdapter single = new ChannelInboundHandlerAdapter();
      assertThrows(
          IllegalArgumentException.class,
          () ->
              factory(Transport.NIO, settings())
                  .listen(loops.next(), loops.group(), ListenerSettings.wildcard(0), single));
    }
  }

  @Test
  void handlerThatIsInUseFailsTheAttempt() throws Exception {
    ChannelInboundHandlerAdapter single = new ChannelInboundHandlerAdapter();
    try (Loops loops = new Loops(Transport.NIO);
        ServerSocket server = new ServerSocket(0, 1, LOCALHOST)) {
      SocketFactory factory = factory(Transport.NIO, settings());
      InetSocketAddress address = new InetSocketAddress(LOCALHOST, server.getLocalPort());
      Channel first = Loops.await(factory.connect(loops.next(), address, null, single, TIMEOUT));
      assertInstanceOf(
          ChannelPipelineException.class,
          Loops.awaitFailure(factory.connect(loops.next(), address, null, single, TIMEOUT)));
      Loops.await(first.close());
    }
  }

  @Test
  void loopThatIsShutDownFailsTheAttempt() throws Exception {
    Loops loops = new Loops(Transport.NIO);
    EventLoop loop = loops.next();
    loops.close();
    Future<Channel> attempt =
        factory(Transport.NIO, settings())
            .connect(loop, unusedAddress(), null, new QuietHandler(), TIMEOUT);
    assertFalse(attempt.isSuccess());
    assertTrue(attempt.isDone());
  }

  @Test
  void closedNamespaceFailsTheAttempt() throws Exception {
    NetworkNamespace closed = NetworkNamespace.current();
    closed.close();
    try (Loops loops = new Loops(Transport.NIO)) {
      SocketFactory factory = new SocketFactory(Transport.NIO, closed, settings());
      Throwable connecting =
          Loops.awaitFailure(
              factory.connect(loops.next(), unusedAddress(), null, new QuietHandler(), TIMEOUT));
      assertEquals("java.io.IOException: " + closed + " is closed", connecting.toString());
      Throwable listening =
          Loops.awaitFailure(
              factory.listen(
                  loops.next(),
                  loops.group(),
                  ListenerSettings.wildcard(15008),
                  new QuietHandler()));
      assertEquals(
          "java.io.IOException: failed to bind to address [::]:15008: " + closed + " is closed",
          listening.toString());
    }
  }

  @Test
  void nioRefusesAMark() {
    SocketSettings marked =
        new SocketSettings(
            true, OptionalInt.of(1337), false, Transparency.NEVER, keepalive(), false);
    IllegalArgumentException failure =
        assertThrows(IllegalArgumentException.class, () -> factory(Transport.NIO, marked));
    assertEquals(
        "NIO cannot set the packet mark 1337 (expected: EPOLL or IO_URING)", failure.getMessage());
  }

  @ParameterizedTest
  @EnumSource(Transparency.class)
  void nioIsNeverTransparent(Transparency transparency) throws Exception {
    SocketSettings settings =
        new SocketSettings(true, OptionalInt.empty(), false, transparency, keepalive(), false);
    try (Loops loops = new Loops(Transport.NIO)) {
      Future<ServerChannel> listening =
          factory(Transport.NIO, settings)
              .listen(
                  loops.next(), loops.group(), ListenerSettings.wildcard(0), new QuietHandler());
      switch (transparency) {
        case NEVER, BEST_EFFORT -> assertFalse(SocketFactory.isTransparent(Loops.await(listening)));
        case REQUIRED ->
            assertTrue(
                Loops.awaitFailure(listening)
                    .toString()
                    .endsWith(
                        "cannot set IP_TRANSPARENT to 1: NioServerSocketChannel does not know"
                            + " it"));
      }
    }
  }

  private static SocketFactory factory(Transport transport, SocketSettings settings) {
    return new SocketFactory(transport, own, settings);
  }

  static SocketSettings settings() {
    return new SocketSettings(
        true, OptionalInt.empty(), false, Transparency.NEVER, keepalive(), false);
  }

  private static Keepalive keepalive() {
    return new Keepalive(true, Duration.ofMinutes(3), Duration.ofMinutes(3), 9);
  }

  private static InetSocketAddress unusedAddress() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 1, LOCALHOST)) {
      return new InetSocketAddress(LOCALHOST, server.getLocalPort());
    }
  }

  /** io_uring closes a socket some turns of the loop after it said so. */
  private static void awaitNoneLeaked(Descriptors before, EventLoop loop) throws Exception {
    for (int turn = 0; turn < 100; turn++) {
      Loops.await(loop.schedule(() -> "turn", 10, TimeUnit.MILLISECONDS));
      try {
        before.assertNoneLeaked();
        return;
      } catch (AssertionError e) {
        if (turn == 99) {
          throw e;
        }
      }
    }
  }
}
