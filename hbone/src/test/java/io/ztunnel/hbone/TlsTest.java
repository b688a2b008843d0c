package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.net.InetSocketAddress;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import javax.net.ssl.SSLSessionContext;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class TlsTest {
  private static final TlsSettings.Provider BORINGSSL = TlsSettings.Provider.BORINGSSL;
  private static final TlsSettings.Provider JDK = TlsSettings.Provider.JDK;
  private static final String OTHER = "spiffe://cluster.local/ns/default/sa/other";

  private final Loopback mesh = new Loopback();
  private final TestPki pki = TestPki.root("root");
  private final List<EchoHandler> servers = new ArrayList<>();

  @AfterEach
  void stop() {
    mesh.close();
  }

  private static TlsSettings tls(TlsSettings.Provider provider) {
    return new TlsSettings(provider, false, false);
  }

  private InetSocketAddress serve(KeyMaterial server, TlsSettings settings) {
    return mesh.serve(
        mesh.serverTls(server, settings),
        HboneSettings.defaults(),
        () -> {
          EchoHandler handler = new EchoHandler();
          servers.add(handler);
          return handler;
        });
  }

  private Opened open(
      InetSocketAddress address, KeyMaterial client, TlsSettings settings, String... accepted) {
    HbonePool pool = mesh.pool(mesh.clientTls(client, settings), HboneSettings.defaults());
    PeerKey key = new PeerKey(Loopback.CLIENT, List.of(accepted), address, null, "uid");
    return mesh.open(pool, key);
  }

  /** The first line that the server's owner heard. */
  private String serverHeard() {
    mesh.await(
        "the server's word", () -> !servers.isEmpty() && !servers.getFirst().events.isEmpty());
    return mesh.call(() -> servers.getFirst().events.getFirst());
  }

  static Stream<Arguments> pairs() {
    return Stream.of(
        Arguments.of(BORINGSSL, BORINGSSL),
        Arguments.of(BORINGSSL, JDK),
        Arguments.of(JDK, BORINGSSL),
        Arguments.of(JDK, JDK));
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void providersSpeakToEachOther(TlsSettings.Provider client, TlsSettings.Provider server) {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(server));
    Opened opened = open(address, pki.workload(Loopback.CLIENT), tls(client), Loopback.SERVER);
    assertNull(opened.failure);
    assertEquals(List.of(Loopback.SERVER), opened.peer().uriSans());
    assertEquals(List.of(Loopback.CLIENT), servers.getFirst().peer().uriSans());
    assertEquals("client", servers.getFirst().peer().identity().orElseThrow().serviceAccount());
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void theWrongServerIsNamed(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(pki.workload(OTHER), tls(provider));
    Opened opened =
        open(address, pki.workload(Loopback.CLIENT), tls(provider), Loopback.SERVER, "spiffe://x");
    HboneFailure.WrongPeer wrong = assertInstanceOf(HboneFailure.WrongPeer.class, opened.failure());
    assertEquals(List.of(Loopback.SERVER, "spiffe://x"), wrong.expected());
    assertEquals(List.of(OTHER), wrong.presented());
    assertEquals(
        "identity verification error: peer did not present the expected SAN ("
            + Loopback.SERVER
            + ",spiffe://x), got "
            + OTHER,
        wrong.message());
    assertTrue(serverHeard().startsWith("peer sent TLS alert: "), this::serverHeard);
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void anEmptyExpectationAcceptsNobody(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(provider));
    Opened opened = open(address, pki.workload(Loopback.CLIENT), tls(provider));
    assertInstanceOf(HboneFailure.WrongPeer.class, opened.failure());
  }

  @Test
  void anyOfTheServersSansMayMatchButOnlySpiffeOnes() {
    KeyMaterial several =
        pki.leaf("https://example.com", OTHER, Loopback.SERVER).dnsSan("example.com").material();
    InetSocketAddress address = serve(several, tls(BORINGSSL));
    KeyMaterial client = pki.workload(Loopback.CLIENT);
    assertNull(open(address, client, tls(BORINGSSL), Loopback.SERVER).failure);
    assertInstanceOf(
        HboneFailure.WrongPeer.class,
        open(address, client, tls(BORINGSSL), "https://example.com", "example.com").failure());
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aServerOfAnotherRootIsNotTrusted(TlsSettings.Provider provider) {
    InetSocketAddress address =
        serve(TestPki.root("foreign").workload(Loopback.SERVER), tls(provider));
    Opened opened = open(address, pki.workload(Loopback.CLIENT), tls(provider), Loopback.SERVER);
    assertEquals("peer certificate signed by an unknown root", opened.failure().message());
    assertInstanceOf(HboneFailure.TlsFailed.class, opened.failure());
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void anExpiredServerIsNamedWithItsDate(TlsSettings.Provider provider) {
    Instant end = Instant.now().minus(Duration.ofDays(2));
    KeyMaterial expired =
        pki.leaf(Loopback.SERVER).valid(end.minus(Duration.ofDays(1)), end).material();
    InetSocketAddress address = serve(expired, tls(provider));
    Opened opened = open(address, pki.workload(Loopback.CLIENT), tls(provider), Loopback.SERVER);
    String message = opened.failure().message();
    assertTrue(message.startsWith("peer certificate expired: NotAfter: "), message);
    assertTrue(serverHeard().contains("alert"), this::serverHeard);
  }

  @Test
  void aServerNotYetValidIsNamed() {
    Instant begin = Instant.now().plus(Duration.ofDays(2));
    KeyMaterial early =
        pki.leaf(Loopback.SERVER).valid(begin, begin.plus(Duration.ofDays(1))).material();
    InetSocketAddress address = serve(early, tls(BORINGSSL));
    Opened opened = open(address, pki.workload(Loopback.CLIENT), tls(BORINGSSL), Loopback.SERVER);
    String message = opened.failure().message();
    assertTrue(message.startsWith("peer certificate not yet valid: NotBefore: "), message);
  }

  @Test
  void extendedKeyUsagesCountWhenThereAreAny() {
    KeyMaterial client = pki.workload(Loopback.CLIENT);
    KeyMaterial clientOnly =
        pki.leaf(Loopback.SERVER).purposes(KeyPurposeId.id_kp_clientAuth).material();
    Opened refused =
        open(serve(clientOnly, tls(BORINGSSL)), client, tls(BORINGSSL), Loopback.SERVER);
    assertTrue(
        refused.failure().message().contains("key usage"), () -> refused.failure().message());
    KeyMaterial none = pki.leaf(Loopback.SERVER).purposes().material();
    assertNull(open(serve(none, tls(BORINGSSL)), client, tls(BORINGSSL), Loopback.SERVER).failure);
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void chainsWithIntermediatesAndSeveralRootsWork(
      TlsSettings.Provider client, TlsSettings.Provider server) {
    TestPki second = TestPki.root("second");
    TestPki issuer = second.intermediate("upper").intermediate("lower");
    KeyMaterial serverKey =
        issuer
            .leaf(Loopback.SERVER)
            .trusting(pki.rootCertificate(), second.rootCertificate())
            .material();
    assertEquals(3, serverKey.chain().size());
    KeyMaterial clientKey =
        pki.leaf(Loopback.CLIENT)
            .trusting(second.rootCertificate(), pki.rootCertificate())
            .material();
    InetSocketAddress address = serve(serverKey, tls(server));
    assertNull(open(address, clientKey, tls(client), Loopback.SERVER).failure);
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aClientOfAnotherTrustDomainIsRefusedByAlert(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(provider));
    String foreign = "spiffe://other.domain/ns/default/sa/client";
    Opened opened = open(address, pki.workload(foreign), tls(provider), Loopback.SERVER);
    assertEquals(
        "identity verification error: peer did not present the expected trustdomain"
            + " (cluster.local), got "
            + foreign,
        serverHeard());
    assertInstanceOf(HboneFailure.TlsFailed.class, opened.failure());
    assertEquals("peer sent TLS alert: certificate_unknown", opened.failure().message());
    mesh.await("the end", () -> servers.getFirst().events.contains("closed"));
    assertFalse(servers.getFirst().events.contains("established"));
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aClientOfATrustDomainThatIsAnAliasIsTakenIfItsRootIsKnown(TlsSettings.Provider provider) {
    TestPki second = TestPki.root("second");
    KeyMaterial serverKey =
        pki.leaf(Loopback.SERVER)
            .trusting(pki.rootCertificate(), second.rootCertificate())
            .material();
    TlsSettings aliased = new TlsSettings(provider, false, false, Set.of("other.domain"));
    InetSocketAddress address = serve(serverKey, aliased);
    for (String domain : List.of("other.domain", "third.domain")) {
      KeyMaterial clientKey =
          second
              .leaf("spiffe://" + domain + "/ns/default/sa/client")
              .trusting(pki.rootCertificate())
              .material();
      Opened opened = open(address, clientKey, tls(provider), Loopback.SERVER);
      assertEquals(domain.equals("other.domain"), opened.failure == null, domain);
    }
  }

  private static final String FOREIGN = "spiffe://other.domain/ns/default/sa/peer";

  /** Both roots speak for all trust domains, but for one that has a root of its own. */
  private PeerTrust withRootsOf(TrustRoots other, TestPki second) {
    List<X509Certificate> both = List.of(pki.rootCertificate(), second.rootCertificate());
    return new PeerTrust(new TrustRoots(both), Map.of("other.domain", other), Revocations.NONE);
  }

  private static TrustRoots only(TestPki pki) {
    return new TrustRoots(List.of(pki.rootCertificate()));
  }

  /** How a server with this certificate fares that may have either identity. */
  private Opened openTrusting(PeerTrust trust, TlsSettings.Provider provider, KeyMaterial shown) {
    TlsSettings settings = new TlsSettings(provider, false, false, Set.of("cluster.local"));
    ClientTls client = ClientTls.create(pki.workload(Loopback.CLIENT), trust, settings);
    try {
      PeerKey key =
          new PeerKey(
              Loopback.CLIENT,
              List.of(Loopback.SERVER, FOREIGN),
              serve(shown, settings),
              null,
              "uid");
      return mesh.open(mesh.pool(client, HboneSettings.defaults()), key);
    } finally {
      client.close();
    }
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aTrustDomainWithRootsOfItsOwnIsSpokenForByNoOther(TlsSettings.Provider provider) {
    TestPki second = TestPki.root("second");
    PeerTrust trust = withRootsOf(only(second), second);
    KeyMaterial right = second.leaf(FOREIGN).trusting(pki.rootCertificate()).material();
    assertNull(openTrusting(trust, provider, right).failure);
    String unknown = "peer certificate signed by an unknown root";
    KeyMaterial ours = pki.workload(FOREIGN);
    assertEquals(unknown, openTrusting(trust, provider, ours).failure().message());
    KeyMaterial both =
        second.leaf(Loopback.SERVER, FOREIGN).trusting(pki.rootCertificate()).material();
    assertNull(openTrusting(trust, provider, both).failure, "each name has a root");
    KeyMaterial half = pki.leaf(Loopback.SERVER, FOREIGN).material();
    assertEquals(unknown, openTrusting(trust, provider, half).failure().message());
    assertNull(openTrusting(trust, provider, pki.workload(Loopback.SERVER)).failure);
  }

  @Test
  void aTrustDomainWhoseRootsAreNotThereYetIsNotBelieved() {
    PeerTrust trust = withRootsOf(TrustRoots.none(), TestPki.root("second"));
    assertEquals(
        "no root of the peer's trust domain is known yet",
        openTrusting(trust, BORINGSSL, pki.workload(FOREIGN)).failure().message());
    assertNull(openTrusting(trust, BORINGSSL, pki.workload(Loopback.SERVER)).failure);
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void clientsOfATrustDomainWithRootsOfItsOwnMustLeadToThem(TlsSettings.Provider provider) {
    TestPki second = TestPki.root("second");
    TlsSettings aliased = new TlsSettings(provider, false, false, Set.of("other.domain"));
    ServerTls server =
        ServerTls.create(pki.workload(Loopback.SERVER), withRootsOf(only(second), second), aliased);
    try {
      InetSocketAddress address = mesh.serve(server, HboneSettings.defaults(), EchoHandler::new);
      KeyMaterial right = second.leaf(FOREIGN).trusting(pki.rootCertificate()).material();
      assertNull(open(address, right, tls(provider), Loopback.SERVER).failure);
      KeyMaterial wrong = pki.workload(FOREIGN);
      String refusal = open(address, wrong, tls(provider), Loopback.SERVER).failure().message();
      assertTrue(refusal.startsWith("peer sent TLS alert: "), refusal);
    } finally {
      server.close();
    }
  }

  @Test
  void aServerWithoutIdentityTakesClientsOfAnyTrustDomain() {
    KeyMaterial nameless = pki.leaf().dnsSan("example.com").material();
    InetSocketAddress address = serve(nameless, tls(BORINGSSL));
    Opened opened =
        open(address, pki.workload("spiffe://a/ns/b/sa/c"), tls(BORINGSSL), Loopback.SERVER);
    // The client does not accept it; the server would have.
    assertInstanceOf(HboneFailure.WrongPeer.class, opened.failure());
    assertTrue(serverHeard().contains("alert"), this::serverHeard);
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aClientOfAnotherRootIsRefused(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(provider));
    KeyMaterial foreign =
        TestPki.root("foreign").leaf(Loopback.CLIENT).trusting(pki.rootCertificate()).material();
    Opened opened = open(address, foreign, tls(provider), Loopback.SERVER);
    assertEquals("peer certificate signed by an unknown root", serverHeard());
    assertTrue(
        opened.failure().message().startsWith("peer sent TLS alert: "),
        () -> opened.failure().message());
  }

  @Test
  void anExpiredClientIsRefused() {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(BORINGSSL));
    Instant end = Instant.now().minus(Duration.ofDays(2));
    KeyMaterial expired =
        pki.leaf(Loopback.CLIENT).valid(end.minus(Duration.ofDays(1)), end).material();
    Opened opened = open(address, expired, tls(BORINGSSL), Loopback.SERVER);
    assertEquals("peer sent TLS alert: certificate_expired", opened.failure().message());
    assertTrue(serverHeard().startsWith("peer certificate expired: NotAfter: "));
  }

  @Test
  void connectionsOutliveTheirCertificatesContext() {
    ServerTls server = mesh.serverTls(pki.workload(Loopback.SERVER));
    InetSocketAddress address = mesh.serve(server, HboneSettings.defaults(), EchoHandler::new);
    ClientTls client = mesh.clientTls(pki.workload(Loopback.CLIENT));
    HbonePool pool = mesh.pool(client, HboneSettings.defaults());
    PeerKey key = Loopback.key(address, "uid");
    assertNull(mesh.open(pool, key).failure);
    server.close();
    client.close();
    assertNull(mesh.open(pool, key).failure, "the connection goes on");
    Opened another = mesh.open(pool, Loopback.key(address, "another"));
    assertInstanceOf(HboneFailure.IdentityUnavailable.class, another.failure());
  }

  @Test
  void ofVeryManyProtocolsTheFirstAreTold() {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(BORINGSSL));
    String[] names = new String[250];
    Arrays.setAll(names, i -> "protocol-" + i);
    RawTls many = RawTls.of(mesh, pki.workload(Loopback.CLIENT), "TLSv1.3", names).connect(address);
    assertTrue(many.failure().contains("no_application_protocol"), many::failure);
    mesh.await("the reason", () -> !servers.getLast().events.isEmpty());
    String told = mesh.call(() -> servers.getLast().events.getFirst());
    assertTrue(told.startsWith("client offers ALPN [protocol-0, protocol-1, "), told);
    assertTrue(told.length() < 260, told);
  }

  @Test
  void tls12IsSpokenOnlyWhenAsked() {
    TlsSettings both = new TlsSettings(BORINGSSL, true, false);
    KeyMaterial client = pki.workload(Loopback.CLIENT);
    InetSocketAddress modern = serve(pki.workload(Loopback.SERVER), tls(BORINGSSL));
    assertEquals("TLSv1.3", RawTls.of(mesh, client, "TLSv1.3", "h2").connect(modern).protocol());
    assertNotEquals("", RawTls.of(mesh, client, "TLSv1.2", "h2").connect(modern).failure());
    InetSocketAddress lenient = serve(pki.workload(Loopback.SERVER), both);
    assertEquals("TLSv1.2", RawTls.of(mesh, client, "TLSv1.2", "h2").connect(lenient).protocol());
    assertEquals("TLSv1.3", RawTls.of(mesh, client, "TLSv1.3", "h2").connect(lenient).protocol());
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void clientsMayOfferNoProtocolButNotOnlyOthers(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(provider));
    KeyMaterial client = pki.workload(Loopback.CLIENT);
    RawTls none = RawTls.of(mesh, client, "TLSv1.3").connect(address);
    assertEquals("", none.failure());
    assertEquals("", none.application());
    RawTls both = RawTls.of(mesh, client, "TLSv1.3", "http/1.1", "h2").connect(address);
    assertEquals("h2", both.application());
    RawTls other = RawTls.of(mesh, client, "TLSv1.3", "http/1.1").connect(address);
    assertTrue(other.failure().contains("no_application_protocol"), other::failure);
    mesh.await(
        "the reason",
        () -> servers.getLast().events.contains("client offers ALPN [http/1.1] (expected: h2)"));
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aClientWithoutCertificateIsRefused(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), tls(provider));
    RawTls.of(mesh, null, "TLSv1.3", "h2").connect(address);
    assertEquals("peer presented no certificate", serverHeard());
  }

  @ParameterizedTest
  @CsvSource({"BORINGSSL, TLSv1.3", "BORINGSSL, TLSv1.2", "JDK, TLSv1.3", "JDK, TLSv1.2"})
  void sessionsAreNeverResumed(TlsSettings.Provider provider, String version) {
    InetSocketAddress address =
        serve(pki.workload(Loopback.SERVER), new TlsSettings(provider, true, false));
    RawTls client = RawTls.of(mesh, pki.workload(Loopback.CLIENT), version, "h2");
    client.connect(address).readAWhile();
    client.connect(address).readAWhile();
    assertEquals(0, client.resumptions(), "full handshakes only");
    mesh.await(
        "two clients",
        () ->
            servers.size() == 2
                && servers.stream().allMatch(s -> s.events.contains("established")));
  }

  /** A server's tickets are of no use to a client that makes a full handshake each time. */
  @ParameterizedTest
  @CsvSource({"BORINGSSL, 0", "JDK, 1"})
  void sessionsAreNotGathered(TlsSettings.Provider provider, int most) throws Exception {
    SslContext server =
        SslContextBuilder.forServer(new OwnKey(pki.workload(Loopback.SERVER)))
            .sslProvider(SslProvider.JDK)
            .trustManager(InsecureTrustManagerFactory.INSTANCE)
            .clientAuth(ClientAuth.REQUIRE)
            .build();
    InetSocketAddress address =
        mesh.listen(
            channel -> {
              channel.pipeline().addLast(server.newHandler(channel.alloc()), new SpeaksFirst());
              return channel.config().setAutoRead(true);
            });
    ClientTls tls = mesh.clientTls(pki.workload(Loopback.CLIENT), tls(provider));
    for (int i = 0; i < 2; i++) {
      SslHandler handler = tls.newHandler(PooledByteBufAllocator.DEFAULT, List.of(Loopback.SERVER));
      Listens listens = new Listens(handler);
      Channel channel = mesh.connect(address, listens);
      mesh.await("what comes after the tickets", () -> listens.heard);
      SSLSessionContext sessions = handler.engine().getSession().getSessionContext();
      List<byte[]> kept = Collections.list(sessions.getIds());
      channel.close().awaitUninterruptibly();
      assertTrue(kept.size() <= most, () -> kept.size() + " sessions kept");
    }
  }

  /** A server that says something as soon as it may. */
  private static final class SpeaksFirst extends ChannelInboundHandlerAdapter {
    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event instanceof SslHandshakeCompletionEvent) {
        ctx.writeAndFlush(Unpooled.wrappedBuffer(new byte[1]), ctx.voidPromise());
      }
      ctx.fireUserEventTriggered(event);
    }
  }

  /** Confined to its loop, but for the answer. */
  private static final class Listens extends SimpleChannelInboundHandler<ByteBuf> {
    private final SslHandler tls;
    private volatile boolean heard;

    Listens(SslHandler tls) {
      this.tls = tls;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      ctx.pipeline().addFirst(tls);
    }

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, ByteBuf bytes) {
      heard = true;
    }
  }

  @Test
  void postQuantumOnlyNeedsBoringSsl() {
    TlsSettings pqc = new TlsSettings(BORINGSSL, false, true);
    InetSocketAddress address = serve(pki.workload(Loopback.SERVER), pqc);
    KeyMaterial client = pki.workload(Loopback.CLIENT);
    assertNull(open(address, client, pqc, Loopback.SERVER).failure);
    assertNull(
        open(address, client, tls(BORINGSSL), Loopback.SERVER).failure,
        "the others offer it, too, if last");
    // A JDK without it has nothing in common.
    assertInstanceOf(
        HboneFailure.TlsFailed.class, open(address, client, tls(JDK), Loopback.SERVER).failure());
    assertThrows(IllegalArgumentException.class, () -> new TlsSettings(JDK, false, true));
  }
}
