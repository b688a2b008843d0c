package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.EventLoop;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.io.ByteArrayOutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What strangers and broken networks do to a handshake. */
class HandshakeTest {
  private final Loopback mesh = new Loopback();
  private final TestPki pki = TestPki.root("root");
  private final ServerTls serverTls = mesh.serverTls(pki.workload(Loopback.SERVER));
  private final ClientTls clientTls = mesh.clientTls(pki.workload(Loopback.CLIENT));
  private final EchoHandler server = new EchoHandler();

  @AfterEach
  void stop() {
    mesh.close();
  }

  private InetSocketAddress serve(HboneSettings settings) {
    return mesh.serve(serverTls, settings, () -> server);
  }

  private void expectServer(String... events) {
    mesh.await("the end", () -> server.events.contains("closed"));
    assertEquals(List.of(events), mesh.call(() -> List.copyOf(server.events)));
  }

  /** Sends bytes as they are and keeps what comes back. */
  private static final class Raw extends ChannelInboundHandlerAdapter {
    private final ByteArrayOutputStream received = new ByteArrayOutputStream();

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object msg) {
      received.writeBytes(ByteBufUtil.getBytes((ByteBuf) msg));
      ReferenceCountUtil.release(msg);
    }
  }

  @Test
  void aSilentClientTimesOut() {
    mesh.connect(serve(TestSettings.handshakeTimeout(Duration.ofMillis(300))), new Raw());
    expectServer("TLS handshake not done within 300 ms", "closed");
  }

  @Test
  void aClientThatStopsInTheMiddleTimesOut() {
    Channel client =
        mesh.connect(serve(TestSettings.handshakeTimeout(Duration.ofMillis(300))), new Raw());
    client.writeAndFlush(Unpooled.wrappedBuffer(new byte[] {22, 3, 1, 2, 0, 1, 0, 1, (byte) 252}));
    expectServer("TLS handshake not done within 300 ms", "closed");
  }

  @Test
  void garbageIsRefused() {
    Channel client = mesh.connect(serve(HboneSettings.defaults()), new Raw());
    client.writeAndFlush(
        Unpooled.copiedBuffer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", StandardCharsets.US_ASCII));
    mesh.await("the end", () -> server.events.contains("closed"));
    String heard = mesh.call(() -> server.events.getFirst());
    assertTrue(heard.equals("not a TLS record"), heard);
  }

  @Test
  void aClientThatLeavesIsTold() {
    Channel client = mesh.connect(serve(HboneSettings.defaults()), new Raw());
    client.close();
    expectServer("connection closed during TLS handshake", "closed");
  }

  @Test
  void aCloseNotifyBeforeEverythingEndsTheHandshake() {
    Channel client = mesh.connect(serve(HboneSettings.defaults()), new Raw());
    client.writeAndFlush(Unpooled.wrappedBuffer(new byte[] {21, 3, 3, 0, 2, 1, 0}));
    mesh.await("the end", () -> server.events.contains("closed"));
    assertEquals(2, mesh.call(() -> server.events.size()), server.events::toString);
  }

  @Test
  void slowPrefaceAfterTlsTimesOut() {
    InetSocketAddress address = serve(TestSettings.handshakeTimeout(Duration.ofSeconds(3)));
    RawTls client = RawTls.of(mesh, pki.workload(Loopback.CLIENT), "TLSv1.3", "h2");
    client.connect(address);
    expectServer("established", "no SETTINGS within 3000 ms", "closed");
  }

  @Test
  void aMissingCertificateEndsTheConnection() {
    Promise<ServerTls> late = mesh.loop().newPromise();
    InetSocketAddress address =
        mesh.listen(
            channel ->
                HboneServer.serve(
                    channel, late, HboneSettings.defaults(), server, HboneObserver.NONE));
    mesh.connect(address, new Raw());
    late.setFailure(new IllegalStateException("no certificate: CA unreachable"));
    expectServer("no certificate: CA unreachable", "closed");
  }

  @Test
  void bytesWaitForALateCertificate() {
    Promise<ServerTls> late = mesh.loop().newPromise();
    InetSocketAddress address =
        mesh.listen(
            channel ->
                HboneServer.serve(
                    channel, late, HboneSettings.defaults(), server, HboneObserver.NONE));
    HbonePool pool = mesh.pool(clientTls, HboneSettings.defaults());
    Opened opened = new Opened();
    mesh.run(() -> pool.open(Loopback.key(address, "uid"), Loopback.connect("a:1"), opened));
    mesh.await("the connection", () -> mesh.accepted.get() == 1);
    late.setSuccess(serverTls);
    mesh.await("an answer", opened::isDone);
    assertNull(opened.failure);
  }

  @Test
  void aCertificateThatNeverComesTimesOut() {
    Promise<ServerTls> never = mesh.loop().newPromise();
    InetSocketAddress address =
        mesh.listen(
            channel ->
                HboneServer.serve(
                    channel,
                    never,
                    TestSettings.handshakeTimeout(Duration.ofMillis(300)),
                    server,
                    HboneObserver.NONE));
    mesh.connect(address, new Raw());
    expectServer("TLS handshake not done within 300 ms", "closed");
    never.setSuccess(serverTls); // too late, and of no effect
  }

  @Test
  void theOwnerMayCloseDuringTheHandshake() {
    List<HboneServerConnection> connections = new ArrayList<>();
    InetSocketAddress address =
        mesh.listen(
            channel -> {
              HboneServerConnection connection =
                  HboneServer.serve(
                      channel,
                      mesh.loop().newSucceededFuture(serverTls),
                      HboneSettings.defaults(),
                      server,
                      HboneObserver.NONE);
              connections.add(connection);
              return connection;
            });
    mesh.connect(address, new Raw());
    mesh.await("the connection", () -> !connections.isEmpty());
    mesh.run(() -> connections.getFirst().close("shutting down"));
    expectServer("shutting down", "closed");
  }

  /** Cuts the client's first bytes, its ClientHello, before they reach the wire. */
  private static final class Cutting extends ChannelOutboundHandlerAdapter {
    private final Function<byte[], List<byte[]>> cut;
    private boolean done;

    Cutting(Function<byte[], List<byte[]>> cut) {
      this.cut = cut;
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
      if (done || !((ByteBuf) msg).isReadable()) {
        ctx.write(msg, promise);
        return;
      }
      done = true;
      byte[] hello = ByteBufUtil.getBytes((ByteBuf) msg);
      ReferenceCountUtil.release(msg);
      List<byte[]> pieces = cut.apply(hello);
      for (byte[] piece : pieces.subList(0, pieces.size() - 1)) {
        ctx.writeAndFlush(Unpooled.wrappedBuffer(piece));
      }
      ctx.write(Unpooled.wrappedBuffer(pieces.getLast()), promise);
    }
  }

  private Connector cutting(Function<byte[], List<byte[]>> cut) {
    Connector real = mesh.connector(clientTls);
    return new Connector() {
      @Override
      public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
        ChannelHandler both =
            new ChannelInboundHandlerAdapter() {
              @Override
              public void handlerAdded(ChannelHandlerContext ctx) {
                ctx.pipeline().addLast(new Cutting(cut), handler);
              }
            };
        return real.connect(loop, key, both);
      }

      @Override
      public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
        return real.tls(loop, key);
      }
    };
  }

  private static List<byte[]> inPieces(byte[] bytes, int size) {
    List<byte[]> pieces = new ArrayList<>();
    for (int at = 0; at < bytes.length; at += size) {
      pieces.add(Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + size)));
    }
    return pieces;
  }

  /** The handshake message of one record, spread over many records. */
  private static List<byte[]> inRecords(byte[] hello, int size) {
    ByteArrayOutputStream records = new ByteArrayOutputStream();
    byte[] message = Arrays.copyOfRange(hello, 5, hello.length);
    for (byte[] piece : inPieces(message, size)) {
      records.writeBytes(new byte[] {22, 3, 1, (byte) (piece.length >> 8), (byte) piece.length});
      records.writeBytes(piece);
    }
    return List.of(records.toByteArray());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 40})
  void aClientHelloInManySegmentsIsUnderstood(int size) {
    HbonePool pool =
        mesh.pool(
            cutting(hello -> inPieces(hello, size)), HboneSettings.defaults(), HboneObserver.NONE);
    PeerKey key = Loopback.key(serve(HboneSettings.defaults()), "uid");
    assertNull(mesh.open(pool, key).failure);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 50})
  void aClientHelloInManyRecordsIsUnderstood(int size) {
    HbonePool pool =
        mesh.pool(
            cutting(hello -> inRecords(hello, size)), HboneSettings.defaults(), HboneObserver.NONE);
    PeerKey key = Loopback.key(serve(HboneSettings.defaults()), "uid");
    assertNull(mesh.open(pool, key).failure);
  }

  @Test
  void noServerNameIsSentAndH2IsTheOnlyProtocol() {
    List<byte[]> hellos = new ArrayList<>();
    HbonePool pool =
        mesh.pool(
            cutting(
                hello -> {
                  hellos.add(hello);
                  return List.of(hello);
                }),
            HboneSettings.defaults(),
            HboneObserver.NONE);
    assertNull(mesh.open(pool, Loopback.key(serve(HboneSettings.defaults()), "uid")).failure);
    ByteBuf hello = Unpooled.wrappedBuffer(hellos.getFirst()).skipBytes(5 + 4);
    assertEquals(List.of("h2"), AlpnCheck.offered(hello.duplicate()));
    hello.skipBytes(34).skipBytes(hello.readUnsignedByte()).skipBytes(hello.readUnsignedShort());
    hello.skipBytes(hello.readUnsignedByte()).skipBytes(2);
    List<Integer> extensions = new ArrayList<>();
    while (hello.isReadable()) {
      extensions.add(hello.readUnsignedShort());
      hello.skipBytes(hello.readUnsignedShort());
    }
    assertTrue(extensions.contains(16), extensions::toString);
    assertTrue(!extensions.contains(0), "no server_name among " + extensions);
    assertTrue(!extensions.contains(35) && !extensions.contains(41), "no ticket: " + extensions);
  }
}
