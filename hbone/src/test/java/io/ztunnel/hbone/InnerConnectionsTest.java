package io.ztunnel.hbone;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseNotifier;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Inner connections that are kept: three backends, of which the gateway takes one after another.
 */
@ExtendWith(LeakExtension.class)
class InnerConnectionsTest {
  private static final String GATEWAY = "spiffe://cluster.local/ns/istio-system/sa/gateway";
  private static final String AUTHORITY = "echo.shop.svc.cluster.local:80";
  private static final ConnectRequest OUTER =
      new ConnectRequest(AUTHORITY, "", "for=\"10.0.0.1:1\"", "t", null);
  private static final Duration LONG = Duration.ofMinutes(5);
  private static final Duration REFRESH = Duration.ofSeconds(30);

  /** Nobody listens there. */
  private static final InetSocketAddress NOBODY =
      new InetSocketAddress(InetAddress.getLoopbackAddress(), 1);

  /** One backend: its connections, and what was asked on them. */
  private final class Backend {
    private final ServerTls tls = mesh.serverTls(pki.workload(Loopback.SERVER));
    private final List<EchoHandler> connections = new ArrayList<>();
    private final List<HboneServerConnection> open = new ArrayList<>();

    /** On which connection each CONNECT came, answered or not. */
    private final List<EchoHandler> asked = new ArrayList<>();

    private final List<Channel> channels = new ArrayList<>();
    private Duration answerDelay = Duration.ZERO;
    private @Nullable String workloadUid;
    private boolean dead;

    /** What it answers to every CONNECT, and not before this is done. */
    private int status = 200;

    private Future<?> mayAnswer = mesh.loop().newSucceededFuture(true);

    int tunnels() {
      return connections.stream().mapToInt(each -> each.connects.size()).sum();
    }

    HboneServerConnection accept(Channel channel) {
      channels.add(channel);
      EchoHandler handler =
          new EchoHandler() {
            @Override
            public void onConnect(InboundConnect connect) {
              asked.add(this);
              mayAnswer.addListener(
                  _ ->
                      mesh.loop()
                          .schedule(
                              () -> answer(connect), answerDelay.toNanos(), TimeUnit.NANOSECONDS));
            }

            private void answer(InboundConnect connect) {
              if (status == 200) {
                super.onConnect(connect);
              } else {
                connect.reject(status);
              }
            }
          };
      handler.workloadUid = workloadUid;
      connections.add(handler);
      HboneServerConnection connection =
          HboneServer.serve(
              channel,
              dead ? mesh.loop().newPromise() : mesh.loop().newSucceededFuture(tls),
              HboneSettings.defaults(),
              handler,
              HboneObserver.NONE);
      open.add(connection);
      return connection;
    }

    /** Its node loses power: nobody hears from it, not even that it ends. */
    void die() {
      dead = true;
      channels.forEach(channel -> channel.config().setAutoRead(false));
    }

    /** It was only a pause: what has come meanwhile is read. */
    void wake() {
      dead = false;
      channels.forEach(channel -> channel.config().setAutoRead(true));
    }
  }

  private final TestPki pki = TestPki.root("root");
  private final Loopback mesh = new Loopback();
  private final List<Backend> backends = new ArrayList<>();
  private final List<InetSocketAddress> addresses = new ArrayList<>();
  private final StandInGateway gateway =
      new StandInGateway(this::dialBackend, n -> addresses.get(n % addresses.size()));

  /** The gateway dials nobody before this. */
  private Future<?> mayDial = mesh.loop().newSucceededFuture(true);

  /** Those that the gateway has accepted. */
  private final List<HboneServerConnection> outer = new ArrayList<>();

  private final List<Channel> outerChannels = new ArrayList<>();

  private final KeyMaterial gatewayKey = pki.workload(GATEWAY);
  private ClientTls clientTls;
  private NestedPeer peer;

  @BeforeEach
  void start() {
    for (int i = 0; i < 3; i++) {
      Backend backend = new Backend();
      backends.add(backend);
      addresses.add(mesh.listen(backend::accept));
    }
    ServerTls gatewayTls = mesh.serverTls(gatewayKey);
    InetSocketAddress gatewayAddress =
        mesh.listen(
            channel -> {
              HboneServerConnection connection =
                  HboneServer.serve(
                      channel,
                      mesh.loop().newSucceededFuture(gatewayTls),
                      HboneSettings.defaults(),
                      gateway,
                      HboneObserver.NONE);
              outer.add(connection);
              outerChannels.add(channel);
              return connection;
            });
    clientTls = mesh.clientTls(pki.workload(Loopback.CLIENT));
    peer =
        new NestedPeer(
            new PeerKey(Loopback.CLIENT, List.of(GATEWAY), gatewayAddress, null, "gateway"),
            List.of(Loopback.SERVER),
            AUTHORITY);
  }

