package io.ztunnel.xds;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Struct;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.ssl.SniHandler;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.Mapping;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Which of its host's addresses the control plane is looked for at, and by which name. */
class ControlPlaneAddressTest {
  private static final InetAddress FIRST = InetAddress.ofLiteral("127.0.0.1");
  private static final InetAddress SECOND = InetAddress.ofLiteral("127.0.0.2");
  private static final InetAddress THIRD = InetAddress.ofLiteral("127.0.0.3");

  private final ControlPlanePki pki = ControlPlanePki.create("root");
  private final RecordingXdsObserver observer = new RecordingXdsObserver();
  private final List<String> lookedUp = new CopyOnWriteArrayList<>();

  /** Both are addresses of every host. */
  private ControlPlaneChannels channels() {
    return new ControlPlaneChannels(
        ByteBufAllocator.DEFAULT,
        host -> {
          lookedUp.add(host);
          return List.of(FIRST, SECOND);
        });
  }

  /** Where a control plane would be, which is not there: takes connections and says nothing. */
  private static final class Dead implements AutoCloseable {
    private final ServerSocket listener = new ServerSocket(0, 50, FIRST);
    private final List<Socket> accepted = new CopyOnWriteArrayList<>();

    Dead(boolean closes) throws IOException {
      Thread.ofPlatform().daemon().start(() -> accept(closes));
    }

    private void accept(boolean closes) {
      try {
        while (true) {
          Socket one = listener.accept();
          accepted.add(one);
          if (closes) {
            one.close();
          }
        }
      } catch (IOException _) {
        // closed by the test
      }
    }

    int port() {
      return listener.getLocalPort();
    }

    @Override
    public void close() throws IOException {
      listener.close();
      for (Socket one : accepted) {
        one.close();
      }
    }
  }

  private FakeControlPlane control(int port) {
    return FakeControlPlane.options().address(new InetSocketAddress(SECOND, port)).start(pki);
  }

  @Test
  void addressesAreTriedInTheirOrderFromBehindTheOneThatFailedLast() {
    List<InetAddress> all = List.of(FIRST, SECOND, THIRD);
    AddressTurn turn = new AddressTurn();
    assertEquals(all, turn.order(all));
    turn.failed(FIRST);
    assertEquals(List.of(SECOND, THIRD, FIRST), turn.order(all));
    turn.failed(THIRD);
    assertEquals(all, turn.order(all));
    turn.failed(SECOND);
    assertEquals(List.of(THIRD, FIRST), turn.order(List.of(THIRD, FIRST)), "it is gone");
    assertEquals(List.of(), turn.order(List.of()));
  }

  @Test
  void anAddressThatTookAllTheTimeOfAConnectionIsNotTheFirstOfTheNext() throws Exception {
    AddressTurn turn = new AddressTurn();
    try (Dead silent = new Dead(false);
        FakeControlPlane _ = control(silent.port());
        ControlPlaneChannels channels = channels()) {
      Waiting first = new Waiting();
      DeltaCall cut = channels.call(pki.localhost(silent.port()), turn, Runnable::run, first);
      cut.start();
      Await.until("an attempt", () -> !silent.accepted.isEmpty(), silent.accepted::size);
      cut.cancel("its time is up");
      Await.latch(first.closed);

      Waiting next = new Waiting();
      DeltaCall call = channels.call(pki.localhost(silent.port()), turn, Runnable::run, next);
      call.start();
      Await.until(
          "a connection or a further attempt in vain",
          () -> call.isConnected() || silent.accepted.size() > 1,
          silent.accepted::size);
      assertEquals(1, silent.accepted.size());
      call.cancel("the end");
      Await.latch(next.closed);
    }
  }

  @Test
  void aStreamDoesNotBeginWhereTheLastOneFailedToConnect() throws Exception {
    try (Dead closing = new Dead(true);
        FakeControlPlane control = control(closing.port());
        ControlPlaneChannels channels = channels();
        XdsClient client = client(channels, pki.localhost(closing.port()))) {
      client.start();
      for (int stream = 1; stream <= 3; stream++) {
        control.awaitFirst(stream, ADDRESS);
        control.endStreams(Status.UNAVAILABLE.withDescription("planned by the test"));
      }
      assertEquals(1, closing.accepted.size());
    }
  }

  private XdsClient client(ControlPlaneChannels channels, ControlPlane controlPlane) {
    return new XdsClient(
        controlPlane,
        new XdsSettings(
            new XdsNode("ztunnel", Struct.getDefaultInstance()),
            List.of(new Subscription(ADDRESS, Subscription.Mode.WILDCARD, new RecordingWatcher())),
            Duration.ofSeconds(5),
            100),
        channels,
        observer,
        System::nanoTime,
        new SplittableRandom(7));
  }

  @Test
  void aHostWithALastDotIsLookedUpWithItAndIsSomebodyWithout() throws Exception {
    ControlPlanePki.ServerKey key = pki.server(List.of("istiod.example.com"));
    SslContext tls =
        GrpcSslContexts.configure(
                SslContextBuilder.forServer(key.key(), key.chain()), SslProvider.JDK)
            .build();
    List<String> indicated = new CopyOnWriteArrayList<>();
    AtomicInteger handshakes = new AtomicInteger();
    EventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    try (ControlPlaneChannels channels = channels()) {
      Channel server =
          serve(
              loops,
              name -> {
                handshakes.incrementAndGet();
                if (name != null) {
                  indicated.add(name);
                }
                return tls;
              });
      int port = ((InetSocketAddress) server.localAddress()).getPort();
      ControlPlane local = pki.localhost(port);
      ControlPlane dotted =
          new ControlPlane(
              URI.create("https://istiod.example.com.:" + port),
              local.roots(),
              null,
              local.tls(),
              local.token(),
              local.clusterId(),
              Map.of());
      Waiting waiting = new Waiting();
      DeltaCall call = channels.call(dotted, new AddressTurn(), Runnable::run, waiting);
      call.start();
      Await.until(
          "a connection, or its refusal",
          () -> call.isConnected() || waiting.closed.getCount() == 0,
          () -> waiting.status);
      assertTrue(call.isConnected(), () -> waiting.status + " after " + handshakes);
      call.cancel("the end");
      Await.latch(waiting.closed);
      assertEquals(List.of("istiod.example.com."), lookedUp);
      assertEquals(List.of("istiod.example.com"), indicated);
      try (ControlPlaneChannel channel = channels.open(dotted, Runnable::run)) {
        assertEquals("istiod.example.com:" + port, channel.calls().authority());
      }
    } finally {
      loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(10_000);
    }
  }

  private static Channel serve(EventLoopGroup loops, Mapping<String, SslContext> names)
      throws InterruptedException {
    return new ServerBootstrap()
        .group(loops)
        .channel(NioServerSocketChannel.class)
        .childHandler(
            new ChannelInitializer<>() {
              @Override
              protected void initChannel(Channel accepted) {
                accepted.pipeline().addLast(new SniHandler(names)); // and then TLS, and no more
              }
            })
        .bind(new InetSocketAddress(FIRST, 0))
        .sync()
        .channel();
  }

  /** Waits for the end of a call. */
  private static final class Waiting implements DeltaCall.Listener {
    private final CountDownLatch closed = new CountDownLatch(1);
    private volatile @Nullable Status status;

    @Override
    public void onOpen() {}

    @Override
    public void onHeaders() {}

    @Override
    public void onBytes(List<ByteBuf> bytes) {
      bytes.forEach(ByteBuf::release);
    }

    @Override
    public void onClose(Status end) {
      status = end;
      closed.countDown();
    }
  }
}
