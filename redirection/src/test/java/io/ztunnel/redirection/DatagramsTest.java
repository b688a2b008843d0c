package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.DatagramPacket;
import io.netty.util.NetUtil;
import io.ztunnel.redirection.SocketSettings.Keepalive;
import io.ztunnel.redirection.SocketSettings.Transparency;
import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Sockets of datagrams, on loopback and in pods. */
class DatagramsTest {
  private static final InetSocketAddress ANY_PORT =
      new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0);
  private static NetworkNamespace own;

  static List<Transport> transports() {
    return SocketFactoryTest.transports();
  }

  @BeforeAll
  static void open() throws Exception {
    own = NetworkNamespace.current();
  }

  @AfterAll
  static void close() {
    own.close();
  }

  private static SocketFactory factory(
      Transport transport, NetworkNamespace namespace, OptionalInt mark, boolean reuse) {
    return new SocketFactory(
        transport,
        namespace,
        new SocketSettings(
            true,
            mark,
            reuse,
            Transparency.NEVER,
            new Keepalive(false, Duration.ofMinutes(1), Duration.ofMinutes(1), 1),
            false));
  }

  /** Keeps the text of what comes, and sends it back. */
  private static final class Echo extends SimpleChannelInboundHandler<DatagramPacket> {
    private final BlockingQueue<String> received = new LinkedBlockingQueue<>();

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, DatagramPacket packet) {
      received.add(packet.content().toString(StandardCharsets.UTF_8));
      ctx.writeAndFlush(new DatagramPacket(packet.content().retain(), packet.sender()));
    }
  }

  /** Keeps the text of what comes. */
  private static final class Ear extends SimpleChannelInboundHandler<DatagramPacket> {
    private final BlockingQueue<String> received = new LinkedBlockingQueue<>();

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, DatagramPacket packet) {
      received.add(packet.content().toString(StandardCharsets.UTF_8));
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void whatIsSentToABoundSocketComesBackToTheConnectedOne(Transport transport) throws Exception {
    try (Loops loops = new Loops(transport)) {
      SocketFactory factory = factory(transport, own, OptionalInt.empty(), false);
      Ear ear = new Ear();
      DatagramChannel bound =
          Loops.await(factory.bindDatagrams(loops.next(), ANY_PORT, new Echo()));
      DatagramChannel connected =
          Loops.await(factory.connectDatagrams(loops.next(), bound.localAddress(), ear));
      connected.writeAndFlush(Unpooled.copiedBuffer("hello", StandardCharsets.UTF_8));
      assertEquals("hello", ear.received.poll(5, TimeUnit.SECONDS));
      Loops.await(connected.close());
      Loops.await(bound.close());
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void anAddressThatIsTakenIsNamed(Transport transport) throws Exception {
    try (Loops loops = new Loops(transport);
        DatagramSocket taken = new DatagramSocket(ANY_PORT)) {
      InetSocketAddress address = (InetSocketAddress) taken.getLocalSocketAddress();
      Throwable failure =
          Loops.awaitFailure(
              factory(transport, own, OptionalInt.empty(), false)
                  .bindDatagrams(loops.next(), address, new Echo()));
      assertTrue(
          String.valueOf(failure.getMessage())
              .startsWith(
                  "failed to bind to address " + NetUtil.toSocketAddressString(address) + ": "),
          failure::toString);
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void twoMayShareAPortWhereItIsReused(Transport transport) throws Exception {
    try (Loops loops = new Loops(transport)) {
      SocketFactory factory = factory(transport, own, OptionalInt.empty(), true);
      DatagramChannel first =
          Loops.await(factory.bindDatagrams(loops.next(), ANY_PORT, new Echo()));
      DatagramChannel second =
          Loops.await(factory.bindDatagrams(loops.next(), first.localAddress(), new Echo()));
      Loops.await(first.close());
      Loops.await(second.close());
    }
  }

  @ParameterizedTest
  @MethodSource("transports")
  void whatIsTurnedAwayGoesToTheOtherSocketOfThePortAndWhatWaitsIsAnswered(Transport transport)
      throws Exception {
    try (Loops loops = new Loops(transport);
        DatagramSocket early = new DatagramSocket(ANY_PORT)) {
      SocketFactory factory = factory(transport, own, OptionalInt.empty(), true);
      Echo leaving = new Echo();
      Echo staying = new Echo();
      DatagramChannel first = Loops.await(factory.bindDatagrams(loops.next(), ANY_PORT, leaving));
      AtomicBoolean turned = new AtomicBoolean();
      Loops.await(
          first
              .eventLoop()
              .submit(
                  () -> {
                    send(early, "early", first.localAddress()); // waits, as its reader is busy here
                    turned.set(SocketFactory.turnAway(first));
                    return null;
                  }));
      assertEquals(transport != Transport.NIO, turned.get());
      if (turned.get()) {
        assertEquals("early", leaving.received.poll(5, TimeUnit.SECONDS));
        assertEquals("early", receive(early));
        DatagramChannel second =
            Loops.await(factory.bindDatagrams(loops.next(), first.localAddress(), staying));
        for (int i = 0; i < 50; i++) {
          try (DatagramSocket client = new DatagramSocket(ANY_PORT)) {
            send(client, "late", first.localAddress());
            assertEquals("late", receive(client));
          }
        }
        assertEquals(50, staying.received.size());
        Loops.await(second.close());
      }
      Loops.await(first.close());
    }
  }

  private static void send(DatagramSocket from, String text, InetSocketAddress to)
      throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    from.send(new java.net.DatagramPacket(bytes, bytes.length, to));
  }

  private static String receive(DatagramSocket socket) throws IOException {
    socket.setSoTimeout(5000);
    var packet = new java.net.DatagramPacket(new byte[100], 100);
    socket.receive(packet);
    return new String(packet.getData(), 0, packet.getLength(), StandardCharsets.UTF_8);
  }

  @Test
  void questionsOfAPodAreRedirectedAndMarkedOnesAreNot() throws Exception {
    Privileges.assumeLab();
    try (Lab lab = Lab.create("datagrams");
        Loops loops = new Loops(Transport.EPOLL)) {
      Lab.Node node = lab.addNode();
      Lab.Pod pod = node.addPod("pod");
      try (NetworkNamespace inside = pod.open();
          NetworkNamespace outside = node.open()) {
        SocketFactory marked = factory(Transport.EPOLL, inside, OptionalInt.of(0x539), true);
        SocketFactory unmarked = factory(Transport.EPOLL, inside, OptionalInt.empty(), true);
        Echo proxy = new Echo();
        Echo nameServer = new Echo();
        InetSocketAddress server = new InetSocketAddress(node.ipv4(), 53);
        DatagramChannel ofProxy =
            Loops.await(
                marked.bindDatagrams(
                    loops.next(), new InetSocketAddress(NetUtil.LOCALHOST4, 15053), proxy));
        DatagramChannel ofServer =
            Loops.await(
                factory(Transport.EPOLL, outside, OptionalInt.empty(), false)
                    .bindDatagrams(loops.next(), server, nameServer));
        for (String text : List.of("unmarked", "marked")) {
          Ear ear = new Ear();
          SocketFactory factory = text.equals("marked") ? marked : unmarked;
          DatagramChannel client = Loops.await(factory.connectDatagrams(loops.next(), server, ear));
          client.writeAndFlush(Unpooled.copiedBuffer(text, StandardCharsets.UTF_8));
          assertEquals(text, ear.received.poll(5, TimeUnit.SECONDS));
          Loops.await(client.close());
        }
        assertEquals(List.of("unmarked"), List.copyOf(proxy.received));
        assertEquals(List.of("marked"), List.copyOf(nameServer.received));
        Loops.await(ofProxy.close());
        Loops.await(ofServer.close());
      }
    }
  }

  @Test
  void loopbackIsOfTheFamiliesThatThePodHas() throws Exception {
    Privileges.assumeLab();
    try (Lab lab = Lab.create("datagrams")) {
      Lab.Node node = lab.addNode();
      try (NetworkNamespace with = node.addPod("with").open();
          NetworkNamespace without = node.addPod("without", Lab.Without.IPV6).open()) {
        assertEquals(
            List.of(NetUtil.LOCALHOST4, NetUtil.LOCALHOST6),
            factory(Transport.EPOLL, with, OptionalInt.empty(), false).loopback());
        assertEquals(
            List.of(NetUtil.LOCALHOST4),
            factory(Transport.EPOLL, without, OptionalInt.empty(), false).loopback());
      }
    }
  }
}