  @AfterEach
  void stop() {
    mesh.run(() -> backends.forEach(Backend::wake));
    mesh.close();
  }

  private Future<Channel> dialBackend(InetSocketAddress address, ChannelHandler handler) {
    Promise<Channel> dialled = mesh.loop().newPromise();
    mayDial.addListener(
        _ -> mesh.dial(address, handler).addListener(new PromiseNotifier<>(dialled)));
    return dialled;
  }

  private HbonePool pool(int connections, Duration refresh) {
    return mesh.pool(
        clientTls, TestSettings.nested(HboneSettings.defaults(), connections, refresh));
  }

  private Opened begin(HbonePool pool) {
    Opened opened = new Opened();
    mesh.run(() -> pool.openNested(peer, OUTER, OUTER.fromNetwork("net-1"), opened));
    return opened;
  }

  private Opened open(HbonePool pool) {
    Opened opened = begin(pool);
    mesh.await("an answer", opened::isDone);
    return opened;
  }

  /** Tunnels, some of them to each backend. */
  private List<Opened> openToEach(HbonePool pool) {
    List<Opened> all = new ArrayList<>();
    mesh.await(
        "a tunnel to each",
        () -> {
          boolean spread = backends.stream().allMatch(backend -> backend.tunnels() > 0);
          if (!spread && all.stream().allMatch(Opened::isDone)) {
            Opened opened = new Opened();
            pool.openNested(peer, OUTER, OUTER, opened);
            all.add(opened);
          }
          return spread && all.stream().allMatch(Opened::isDone);
        });
    return all;
  }

  private List<Opened> begin(int count, HbonePool pool) {
    return Stream.generate(() -> begin(pool)).limit(count).toList();
  }

  private void awaitAnswers(List<Opened> all) {
    mesh.await("answers", () -> all.stream().allMatch(Opened::isDone));
    all.forEach(each -> assertNull(each.failure));
  }

  private void exchange(Opened opened) {
    mesh.run(
        () -> {
          opened.tunnel().write(Unpooled.copiedBuffer("hello", US_ASCII));
          opened.tunnel().shutdownOutput();
        });
    mesh.await("finish", opened.listener::isOver);
    assertEquals(List.of("end", "finished"), opened.listener.events);
    assertEquals("hello", opened.listener.payload.toString(US_ASCII));
  }

  @Test
  void tunnelsShareAConnection() {
    HbonePool pool = pool(1, LONG);
    for (int i = 0; i < 5; i++) {
      exchange(open(pool));
    }
    assertEquals(1, gateway.connects().size());
    mesh.run(() -> assertEquals(5, backends.getFirst().tunnels()));
  }

  @Test
  void tunnelsAreSpreadOverTheBackends() {
    HbonePool pool = pool(6, LONG);
    for (int i = 0; i < 600; i++) {
      exchange(open(pool));
    }
    assertEquals(6, gateway.connects().size());
    mesh.run(
        () -> {
          for (Backend backend : backends) {
            int share = backend.tunnels();
            assertTrue(share >= 150 && share <= 252, () -> "of 600: " + share);
          }
        });
  }

  @Test
  void tunnelsThatBeginTogetherAreSpreadToo() {
    beginTogetherAndAssertSpread(pool(6, LONG));
  }

  /** All connections that there are have served their time. */
  @Test
  void tunnelsThatBeginTogetherAfterAPauseAreSpreadToo() {
    HbonePool pool = pool(6, REFRESH);
    for (int i = 0; i < 100 && mesh.call(this::connections) < 6; i++) {
      Opened opened = open(pool);
      mesh.run(() -> opened.tunnel().reset(TunnelReset.CANCEL));
    }
    assertEquals(6, mesh.call(this::connections));
    mesh.advance(REFRESH.plus(FAR));
    beginTogetherAndAssertSpread(pool);
  }

  private int connections() {
    return backends.stream().mapToInt(backend -> backend.connections.size()).sum();
  }

