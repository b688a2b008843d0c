package io.ztunnel.hbone;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.handler.codec.http2.Http2Error;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tunnels within tunnels through a gateway that passes bytes on, real sockets and real TLS. */
@ExtendWith(LeakExtension.class)
class NestedTunnelsTest {
  private static final String GATEWAY = "spiffe://cluster.local/ns/istio-system/sa/gateway";
  private static final String AUTHORITY = "echo.shop.svc.cluster.local:80";

  private static final HboneSettings ONE_EACH =
      TestSettings.nested(HboneSettings.defaults(), 0, Duration.ofMinutes(1));

  private final TestPki pki = TestPki.root("root");
  private final Loopback mesh = new Loopback();
  private final List<EchoHandler> backends = new ArrayList<>();
  private final RecordingObserver observer = new RecordingObserver();
  private final StandInGateway gateway = new StandInGateway(mesh::dial, _ -> this.backendAddress);
  private InetSocketAddress backendAddress;
  private InetSocketAddress gatewayAddress;
  private HbonePool pool;

  @BeforeEach
  void start() {
    backendAddress =
        mesh.serve(
            mesh.serverTls(pki.workload(Loopback.SERVER)),
            HboneSettings.defaults(),
            () -> {
              EchoHandler backend = new EchoHandler();
              backends.add(backend);
              return backend;
            });
    gatewayAddress =
        mesh.serve(mesh.serverTls(pki.workload(GATEWAY)), HboneSettings.defaults(), () -> gateway);
    pool =
        mesh.pool(
            mesh.connector(mesh.clientTls(pki.workload(Loopback.CLIENT))), ONE_EACH, observer);
  }

  @AfterEach
  void stop() {
    mesh.close();
  }

  private NestedPeer peer(String... accepted) {
    PeerKey key = new PeerKey(Loopback.CLIENT, List.of(GATEWAY), gatewayAddress, null, "gateway");
    return new NestedPeer(key, List.of(accepted), AUTHORITY);
  }

  private static final ConnectRequest OUTER =
      new ConnectRequest(AUTHORITY, "k8s.namespace.name=a", "for=\"10.0.0.1:1\"", "t", null);

  private Opened open(NestedPeer peer) {
    Opened opened = begin(peer);
    mesh.await("an answer", opened::isDone);
    return opened;
  }

  private Opened begin(NestedPeer peer) {
    Opened opened = new Opened();
    mesh.run(() -> pool.openNested(peer, OUTER, OUTER.fromNetwork("net-1"), opened));
    return opened;
  }

  private String exchange(Opened opened, String text) {
    mesh.run(
        () -> {
          opened.tunnel().write(Unpooled.copiedBuffer(text, US_ASCII));
          opened.tunnel().shutdownOutput();
        });
    mesh.await("finish", opened.listener::isOver);
    assertEquals(List.of("end", "finished"), opened.listener.events);
    return opened.listener.payload.toString(US_ASCII);
  }

  @Test
  void theInnerTunnelReachesThePeerThatTheGatewayChose() {
    Opened opened = open(peer(Loopback.SERVER));
    assertNull(opened.failure);

    assertEquals("hello", exchange(opened, "hello"));

    mesh.await("the outer tunnel ended in order", () -> gateway.ends().equals(List.of("finished")));
    mesh.run(
        () -> {
          assertEquals(List.of(Loopback.SERVER), opened.peer().uriSans());
          assertEquals("k8s.namespace.name=echo", opened.baggage);
          assertEquals(OUTER, gateway.connects().getFirst().request());
          EchoHandler backend = backends.getFirst();
          assertEquals(List.of(Loopback.CLIENT), backend.peer().uriSans());
          assertEquals(OUTER.fromNetwork("net-1"), backend.connects.getFirst().request());
        });
  }

