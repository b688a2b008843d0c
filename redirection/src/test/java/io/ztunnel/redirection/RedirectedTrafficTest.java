package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.unix.IntegerUnixChannelOption;
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
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Real rules, real namespaces: what a pod's traffic looks like from the proxy's sockets. */
class RedirectedTrafficTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(5);
  private static final IntegerUnixChannelOption MARK =
      new IntegerUnixChannelOption("SO_MARK", 1, 36);
  private static final IntegerUnixChannelOption REUSE_PORT =
      new IntegerUnixChannelOption("SO_REUSEPORT", 1, 15);
  private static final IntegerUnixChannelOption USER_TIMEOUT =
      new IntegerUnixChannelOption("TCP_USER_TIMEOUT", 6, 18);
  private static final IntegerUnixChannelOption KEEPALIVE_TIME =
      new IntegerUnixChannelOption("TCP_KEEPIDLE", 6, 4);

  private static Lab lab;
  private static Lab.Pod client;
  private static Lab.Pod captured;
  private static Lab.Pod plain;

  static Stream<Transport> transports() {
    return Stream.of(Transport.EPOLL, Transport.IO_URING).filter(Transport::available);
  }

  /** Every transport, with either family. */
  static Stream<Arguments> families() {
    return transports()
        .flatMap(
            transport -> Stream.of(Arguments.of(transport, false), Arguments.of(transport, true)));
  }

  @BeforeAll
  static void build() throws Exception {
    Privileges.assumeLab();
    lab = Lab.create("traffic");
    Lab.Node near = lab.addNode();
    client = near.addPod("client", Lab.Without.REDIRECTION);
    captured = near.addPod("captured");
    plain = lab.addNode().addPod("plain", Lab.Without.REDIRECTION);
  }

  @AfterAll
  static void tearDown() throws Exception {
    if (lab != null) {
      lab.close();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void outgoingConnectionShowsWhereItWasGoing(Transport transport, boolean ipv6) throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        TestListener accepted = listen(factory(transport, namespace), loops, 15001)) {
      InetSocketAddress target = new InetSocketAddress(address(plain, ipv6), 8080);
      try (Socket application = Peer.connect(captured, target.getAddress(), 8080)) {
        Channel channel = accepted.next();
        assertEquals(target, original(channel));
        assertEquals(
            new InetSocketAddress(application.getLocalAddress(), application.getLocalPort()),
            Addresses.canonical((InetSocketAddress) channel.remoteAddress()));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void incomingConnectionShowsWhereItWasGoing(Transport transport, boolean ipv6) throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        TestListener accepted = listen(factory(transport, namespace), loops, 15006)) {
      InetSocketAddress target = new InetSocketAddress(address(captured, ipv6), 8080);
      try (Socket _ = Peer.connect(client, target.getAddress(), 8080)) {
        assertEquals(target, original(accepted.next()));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void directConnectionHasItsLocalAddressAsDestination(Transport transport, boolean ipv6)
      throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        TestListener accepted = listen(factory(transport, namespace), loops, 15008)) {
      InetSocketAddress target = new InetSocketAddress(address(captured, ipv6), 15008);
      try (Socket _ = Peer.connect(client, target.getAddress(), 15008)) {
        assertEquals(target, original(accepted.next()));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void applicationSeesTheClientsAddressAndAnswersThroughTheProxy(Transport transport, boolean ipv6)
      throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        ServerSocket server = Peer.listen(captured, 8081)) {
      SocketFactory factory = factory(transport, namespace);
      try (TestListener accepted = listen(factory, loops, 15006);
          Socket sender = Peer.connect(client, address(captured, ipv6), 8081)) {
        Channel inbound = accepted.next();
        Channel upstream =
            Loops.await(
                factory.connect(
                    inbound.eventLoop(),
                    original(inbound),
                    ((InetSocketAddress) inbound.remoteAddress()).getAddress(),
                    new Relay(inbound),
                    TIMEOUT));
        Loops.on(inbound.eventLoop(), () -> inbound.pipeline().addLast(new Relay(upstream)));
        inbound.config().setAutoRead(true);
        // What the rules make of each packet's mark anyway; see SocketOptions.restoredMark.
        assertEquals(0x111, upstream.config().getOption(MARK));
        try (Socket application = server.accept()) {
          assertEquals(sender.getLocalAddress(), application.getInetAddress());
          assertEquals(
              application.getRemoteSocketAddress(),
              Addresses.canonical((InetSocketAddress) upstream.localAddress()));
          Peer.say(sender, "hello");
          assertEquals("hello", Peer.hear(application, 5));
          Peer.say(application, "answer");
          assertEquals("answer", Peer.hear(sender, 6));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void podThatCallsItselfNeedsNoBind(Transport transport, boolean ipv6) throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        ServerSocket server = Peer.listen(captured, 8082)) {
      InetAddress self = address(captured, ipv6);
      Loops.await(
          factory(transport, namespace)
              .connect(
                  loops.next(),
                  new InetSocketAddress(self, 8082),
                  self,
                  new QuietHandler(),
                  TIMEOUT));
      try (Socket application = server.accept()) {
        assertEquals(self, application.getInetAddress());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void markedConnectionLeavesTheCapturedPodUntouched(Transport transport, boolean ipv6)
      throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        ServerSocket server = Peer.listen(plain, 8083)) {
      InetSocketAddress target = new InetSocketAddress(address(plain, ipv6), 8083);
      Channel channel =
          Loops.await(
              factory(transport, namespace)
                  .connect(loops.next(), target, null, new QuietHandler(), TIMEOUT));
      assertEquals(1337, channel.config().getOption(MARK));
      assertEquals(0, channel.config().getOption(REUSE_PORT));
      assertEquals(180, channel.config().getOption(KEEPALIVE_TIME));
      assertEquals(1_800_000, channel.config().getOption(USER_TIMEOUT));
      try (Socket application = server.accept()) {
        assertEquals(address(captured, ipv6), application.getInetAddress());
      }
      SocketFactory unmarked =
          new SocketFactory(transport, namespace, settings(OptionalInt.empty(), false));
      Throwable redirected =
          Loops.awaitFailure(
              unmarked.connect(loops.next(), target, null, new QuietHandler(), TIMEOUT));
      assertInstanceOf(ConnectException.class, redirected); // nobody is on 15001
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void listenerCarriesTheMarkAndSharesItsPortAsToldAndIsTransparent(Transport transport)
      throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open()) {
      for (boolean reuse : List.of(false, true)) {
        SocketFactory factory =
            new SocketFactory(transport, namespace, settings(OptionalInt.of(1337), reuse));
        try (TestListener listener = listen(factory, loops, 0)) {
          assertEquals(1337, listener.channel().config().getOption(MARK));
          assertEquals(reuse ? 1 : 0, listener.channel().config().getOption(REUSE_PORT));
          assertTrue(SocketFactory.isTransparent(listener.channel()));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void listenerMayGoUnmarkedThoughConnectionsAreMarked(Transport transport) throws Exception {
    SocketSettings shared = settings(OptionalInt.of(1337), false);
    SocketSettings settings =
        new SocketSettings(
            shared.ipv6(),
            shared.mark(),
            OptionalInt.empty(),
            shared.portReuse(),
            shared.transparency(),
            shared.keepalive(),
            shared.userTimeout());
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open()) {
      SocketFactory factory = new SocketFactory(transport, namespace, settings);
      try (TestListener listener = listen(factory, loops, 15008)) {
        assertEquals(0, listener.channel().config().getOption(MARK));
        Channel channel =
            Loops.await(
                factory.connect(
                    loops.next(),
                    new InetSocketAddress(captured.ipv4(), 15008),
                    null,
                    new QuietHandler(),
                    TIMEOUT));
        assertEquals(1337, channel.config().getOption(MARK));
        channel.close();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void applicationIsServedByAnUnmarkedListenerToo(Transport transport, boolean ipv6)
      throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        TestListener accepted =
            TestListener.open(
                factory(transport, namespace),
                loops,
                ListenerSettings.wildcard(15001).withoutMark());
        Socket application = Peer.connect(captured, address(plain, ipv6), 8080)) {
      Channel channel = accepted.next();
      assertEquals(0, channel.config().getOption(MARK));
      assertEquals(new InetSocketAddress(address(plain, ipv6), 8080), original(channel));
      Loops.on(channel.eventLoop(), () -> channel.pipeline().addLast(new Relay(channel)));
      channel.config().setAutoRead(true);
      Peer.say(application, "hello");
      assertEquals("hello", Peer.hear(application, 5));
    }
  }

  /** The kernel spreads connections over both; what the first has not accepted is not lost. */
  @ParameterizedTest
  @MethodSource("transports")
  void queueOfAListenerThatClosesMovesToAnotherOne(Transport transport) throws Exception {
    int connections = 60;
    List<Socket> clients = new ArrayList<>();
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open()) {
      SocketFactory factory = factory(transport, namespace);
      try (TestListener first = listen(factory, loops, 15008);
          TestListener second = listen(factory, loops, 15008)) {
        assertEquals(Map.of(15008, 2), factory.listeners());
        first.channel().config().setAutoRead(false);
        for (int i = 0; i < connections; i++) {
          clients.add(Peer.connect(client, captured.ipv4(), 15008));
        }
        // A few it has accepted before it stopped; those are its own.
        int expected = connections - first.waiting();
        assertTrue(first.channel().close().await(5, TimeUnit.SECONDS));
        for (int i = 0; i < expected; i++) {
          Channel _ = second.next();
        }
        assertEquals(Map.of(15008, 1), factory.listeners());
        for (Socket connected : clients) {
          connected.setSoTimeout(1);
          assertThrows(SocketTimeoutException.class, () -> connected.getInputStream().read());
        }
      }
    } finally {
      for (Socket connected : clients) {
        connected.close();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void acceptedConnectionInheritsMarkAndTransparency(Transport transport) throws Exception {
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = captured.open();
        TestListener accepted = listen(factory(transport, namespace), loops, 15008)) {
      try (Socket _ = Peer.connect(client, captured.ipv4(), 15008)) {
        Channel channel = accepted.next();
        assertEquals(1337, channel.config().getOption(MARK));
        assertTrue(SocketFactory.isTransparent(channel));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void podWithoutIpv6IsServedOnIpv4(Transport transport) throws Exception {
    Lab.Pod pod = client.node().addPod("v4-" + transport, Lab.Without.IPV6);
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = pod.open()) {
      SocketFactory factory = factory(transport, namespace);
      try (TestListener accepted = listen(factory, loops, 15006);
          Socket sender = Peer.connect(client, pod.ipv4(), 8080);
          ServerSocket server = Peer.listen(pod, 8080)) {
        InetAddress local = accepted.address().getAddress();
        assertTrue(local.isAnyLocalAddress());
        assertEquals(transport == Transport.IO_URING, local instanceof Inet6Address);
        Channel inbound = accepted.next();
        assertEquals(new InetSocketAddress(pod.ipv4(), 8080), original(inbound));
        Loops.await(
            factory.connect(
                inbound.eventLoop(),
                original(inbound),
                sender.getLocalAddress(),
                new QuietHandler(),
                TIMEOUT));
        try (Socket application = server.accept()) {
          assertEquals(client.ipv4(), application.getInetAddress());
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void silenceEndsInATimeout(Transport transport, boolean ipv6) throws Exception {
    plain.dropPort(9000);
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = client.open()) {
      long started = System.nanoTime();
      Throwable failure =
          Loops.awaitFailure(
              factory(transport, namespace)
                  .connect(
                      loops.next(),
                      new InetSocketAddress(address(plain, ipv6), 9000),
                      null,
                      new QuietHandler(),
                      Duration.ofMillis(300)));
      Duration taken = Duration.ofNanos(System.nanoTime() - started);
      assertInstanceOf(ConnectTimeoutException.class, failure);
      assertTrue(taken.toMillis() >= 290, () -> "after " + taken);
    } finally {
      plain.acceptPort(9000);
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void deletedPodFailsNewConnectionsAndLeavesNoSocket(Transport transport) throws Exception {
    Lab.Pod pod = client.node().addPod("gone-" + transport);
    Descriptors before = Descriptors.now();
    try (Loops loops = new Loops(transport);
        NetworkNamespace namespace = pod.open()) {
      SocketFactory factory = factory(transport, namespace);
      TestListener listener = listen(factory, loops, 15008);
      pod.delete();
      Future<Channel> attempt =
          factory.connect(
              loops.next(),
              new InetSocketAddress(plain.ipv4(), 80),
              null,
              new QuietHandler(),
              TIMEOUT);
      assertInstanceOf(IOException.class, Loops.awaitFailure(attempt));
      listener.close();
    }
    before.assertNoneLeaked();
  }

  /** Writes what one side says to the other. */
  private static final class Relay extends ChannelInboundHandlerAdapter {
    private final Channel peer;

    Relay(Channel peer) {
      this.peer = peer;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      peer.writeAndFlush(message);
    }
  }

  private static TestListener listen(SocketFactory factory, Loops loops, int port)
      throws Exception {
    return TestListener.open(factory, loops, ListenerSettings.wildcard(port));
  }

  private static InetSocketAddress original(Channel accepted) throws Exception {
    return Loops.on(accepted.eventLoop(), () -> OriginalDestination.of(accepted));
  }

  private static InetAddress address(Lab.Pod pod, boolean ipv6) {
    return ipv6 ? pod.ipv6() : pod.ipv4();
  }

  private static SocketFactory factory(Transport transport, NetworkNamespace namespace) {
    return new SocketFactory(transport, namespace, settings(OptionalInt.of(1337), true));
  }

  private static SocketSettings settings(OptionalInt mark, boolean portReuse) {
    Keepalive keepalive = new Keepalive(true, Duration.ofMinutes(3), Duration.ofMinutes(3), 9);
    return new SocketSettings(true, mark, portReuse, Transparency.REQUIRED, keepalive, true);
  }
}