  private void beginTogetherAndAssertSpread(HbonePool pool) {
    List<Integer> before = mesh.call(() -> backends.stream().map(Backend::tunnels).toList());
    List<Opened> all = new ArrayList<>();
    mesh.run(
        () -> {
          for (int i = 0; i < 60; i++) {
            Opened opened = new Opened();
            pool.openNested(peer, OUTER, OUTER.fromNetwork("net-1"), opened);
            all.add(opened);
          }
        });
    mesh.await("answers", () -> all.stream().allMatch(Opened::isDone));
    mesh.run(
        () -> {
          for (int i = 0; i < backends.size(); i++) {
            int share = backends.get(i).tunnels() - before.get(i);
            assertTrue(share >= 5, () -> "of 60: " + share);
          }
        });
    all.forEach(this::exchange);
  }

  private static int carried(EchoHandler connection) {
    return (int) connection.tunnels.stream().filter(tunnel -> !tunnel.isOver()).count();
  }

  /** What the connections of the backends carry. */
  private List<Integer> tunnelsByConnection() {
    return backends.stream()
        .flatMap(backend -> backend.connections.stream())
        .map(InnerConnectionsTest::carried)
        .toList();
  }

  private List<Integer> tunnelsByBackend() {
    return backends.stream()
        .map(backend -> backend.connections.stream().mapToInt(InnerConnectionsTest::carried).sum())
        .toList();
  }

  /** Has each of so many connections learn by a first tunnel which backend it has reached. */
  private void identify(int connections, HbonePool pool) {
    for (int i = 0; i < backends.size(); i++) {
      backends.get(i).workloadUid = "cluster//Pod/shop/echo-" + i;
    }
    List<EchoHandler> unused = new ArrayList<>();
    for (int i = 0; i < 100 && (i < 2 * connections || !unused.isEmpty()); i++) {
      exchange(open(pool));
      mesh.run(
          () -> {
            unused.clear();
            backends.forEach(backend -> unused.addAll(backend.connections));
            unused.removeIf(each -> !each.connects.isEmpty());
          });
    }
    assertEquals(List.of(), unused);
  }

  /** Four tunnels to each backend, whose two connections of six the pool knows. */
  private List<Opened> openFourToEach(HbonePool pool) {
    identify(6, pool);
    mesh.run(() -> assertEquals(List.of(0, 0, 0, 0, 0, 0), tunnelsByConnection()));
    List<Opened> all = begin(12, pool);
    awaitAnswers(all);
    return all;
  }

  @Test
  void tunnelsToOneBackendAreTogetherOnOneOfItsConnections() {
    HbonePool pool = pool(6, LONG);
    List<Opened> all = openFourToEach(pool);
    mesh.run(() -> assertEquals(List.of(0, 4, 0, 4, 0, 4), tunnelsByConnection()));
    all.forEach(this::exchange);
  }

  @Test
  void tunnelsThatStayOnRetiredConnectionsCountForTheirBackend() {
    HbonePool pool = pool(3, LONG);
    identify(3, pool);
    List<Opened> first = begin(6, pool);
    awaitAnswers(first);
    mesh.run(() -> assertEquals(List.of(2, 2, 2), tunnelsByConnection()));
    mesh.run(() -> pool.retire(_ -> true));
    exchange(first.get(1));
    exchange(first.get(4));
    mesh.run(
        () ->
            assertEquals(
                List.of(0, 2, 2), tunnelsByBackend().stream().sorted().toList(), "of one backend"));

    identify(3, pool);
    awaitAnswers(begin(2, pool));
    mesh.run(() -> assertEquals(List.of(2, 2, 2), tunnelsByBackend()));
  }

  @Test
  void aConnectionToABackendTakesOverWhenAnotherIsLost() {
    HbonePool pool = pool(6, LONG);
    List<Opened> all = openFourToEach(pool);
    mesh.run(() -> backends.getFirst().open.getLast().close("gone"));
    mesh.await(
        "its tunnels end", () -> all.stream().filter(each -> each.listener.isOver()).count() == 4);
    List<Opened> more = begin(3, pool);
    awaitAnswers(more);
    all.stream().filter(each -> !each.listener.isOver()).forEach(this::exchange);
    more.forEach(this::exchange);
  }

  @Test
  void theObserverIsToldWhomAConnectionHasReached() {
    List<String> events = new ArrayList<>();
    HboneObserver observer =
        new HboneObserver() {
          @Override
          public void onInnerOpened(PeerKey through, InnerBackend backend) {
            events.add("+" + name(backend));
          }

          @Override
          public void onInnerClosed(PeerKey through, InnerBackend backend) {
            events.add("-" + name(backend));
          }

          private String name(InnerBackend backend) {
            return backend.workloadUid() == null ? "certificate" : backend.workloadUid();
          }
        };
    HbonePool pool =
        mesh.pool(
            mesh.connector(clientTls),
            TestSettings.nested(HboneSettings.defaults(), 1, LONG),
            observer);
    backends.getFirst().workloadUid = "uid";
    exchange(open(pool));
    exchange(open(pool));
    mesh.run(pool::close);
    mesh.run(() -> assertEquals(List.of("+certificate", "+uid", "-certificate", "-uid"), events));
  }