  @Test
  void eachTunnelHasAnInnerConnectionOfItsOwnAndSharesTheOuterOne() {
    List<Opened> all = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      all.add(open(peer(Loopback.SERVER)));
    }
    for (Opened opened : all) {
      assertEquals("hello", exchange(opened, "hello"));
    }
    assertEquals(5, backends.size());
    assertEquals(1, (int) mesh.call(() -> pool.connections()));
    mesh.await("outer tunnels are gone", () -> pool.tunnels() == 0);
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void manyMegabytesGoBothWaysAndEndInOrder(TlsSettings.Provider provider) {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    TlsSettings settings = new TlsSettings(provider, false, false);
    pool = mesh.pool(mesh.clientTls(pki.workload(Loopback.CLIENT), settings), ONE_EACH);
    Opened opened = open(peer(Loopback.SERVER));
    byte[] sent = new byte[24 << 20];
    random.nextBytes(sent);
    Runnable writer = new PieceWriter(opened.tunnel(), sent, random);
    opened.listener.onWritable = writer;
    mesh.run(writer);
    mesh.await("finish", opened.listener::isOver);
    assertArrayEquals(sent, opened.listener.payload.toByteArray());
    assertEquals("finished", opened.listener.events.getLast());
  }

  @Test
  void aBackendThatDoesNotReadStopsTheWriterUntilItDoes() {
    List<Channel> accepted = new ArrayList<>();
    ServerTls tls = mesh.serverTls(pki.workload(Loopback.SERVER));
    backendAddress =
        mesh.listen(
            channel -> {
              accepted.add(channel);
              return HboneServer.serve(
                  channel,
                  mesh.loop().newSucceededFuture(tls),
                  HboneSettings.defaults(),
                  new EchoHandler(),
                  HboneObserver.NONE);
            });
    Opened opened = open(peer(Loopback.SERVER));
    int piece = 64 << 10;
    int[] written = new int[1];
    mesh.run(
        () -> {
          accepted.getFirst().config().setAutoRead(false);
          while (opened.tunnel().isWritable() && written[0] < 64 << 20) {
            opened.tunnel().write(Unpooled.wrappedBuffer(new byte[piece]));
            written[0] += piece;
          }
        });
    // A stream's window and what is under way, not all that there is.
    assertTrue(written[0] < 16 << 20, () -> "written: " + written[0]);
    mesh.run(
        () -> {
          accepted.getFirst().config().setAutoRead(true);
          opened.tunnel().shutdownOutput();
        });
    mesh.await("finish", opened.listener::isOver);
    assertEquals(written[0], opened.listener.received);
    assertEquals("finished", opened.listener.events.getLast());
  }

  @Test
  void aPeerThatIsNotExpectedIsRefused() {
    HboneFailure failure = open(peer("spiffe://cluster.local/ns/shop/sa/other")).failure();
    HboneFailure.WrongPeer wrong = assertInstanceOf(HboneFailure.WrongPeer.class, failure);
    assertEquals(
        "identity verification error: peer did not present the expected SAN"
            + " (spiffe://cluster.local/ns/shop/sa/other), got "
            + Loopback.SERVER,
        wrong.message());
    mesh.await("the outer tunnel is gone", () -> pool.tunnels() == 0);
  }

  @Test
  void nobodyIsExpectedWhereTheServiceNamesNobody() {
    assertInstanceOf(HboneFailure.WrongPeer.class, open(peer()).failure());
  }

  @Test
  void aWrongGatewayIsTheOuterTunnelsFailure() {
    PeerKey key =
        new PeerKey(Loopback.CLIENT, List.of("spiffe://a/ns/b/sa/c"), gatewayAddress, null, "g");
    HboneFailure failure = open(new NestedPeer(key, List.of(Loopback.SERVER), AUTHORITY)).failure();
    HboneFailure.OuterFailed outer = assertInstanceOf(HboneFailure.OuterFailed.class, failure);
    assertInstanceOf(HboneFailure.WrongPeer.class, outer.cause());
  }

