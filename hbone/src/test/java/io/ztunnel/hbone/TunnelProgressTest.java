package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where a tunnel is lost that does not come about, plain or through a gateway. */
@ExtendWith(LeakExtension.class)
class TunnelProgressTest {
  private static final String GATEWAY = "spiffe://cluster.local/ns/istio-system/sa/gateway";
  private static final String AUTHORITY = "echo.shop.svc.cluster.local:80";
  private static final ConnectRequest OUTER =
      new ConnectRequest(AUTHORITY, "", "for=\"10.0.0.1:1\"", "t", null);

  /** Takes tunnels and does not answer. */
  private static final class Mute extends EchoHandler {
    @Override
    public void onConnect(InboundConnect connect) {
      connects.add(connect);
    }
  }

  private final TestPki pki = TestPki.root("root");
  private final Loopback mesh = new Loopback();
  private final List<Channel> accepted = new ArrayList<>();
  private final StandInGateway gateway = new StandInGateway(mesh::dial, _ -> this.backendAddress);
  private InetSocketAddress backendAddress;
  private InetSocketAddress gatewayAddress;
  private ClientTls tls;

  @BeforeEach
  void start() {
    tls = mesh.clientTls(pki.workload(Loopback.CLIENT));
    backendAddress = serve(Loopback.SERVER, new EchoHandler());
    gatewayAddress = serve(GATEWAY, gateway);
  }

  @AfterEach
  void stop() {
    mesh.run(() -> accepted.forEach(channel -> channel.config().setAutoRead(true)));
    mesh.close();
  }

  private InetSocketAddress serve(String identity, ConnectHandler handler) {
    ServerTls server = mesh.serverTls(pki.workload(identity));
    return mesh.listen(
        channel -> {
          accepted.add(channel);
          return HboneServer.serve(
              channel,
              mesh.loop().newSucceededFuture(server),
              HboneSettings.defaults(),
              handler,
              HboneObserver.NONE);
        });
  }

  private HbonePool pool(int connections) {
    return pool(mesh.connector(tls), connections);
  }

  private HbonePool pool(Connector connector, int connections) {
    return mesh.pool(
        connector,
        TestSettings.nested(HboneSettings.defaults(), connections, Duration.ofMinutes(1)),
        HboneObserver.NONE);
  }

  private NestedPeer peer() {
    return new NestedPeer(
        new PeerKey(Loopback.CLIENT, List.of(GATEWAY), gatewayAddress, null, "gateway"),
        List.of(Loopback.SERVER),
        AUTHORITY);
  }

  private PendingTunnel nested(HbonePool pool) {
    return mesh.call(() -> pool.openNested(peer(), OUTER, OUTER, new Opened()));
  }

  private Opened open(HbonePool pool) {
    Opened opened = new Opened();
    mesh.run(() -> pool.openNested(peer(), OUTER, OUTER, opened));
    mesh.await("an answer", opened::isDone);
    assertNull(opened.failure);
    return opened;
  }