  @Test
  void aConnectionThatHasServedItsTimeIsReplaced() {
    HbonePool pool = pool(1, Duration.ofMillis(1));
    Opened first = open(pool);
    mesh.await(
        "another connection takes its place",
        () -> {
          pool.openNested(peer, OUTER, OUTER, new Opened());
          return backends.get(1).tunnels() > 0;
        });
    exchange(first); // what it carried goes on
  }

  /** A pool with one connection, which is past its time by so much. */
  private HbonePool withOnePastItsTime(InnerLimit limit, Duration past) {
    HbonePool pool =
        mesh.pool(
            clientTls,
            TestSettings.nested(
                HboneSettings.defaults(), new HboneSettings.Nested(1, REFRESH, limit)));
    exchange(open(pool));
    mesh.advance(REFRESH.plus(past));
    return pool;
  }

  private HbonePool withOnePastItsTime(Duration past) {
    return withOnePastItsTime(new InnerLimit(10), past);
  }

  private static final Duration SLIGHTLY = Duration.ofMillis(10);
  private static final Duration FAR = Duration.ofSeconds(6);

  @Test
  void revokedBackendsLoseTheirConnectionsWhetherTheyTakeTunnelsOrNot() {
    AtomicBoolean revoked = new AtomicBoolean();
    Revocations backendsOnly =
        (chain, _) ->
            revoked.get() && !chain.getFirst().equals(gatewayKey.leaf()) ? chain.getFirst() : null;
    PeerTrust trust = new PeerTrust(new TrustRoots(List.of(pki.rootCertificate())), backendsOnly);
    ClientTls tls = ClientTls.create(pki.workload(Loopback.CLIENT), trust, TlsSettings.defaults());
    try {
      HbonePool pool = mesh.pool(tls, TestSettings.nested(HboneSettings.defaults(), 1, REFRESH));
      Opened onRetired = open(pool);
      mesh.advance(REFRESH.plus(FAR));
      Opened onUsable = open(pool);
      assertEquals(2, gateway.connects().size());
      mesh.run(pool::closeRevoked);
      assertEquals(List.of(), mesh.call(() -> List.copyOf(onRetired.listener.events)));
      revoked.set(true);
      mesh.run(pool::closeRevoked);
      for (Opened each : List.of(onRetired, onUsable)) {
        String end = mesh.call(() -> each.listener.events.toString());
        assertTrue(end.startsWith("[PeerRevoked[certificate=serial "), end);
      }
      assertEquals(1, mesh.call(pool::connections), "that to the gateway");
      assertInstanceOf(HboneFailure.PeerRevoked.class, open(pool).failure());
    } finally {
      tls.close();
    }
  }

  @Test
  void anOldConnectionTakesNoMoreTunnels() {
    HbonePool pool = withOnePastItsTime(FAR);
    exchange(open(pool));
    mesh.run(() -> assertEquals(1, backends.getFirst().tunnels()));
    mesh.run(() -> assertEquals(1, backends.get(1).tunnels()));
    exchange(open(pool));
    assertEquals(2, gateway.connects().size());
  }

  @Test
  void whatTheGatewayRefusesToReplaceIsNotUsedAnyMore() {
    HbonePool pool = pool(1, REFRESH);
    Opened lasting = open(pool);
    mesh.advance(REFRESH.plus(SLIGHTLY));
    addresses.replaceAll(_ -> NOBODY);
    List<Opened> all = new ArrayList<>();
    mesh.await(
        "a failure",
        () -> {
          boolean failed = all.stream().anyMatch(each -> each.failure != null);
          if (!failed && all.stream().allMatch(Opened::isDone)) {
            Opened opened = new Opened();
            all.add(opened);
            pool.openNested(peer, OUTER, OUTER, opened);
          }
          return failed;
        });
    assertEquals(
        new HboneFailure.OuterFailed(
            new HboneFailure.Rejected(503, "http status: 503 Service Unavailable")),
        all.getLast().failure());
    // To replace it, and for whom there was none left.
    assertEquals(3, gateway.connects().size());
    exchange(lasting);
  }