  @Test
  void aGatewayThatIsNotThereIsTheOuterTunnelsFailure() {
    PeerKey key =
        new PeerKey(
            Loopback.CLIENT,
            List.of(GATEWAY),
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 1),
            null,
            "g");
    HboneFailure failure = open(new NestedPeer(key, List.of(Loopback.SERVER), AUTHORITY)).failure();
    HboneFailure.OuterFailed outer = assertInstanceOf(HboneFailure.OuterFailed.class, failure);
    assertInstanceOf(HboneFailure.ConnectFailed.class, outer.cause());
  }

  @Test
  void aGatewayWithoutABackendIsTheOuterTunnelsFailure() {
    backendAddress = new InetSocketAddress(InetAddress.getLoopbackAddress(), 1);
    assertEquals(
        new HboneFailure.OuterFailed(
            new HboneFailure.Rejected(503, "http status: 503 Service Unavailable")),
        open(peer(Loopback.SERVER)).failure());
  }

  /** Envoy says 200 before it knows whether it reaches the backend. */
  @Test
  void aGatewayThatTakesItsYesBackIsTheOuterTunnelsFailureWithItsCode() {
    HboneServerConnection[] _ =
        gatewayIs(
            new EchoHandler() {
              @Override
              public void onConnect(InboundConnect connect) {
                connect
                    .accept(ConnectAnswer.PLAIN, new RecordingListener())
                    .reset(TunnelReset.CONNECT_ERROR);
              }
            });
    HboneFailure failure = open(peer(Loopback.SERVER)).failure();
    assertEquals(
        new HboneFailure.OuterFailed(new HboneFailure.StreamReset(Http2Error.CONNECT_ERROR.code())),
        failure);
    assertEquals("stream error received: CONNECT_ERROR", failure.message());
  }

  @Test
  void aGatewayThatIsLostDuringTheInnerHandshakeIsTheOuterTunnelsFailure() {
    List<InboundConnect> accepted = new ArrayList<>();
    HboneServerConnection[] outer =
        gatewayIs(
            new EchoHandler() {
              @Override
              public void onConnect(InboundConnect connect) {
                accepted.add(connect);
                Tunnel _ = connect.accept(ConnectAnswer.PLAIN, new RecordingListener());
              }
            });
    Opened opened = begin(peer(Loopback.SERVER));
    mesh.await("the outer tunnel stands", () -> !accepted.isEmpty());
    mesh.run(() -> outer[0].close("gateway gone"));
    mesh.await("an answer", opened::isDone);
    HboneFailure.OuterFailed failure =
        assertInstanceOf(HboneFailure.OuterFailed.class, opened.failure());
    assertInstanceOf(HboneFailure.Http2Failed.class, failure.cause());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void aGatewayThatIsLostBeforeTheInnerAnswerIsTheOuterTunnelsFailure(int kept) {
    List<InboundConnect> asked = new ArrayList<>();
    backendAddress =
        mesh.serve(
            mesh.serverTls(pki.workload(Loopback.SERVER)),
            HboneSettings.defaults(),
            () ->
                new EchoHandler() {
                  @Override
                  public void onConnect(InboundConnect connect) {
                    asked.add(connect); // and no answer
                  }
                });
    HboneServerConnection[] outer = gatewayIs(gateway);
    HbonePool keeping =
        mesh.pool(
            mesh.clientTls(pki.workload(Loopback.CLIENT)),
            TestSettings.nested(HboneSettings.defaults(), kept, Duration.ofMinutes(1)));
    Opened opened = new Opened();
    mesh.run(
        () -> keeping.openNested(peer(Loopback.SERVER), OUTER, OUTER.fromNetwork("n"), opened));
    mesh.await("the inner CONNECT is there", () -> !asked.isEmpty());
    mesh.run(() -> outer[0].close("gateway gone"));
    mesh.await("an answer", opened::isDone);
    HboneFailure.OuterFailed failure =
        assertInstanceOf(HboneFailure.OuterFailed.class, opened.failure());
    assertInstanceOf(HboneFailure.Http2Failed.class, failure.cause());
  }

  /** Has the gateway do this; returns where its last connection is to be found. */
  private HboneServerConnection[] gatewayIs(ConnectHandler handler) {
    HboneServerConnection[] outer = new HboneServerConnection[1];
    ServerTls tls = mesh.serverTls(pki.workload(GATEWAY));
    gatewayAddress =
        mesh.listen(
            channel ->
                outer[0] =
                    HboneServer.serve(
                        channel,
                        mesh.loop().newSucceededFuture(tls),
                        HboneSettings.defaults(),
                        handler,
                        HboneObserver.NONE));
    return outer;
  }

  @Test
  void theInnerPeersRefusalIsItsOwn() {
    backendAddress =
        mesh.serve(
            mesh.serverTls(pki.workload(Loopback.SERVER)),
            HboneSettings.defaults(),
            () ->
                new EchoHandler() {
                  @Override
                  public void onConnect(InboundConnect connect) {
                    connect.reject(401);
                  }
                });
    assertEquals(
        new HboneFailure.Rejected(401, "http status: 401 Unauthorized"),
        open(peer(Loopback.SERVER)).failure());
    mesh.await("the outer tunnel is gone", () -> pool.tunnels() == 0);
  }

  @Test
  void aClosedPoolEndsTheInnerTunnels() {
    Opened opened = open(peer(Loopback.SERVER));
    mesh.run(() -> pool.close());
    mesh.await("end", opened.listener::isOver);
    assertEquals(List.of("ConnectionLost[reason=pool closed]"), opened.listener.events);
  }

  @Test
  void aLostGatewayEndsTheInnerTunnelAndSaysSo() {
    HboneServerConnection[] outer = gatewayIs(gateway);
    Opened opened = open(peer(Loopback.SERVER));
    mesh.run(() -> outer[0].close("gateway gone"));
    mesh.await("end", opened.listener::isOver);
    String end = opened.listener.events.getLast();
    assertTrue(end.startsWith("ConnectionLost[reason=outer tunnel ended: "), end);
  }

  @Test
  void aTunnelThatIsResetInsideEndsWithTheOuterOne() {
    Opened opened = open(peer(Loopback.SERVER));
    mesh.run(() -> opened.tunnel().reset(TunnelReset.CANCEL));
    mesh.await("the outer tunnel is gone", () -> pool.tunnels() == 0);
    assertEquals(List.of(), opened.listener.events);
  }

  @Test
  void whatNobodyWaitsForAnyMoreIsGivenUp() {
    Opened opened = new Opened();
    mesh.run(() -> pool.openNested(peer(Loopback.SERVER), OUTER, OUTER, opened).cancel());
    Opened later = new Opened();
    PendingTunnel pending =
        mesh.call(() -> pool.openNested(peer(Loopback.SERVER), OUTER, OUTER, later));
    mesh.await("the outer tunnel is asked for", () -> pool.tunnels() == 1);
    mesh.run(pending::cancel);
    mesh.await("the outer tunnel is gone", () -> pool.tunnels() == 0);
    mesh.run(
        () -> {
          assertEquals(0, opened.calls);
          assertEquals(0, later.calls);
        });
  }

  @Test
  void aSilentBackendFailsInTime() {
    HboneSettings hasty =
        TestSettings.nested(
            TestSettings.handshakeTimeout(Duration.ofMillis(300)), 0, Duration.ofMinutes(1));
    backendAddress = mesh.listen(channel -> channel); // accepts and says nothing
    HbonePool impatient = mesh.pool(mesh.clientTls(pki.workload(Loopback.CLIENT)), hasty);
    Opened opened = new Opened();
    mesh.run(() -> impatient.openNested(peer(Loopback.SERVER), OUTER, OUTER, opened));
    mesh.await("an answer", opened::isDone);
    assertEquals(
        new HboneFailure.HandshakeTimedOut(gatewayAddress, "TLS handshake not done within 300 ms"),
        opened.failure());
  }
}