  private void awaitProgress(TunnelProgress expected, PendingTunnel pending) {
    mesh.await(expected.text(), () -> pending.progress() == expected);
    mesh.run(pending::cancel);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void ourOwnCertificateIsWaitedFor(int connections) {
    Connector none =
        new Connector() {
          @Override
          public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
            throw new AssertionError("dialled without a certificate");
          }

          @Override
          public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
            return loop.newPromise();
          }
        };
    awaitProgress(TunnelProgress.CERTIFICATE, nested(pool(none, connections)));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void theGatewayIsDialled(int connections) {
    Connector silent =
        new Connector() {
          @Override
          public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
            return loop.newPromise();
          }

          @Override
          public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
            return loop.newSucceededFuture(tls);
          }
        };
    awaitProgress(TunnelProgress.DIALLING, nested(pool(silent, connections)));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void theGatewayDoesNotFinishTls(int connections) {
    gatewayAddress = mesh.listen(channel -> channel); // says nothing
    awaitProgress(TunnelProgress.SECURING, nested(pool(connections)));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void theGatewayDoesNotAnswer(int connections) {
    Mute mute = new Mute();
    gatewayAddress = serve(GATEWAY, mute);
    HbonePool pool = pool(connections);
    PendingTunnel pending = nested(pool);
    mesh.await("it is asked", () -> !mute.connects.isEmpty());
    mesh.run(pending::probe);
    awaitProgress(TunnelProgress.UNANSWERED, pending);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void thePeerBehindTheGatewayDoesNotFinishTls(int connections) {
    backendAddress = mesh.listen(channel -> channel); // says nothing
    awaitProgress(TunnelProgress.INNER_HANDSHAKE, nested(pool(connections)));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void thePeerBehindTheGatewayDoesNotAnswer(int connections) {
    backendAddress = serve(Loopback.SERVER, new Mute());
    awaitProgress(TunnelProgress.INNER_UNANSWERED, nested(pool(connections)));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void aGatewayThatFallsSilentIsFoundByAPingAndLeft(int connections) {
    HbonePool pool = pool(connections);
    open(pool);
    Channel toGateway = accepted.getFirst();
    mesh.run(() -> toGateway.config().setAutoRead(false));
    PendingTunnel pending = nested(pool);
    mesh.run(pending::probe);
    awaitProgress(TunnelProgress.SILENT, pending);

    mesh.run(() -> pool.leaveSilent(peer().gateway()));
    open(pool); // by another connection
    assertEquals(2, (int) mesh.call(pool::connections));
  }

  @Test
  void aPeerThatSaysNothingForAMomentIsNotLeft() {
    HbonePool pool = pool(2);
    open(pool);
    mesh.run(() -> pool.leaveSilent(peer().gateway()));
    open(pool);
    assertEquals(1, (int) mesh.call(pool::connections));
  }

  private static final class Found {
    private int times;
    private @Nullable HboneFailure failure;

    void accept(@Nullable HboneFailure outcome) {
      times++;
      failure = outcome;
    }
  }

  private @Nullable HboneFailure probe(HbonePool pool, PeerKey key) {
    Found found = new Found();
    mesh.run(() -> pool.probe(key, found::accept));
    mesh.await("an outcome", () -> found.times > 0);
    mesh.await("nothing is left", () -> pool.connections() == 0);
    assertEquals(1, found.times);
    return found.failure;
  }

  @Test
  void aProbeShakesHandsAndAsksForALifeSignOnAConnectionOfItsOwn() {
    HbonePool pool = pool(2);
    assertNull(probe(pool, peer().gateway()));
    assertNull(probe(pool, peer().gateway()));
    assertEquals(2, accepted.size());
    mesh.await("closed again", () -> accepted.stream().noneMatch(Channel::isOpen));
  }

  @Test
  void aProbeOfSomebodyElseFails() {
    PeerKey other =
        new PeerKey(Loopback.CLIENT, List.of("spiffe://a/ns/b/sa/c"), gatewayAddress, null, "g");
    assertTrue(probe(pool(2), other) instanceof HboneFailure.WrongPeer);
  }

  @Test
  void aProbeEndsWithItsPool() {
    Found found = new Found();
    InetSocketAddress mute = mesh.listen(channel -> channel);
    PeerKey key = new PeerKey(Loopback.CLIENT, List.of(GATEWAY), mute, null, "g");
    HbonePool pool = pool(2);
    mesh.run(() -> pool.probe(key, found::accept));
    mesh.run(pool::close);
    mesh.await("an outcome", () -> found.failure instanceof HboneFailure.PoolClosed);
    assertTrue(probe(pool, key) instanceof HboneFailure.PoolClosed);
  }

  @Test
  void connectionsToAddressesThatANameHasNoMoreTakeNoMoreTunnels() {
    HbonePool pool = pool(2);
    open(pool);
    mesh.run(
        () -> {
          pool.onResolved("gateway", List.of(gatewayAddress.getAddress()));
          pool.onResolved("other", List.of(gatewayAddress.getAddress()));
          pool.onResolved("other", List.of());
        });
    open(pool);
    assertEquals(1, (int) mesh.call(pool::connections), "it still has its address");
    mesh.run(() -> pool.onResolved("gateway", List.of()));
    open(pool);
    assertFalse(mesh.call(pool::connections) < 2, "the former carries its tunnels to their ends");
  }
}