  @Test
  void whatCannotBeReplacedIsUsedForALittleWhileAndThenTheFailureIsTold() {
    // The gateway reaches somebody who ends every connection.
    InetSocketAddress mute = mesh.listen(Channel::close);
    HbonePool pool = withOnePastItsTime(SLIGHTLY);
    addresses.replaceAll(_ -> mute);
    exchange(open(pool));
    mesh.await("another one cannot be made", () -> gateway.ends().size() == 1);
    exchange(open(pool));
    mesh.advance(FAR);
    assertNull(open(pool).tunnel);
    mesh.run(() -> assertEquals(3, backends.getFirst().tunnels()));
  }

  @Test
  void atTheLimitOfTheProcessTunnelsShareAnOldConnectionThatIsInUse() {
    InnerLimit limit = new InnerLimit(1);
    HbonePool pool = withOnePastItsTime(limit, Duration.ZERO);
    Opened lasting = open(pool);
    mesh.advance(FAR.plus(REFRESH));
    exchange(open(pool));
    mesh.run(() -> assertEquals(3, backends.getFirst().tunnels()));
    exchange(lasting);
    exchange(open(pool));
    mesh.run(() -> assertEquals(1, backends.get(1).tunnels(), "room was made"));
  }

  @Test
  void aGatewayThatHasNoRoomDoesNotTakeAnOldConnectionAway() {
    HbonePool pool = withOnePastItsTime(SLIGHTLY);
    gateway.refusal = 429;
    addresses.replaceAll(_ -> NOBODY);
    exchange(open(pool));
    mesh.await("refused", () -> gateway.connects().size() == 2);
    exchange(open(pool));
    mesh.advance(FAR);
    exchange(open(pool));
    mesh.run(() -> assertEquals(4, backends.getFirst().tunnels()));
  }

  @ParameterizedTest
  @ValueSource(ints = {502, 503, 504})
  void whatABackendCannotServeGoesElsewhereAndNoMoreGoesThere(int status) {
    addresses.removeLast();
    backends.getFirst().status = status;
    HbonePool pool = pool(2, LONG);
    for (int i = 0; i < 20; i++) {
      exchange(open(pool));
    }
    mesh.run(
        () -> {
          List<EchoHandler> asked = backends.getFirst().asked;
          assertTrue(asked.size() > 1);
          assertEquals(asked.stream().distinct().toList(), asked);
          assertEquals(20, backends.get(1).tunnels());
        });
  }

  @Test
  void whatABackendCannotServeGoesWhereOthersWereServed() {
    Backend refusing = backends.getFirst();
    Promise<Void> answers = mesh.loop().newPromise();
    refusing.status = 503;
    refusing.mayAnswer = answers;
    HbonePool pool = pool(3, LONG);
    List<InetSocketAddress> all = List.copyOf(addresses);
    addresses.replaceAll(_ -> all.get(1));
    List<Opened> lasting = new ArrayList<>(List.of(open(pool)));
    addresses.replaceAll(_ -> all.getFirst());
    lasting.add(open(pool)); // with nobody else yet
    mesh.await(
        "two connections have one each to answer, fewer than the one that has served",
        () -> {
          if (lasting.stream().filter(each -> !each.isDone()).count() == refusing.asked.size()) {
            Opened opened = new Opened();
            lasting.add(opened);
            pool.openNested(peer, OUTER, OUTER, opened);
          }
          return refusing.asked.stream().distinct().count() == 2;
        });
    answers.setSuccess(null);
    awaitAnswers(lasting);
    lasting.forEach(this::exchange);
  }

  @Test
  void whoCannotBeServedTwiceIsTold() {
    backends.forEach(each -> each.status = 503);
    HbonePool pool = pool(1, LONG);
    assertEquals(
        new HboneFailure.Rejected(503, "http status: 503 Service Unavailable"),
        open(pool).failure());
    assertEquals(2, gateway.connects().size());
    backends.get(2).status = 200;
    exchange(open(pool));
  }

  @Test
  void aTunnelOnAConnectionOfItsOwnIsToldWhatItsBackendSays() {
    backends.forEach(each -> each.status = 503);
    assertInstanceOf(HboneFailure.Rejected.class, open(pool(0, LONG)).failure());
    assertEquals(1, gateway.connects().size());
  }

  @ParameterizedTest
  @ValueSource(ints = {400, 401, 403, 404, 429, 500})
  void whatABackendDecidesIsTold(int status) {
    backends.getFirst().status = status;
    HbonePool pool = pool(1, LONG);
    HboneFailure.Rejected told =
        assertInstanceOf(HboneFailure.Rejected.class, open(pool).failure());
    assertEquals(status, told.status());
    assertEquals(1, gateway.connects().size());
    mesh.run(() -> backends.getFirst().status = 200);
    exchange(open(pool));
    assertEquals(1, gateway.connects().size(), "the connection is as good as before");
  }

  @Test
  void aBackendThatGoesTakesOnlyItsOwnTunnels() {
    HbonePool pool = pool(3, LONG);
    List<Opened> all = openToEach(pool);
    int[] lost = new int[1];
    mesh.run(
        () -> {
          lost[0] = backends.getFirst().tunnels();
          List.copyOf(backends.getFirst().open).forEach(each -> each.close("gone"));
        });
    mesh.await(
        "its tunnels end",
        () -> all.stream().filter(each -> each.listener.isOver()).count() == lost[0]);
    exchange(open(pool));
    all.stream().filter(each -> !each.listener.isOver()).forEach(this::exchange);
  }

  /** Its channel closes without a GOAWAY, as when its node proxy is killed. */
  @Test
  void tunnelsThatWereBegunToABackendThatIsKilledGoElsewhere() {
    HbonePool pool = pool(3, LONG);
    List<Opened> open = openToEach(pool);
    mesh.run(() -> backends.getFirst().mayAnswer = mesh.loop().newPromise());
    List<Opened> all = begin(6, pool);
    mesh.await("requests to it", () -> !backends.getFirst().asked.isEmpty());
    mesh.run(
        () -> {
          backends.getFirst().mayAnswer = mesh.loop().newSucceededFuture(true);
          List.copyOf(backends.getFirst().channels).forEach(Channel::close);
        });
    awaitAnswers(all);
    all.forEach(this::exchange);
    assertTrue(open.stream().anyMatch(each -> !each.listener.isOver()));
  }

  @Test
  void tunnelsThatWereBegunToADeadBackendGoElsewhere() {
    HbonePool pool = pool(3, LONG);
    List<Opened> open = openToEach(pool);
    mesh.run(backends.getFirst()::die);
    List<Opened> all = begin(6, pool);
    awaitAnswers(all);
    all.forEach(this::exchange);
    mesh.run(() -> assertEquals(0, open.stream().filter(each -> each.listener.isOver()).count()));
  }

  @Test
  void aBackendThatIsFoundDeadIsLeftOnAllItsConnections() {
    HbonePool pool = pool(6, LONG);
    identify(6, pool);
    Backend dead = backends.getFirst();
    EchoHandler idle = dead.connections.getFirst();
    int before = idle.connects.size();
    mesh.run(dead::die);
    awaitAnswers(begin(6, pool));
    mesh.run(dead::wake);
    for (int i = 0; i < 12; i++) {
      exchange(open(pool));
    }
    mesh.run(() -> assertEquals(before, idle.connects.size()));
  }

  @Test
  void aTunnelFindsTheOnlyBackendThatLives() {
    HbonePool pool = pool(6, LONG);
    mesh.await(
        "two to each",
        () -> {
          PendingTunnel _ = pool.openNested(peer, OUTER, OUTER, new Opened());
          return backends.stream().allMatch(each -> each.connections.size() == 2);
        });
    mesh.run(backends.getFirst()::die);
    mesh.run(backends.get(1)::die);
    awaitAnswers(begin(12, pool));
  }

  @Test
  void aTunnelGoesElsewhereThoughTheConnectionToItsDeadBackendIsReplaced() {
    HbonePool pool = pool(1, Duration.ofMillis(1));
    exchange(open(pool));
    mesh.run(backends.getFirst()::die);
    exchange(open(pool));
    mesh.run(() -> assertEquals(1, backends.get(1).tunnels()));
  }

  @Test
  void aBackendThatLivesMayTakeItsTimeToAnswer() {
    HbonePool pool = pool(1, LONG);
    exchange(open(pool));
    backends.getFirst().answerDelay = Duration.ofSeconds(2);
    List<Opened> all = begin(3, pool);
    awaitAnswers(all);
    all.forEach(this::exchange);
    mesh.run(() -> assertEquals(4, backends.getFirst().tunnels()));
    assertEquals(1, gateway.connects().size());
  }

  @Test
  void aGatewayThatIsSilentIsNotTakenForADeadBackend() {
    HbonePool pool = pool(3, LONG);
    openToEach(pool);
    int before = gateway.connects().size();
    mesh.run(() -> outerChannels.getFirst().config().setAutoRead(false));
    List<Opened> all = begin(6, pool);
    mesh.loop()
        .schedule(() -> outerChannels.getFirst().config().setAutoRead(true), 2, TimeUnit.SECONDS);
    awaitAnswers(all);
    all.forEach(this::exchange);
    assertEquals(before, gateway.connects().size());
  }

  @Test
  void whoWaitsIsToldWhenNoConnectionCanBeMade() {
    addresses.replaceAll(_ -> new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
    HbonePool pool = pool(3, LONG);
    List<Opened> all = List.of(begin(pool), begin(pool), begin(pool), begin(pool), begin(pool));
    mesh.await("answers", () -> all.stream().allMatch(Opened::isDone));
    for (Opened opened : all) {
      assertInstanceOf(HboneFailure.OuterFailed.class, opened.failure());
    }
  }

  @Test
  void whoAsksAgainWhenNoConnectionCouldBeMadeIsNotToldOfThatFailureAgain() {
    List<InetSocketAddress> alive = List.copyOf(addresses);
    addresses.replaceAll(_ -> new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
    HbonePool pool = pool(1, LONG);
    Opened again = new Opened();
    TunnelOpening persistent =
        new TunnelOpening() {
          @Override
          public TunnelListener onOpened(Tunnel tunnel, TlsPeer of, @Nullable String baggage) {
            throw new AssertionError("there was nobody");
          }

          @Override
          public void onFailed(HboneFailure failure) {
            addresses.clear();
            addresses.addAll(alive);
            PendingTunnel _ = pool.openNested(peer, OUTER, OUTER, again);
          }
        };
    mesh.run(() -> pool.openNested(peer, OUTER, OUTER, persistent));
    mesh.await("an answer", again::isDone);
    assertNull(again.failure);
    exchange(again);
  }

  @Test
  void aGatewayThatGoesAwayGetsNoMoreTunnelsAndIsRidOfThoseThatCarryNothing() {
    HbonePool pool = pool(2, LONG);
    Opened busy = open(pool);
    exchange(open(pool));
    mesh.await("two are kept", () -> gateway.connects().size() == 2);
    exchange(open(pool));
    mesh.run(() -> outer.getFirst().drain());
    mesh.await("the idle one has ended", () -> pool.tunnels() == 1);

    Opened later = open(pool);
    mesh.run(() -> assertEquals(2, outer.size(), "by another connection"));
    exchange(later);
    exchange(busy);
    mesh.await("the gateway is rid of its client", () -> pool.connections() == 1);
  }

  private static Http2Connection connection(Opened opened) {
    return ((TunnelStream) opened.tunnel()).connection();
  }

  /** A request whose connection is in the making: the gateway gets nowhere before this is done. */
  private Opened beginUntilTheGatewayDials(HbonePool pool, Future<?> dials) {
    mayDial = dials;
    Opened waited = begin(pool);
    mesh.await("the gateway dials", () -> !gateway.connects().isEmpty());
    return waited;
  }

  @Test
  void aConnectionThatIsMadeThroughAGatewayThatHasGoneAwayServesOnlyWhoWaited() {
    HbonePool pool = pool(1, LONG);
    Promise<Void> dials = mesh.loop().newPromise();
    Opened waited = beginUntilTheGatewayDials(pool, dials);
    mesh.run(() -> outer.getFirst().drain());
    mesh.await(
        "the pool has left it",
        () -> {
          PendingTunnel other = pool.open(peer.gateway(), OUTER, new Opened());
          mesh.loop().execute(other::cancel);
          return outer.size() == 2;
        });
    dials.setSuccess(null);
    mesh.await("an answer", waited::isDone);
    Opened later = open(pool);
    mesh.run(() -> assertNotSame(connection(waited), connection(later)));
    exchange(waited);
    mesh.await("the gateway is rid of its client", () -> pool.connections() == 1);
    exchange(later);
  }

  @Test
  void nobodyHasToWaitForAConnectionThatWillNotBeKept() {
    HbonePool pool = pool(1, LONG);
    Promise<Void> dials = mesh.loop().newPromise();
    Opened waited = beginUntilTheGatewayDials(pool, dials);
    mesh.run(() -> pool.retire(_ -> true));
    mayDial = mesh.loop().newSucceededFuture(true);
    exchange(open(pool));
    exchange(waited);
    dials.setSuccess(null);
    mesh.await("one is kept", () -> pool.connections() == 1);
  }

  @Test
  void thoseThatAreRetiredEndWithWhatTheyCarry() {
    HbonePool pool = pool(1, LONG);
    Opened lasting = open(pool);
    mesh.run(() -> pool.retire(_ -> true));
    exchange(lasting);
    mesh.await("nothing is left", () -> pool.tunnels() == 0 && pool.connections() == 0);
  }

  @Test
  void aRequestThatIsGivenUpLeavesTheConnectionToOthers() {
    HbonePool pool = pool(1, LONG);
    Opened given = new Opened();
    mesh.run(() -> pool.openNested(peer, OUTER, OUTER, given).cancel());
    exchange(open(pool));
    mesh.run(() -> assertEquals(0, given.calls));
    assertNull(given.failure);
    assertEquals(1, gateway.connects().size());
  }

  private HbonePool limited(int connections, InnerLimit limit) {
    return mesh.pool(
        clientTls,
        TestSettings.nested(
            HboneSettings.defaults(), new HboneSettings.Nested(connections, LONG, limit)));
  }

  @Test
  void atTheLimitOfTheProcessTunnelsShareWhatIsThere() {
    InnerLimit limit = new InnerLimit(2);
    HbonePool pool = limited(8, limit);
    List<Opened> all = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      all.add(open(pool));
    }
    all.forEach(this::exchange);
    assertEquals(2, gateway.connects().size());
    assertEquals(2, limit.open());
  }

  @Test
  void atTheLimitNothingIsClosedToHaveMoreThanAreNeeded() {
    HbonePool pool = limited(8, new InnerLimit(2));
    for (int i = 0; i < 20; i++) {
      exchange(open(pool));
    }
    assertEquals(2, gateway.connects().size());
  }

  @Test
  void whoFindsAllConnectionsFullIsToldWhenNoOtherCanBeMade() {
    HboneSettings single = TestSettings.pool(1, LONG, Duration.ofSeconds(5));
    HbonePool pool = mesh.pool(clientTls, TestSettings.nested(single, 1, LONG));
    Opened lasting = open(pool);
    addresses.replaceAll(_ -> new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
    assertInstanceOf(HboneFailure.OuterFailed.class, open(pool).failure());
    assertEquals(2, gateway.connects().size(), "asked once for it");
    exchange(lasting);
    exchange(open(pool));
  }

  @Test
  void atTheLimitIdleConnectionsOfAnotherPoolMakeRoom() {
    InnerLimit limit = new InnerLimit(1);
    exchange(open(limited(8, limit)));
    exchange(open(limited(8, limit)));
    assertEquals(2, gateway.connects().size());
    assertEquals(1, limit.open());
  }

  @Test
  void atTheLimitACallWhoseEndIsNotFlushedYetIsNotCut() {
    HbonePool pool = limited(1, new InnerLimit(1));
    Opened ending = open(pool);
    RecordingListener server = backends.getFirst().connections.getFirst().tunnels.getFirst();
    mesh.run(() -> server.tunnel().shutdownOutput());
    mesh.await("the server's end", () -> ending.listener.events.contains("end"));
    NestedPeer elsewhere =
        new NestedPeer(peer.gateway(), peer.acceptedIdentities(), "other.shop:80");
    Opened next = new Opened();
    mesh.run(
        () -> {
          ending.tunnel().shutdownOutput();
          PendingTunnel _ = pool.openNested(elsewhere, OUTER, OUTER, next);
        });
    awaitAnswers(List.of(next));
    assertEquals(List.of("end", "finished"), ending.listener.events);
    mesh.await("the end of the call at the server", server::isOver);
    mesh.run(() -> assertEquals(List.of("finished"), server.events));
    exchange(next);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 8})
  void atTheLimitAndNothingIdleARequestFailsAndSaysWhy(int connections) {
    InnerLimit limit = new InnerLimit(1);
    Opened lasting = open(limited(connections, limit));
    HbonePool other = limited(connections, limit);
    assertEquals(new HboneFailure.InnerLimitReached(1), open(other).failure());
    exchange(lasting);
    mesh.await("room", () -> limit.open() == 0 || connections > 0);
    exchange(open(other));
  }

  @Test
  void whatWasTakenOfTheLimitIsGivenBack() {
    InnerLimit limit = new InnerLimit(10);
    HbonePool pool = limited(3, limit);
    exchange(open(pool));
    mesh.run(pool::close);
    mesh.await("given back", () -> limit.open() == 0);
    addresses.replaceAll(_ -> new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
    assertInstanceOf(HboneFailure.OuterFailed.class, open(limited(3, limit)).failure());
    mesh.await("given back", () -> limit.open() == 0);
  }
}
