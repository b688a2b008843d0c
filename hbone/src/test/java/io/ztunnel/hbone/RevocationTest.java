package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.net.InetSocketAddress;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What revoked certificates and replaced roots mean for handshakes and for open connections. */
class RevocationTest {
  private final Loopback mesh = new Loopback();
  private final TestPki root = TestPki.root("root");
  private final TestPki issuer = root.intermediate("upper");
  private final KeyMaterial clientKey = issuer.workload(Loopback.CLIENT);
  private final KeyMaterial serverKey = issuer.workload(Loopback.SERVER);

  private final Set<X509Certificate> revoked = ConcurrentHashMap.newKeySet();
  private final Revocations revocations =
      (chain, _) -> chain.stream().filter(revoked::contains).findFirst().orElse(null);
  private final TrustRoots roots = new TrustRoots(List.of(root.rootCertificate()));
  private final PeerTrust watchful = new PeerTrust(roots, revocations);

  private final RecordingObserver clientSide = new RecordingObserver();
  private final RecordingObserver serverSide = new RecordingObserver();
  private final EchoHandler handler = new EchoHandler();
  private final List<HboneServerConnection> served = new ArrayList<>();
  private final List<AutoCloseable> contexts = new ArrayList<>();

  @AfterEach
  void stop() throws Exception {
    mesh.close();
    for (AutoCloseable context : contexts) {
      context.close();
    }
  }

  private static TlsSettings tls(TlsSettings.Provider provider) {
    return new TlsSettings(provider, false, false);
  }

  private InetSocketAddress serve(PeerTrust trust, TlsSettings settings) {
    ServerTls tls = ServerTls.create(serverKey, trust, settings);
    contexts.add(tls);
    return mesh.listen(
        channel ->
            served.add(
                HboneServer.serve(
                    channel,
                    mesh.loop().newSucceededFuture(tls),
                    HboneSettings.defaults(),
                    handler,
                    serverSide)));
  }

  private HbonePool pool(PeerTrust trust, TlsSettings settings) {
    ClientTls tls = ClientTls.create(clientKey, trust, settings);
    contexts.add(tls);
    return mesh.pool(mesh.connector(tls), HboneSettings.defaults(), clientSide);
  }

  private PeerTrust careless() {
    return PeerTrust.in(List.of(root.rootCertificate()));
  }

  private static String serial(X509Certificate certificate) {
    return "serial %s of %s"
        .formatted(
            certificate.getSerialNumber().toString(16),
            certificate.getIssuerX500Principal().getName());
  }

  private static long count(RecordingObserver observer, String event) {
    return observer.events.stream().filter(event::equals).count();
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aServerWithARevokedLeafIsRefusedByAlert(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(careless(), tls(provider));
    revoked.add(serverKey.leaf());
    Opened opened = mesh.open(pool(watchful, tls(provider)), Loopback.key(address, "uid"));
    assertEquals(new HboneFailure.PeerRevoked(address, serial(serverKey.leaf())), opened.failure());
    mesh.await("the server's word", () -> !handler.events.isEmpty());
    assertEquals("peer sent TLS alert: certificate_revoked", mesh.call(handler.events::getFirst));
    assertEquals(1, count(clientSide, "CLIENT peer revoked"));
  }

  @Test
  void aServerBelowARevokedIntermediateIsRefused() {
    InetSocketAddress address = serve(careless(), TlsSettings.defaults());
    revoked.add(issuer.certificate());
    Opened opened = mesh.open(pool(watchful, TlsSettings.defaults()), Loopback.key(address, "uid"));
    assertEquals(
        "peer certificate revoked: " + serial(issuer.certificate()), opened.failure().message());
  }

  @ParameterizedTest
  @EnumSource(TlsSettings.Provider.class)
  void aClientWithARevokedLeafIsRefusedByAlert(TlsSettings.Provider provider) {
    InetSocketAddress address = serve(watchful, tls(provider));
    revoked.add(clientKey.leaf());
    Opened opened = mesh.open(pool(careless(), tls(provider)), Loopback.key(address, "uid"));
    String alert =
        switch (provider) {
          case BORINGSSL -> "certificate_revoked";
          case JDK -> "certificate_unknown"; // its servers have one alert for all
        };
    assertEquals("peer sent TLS alert: " + alert, opened.failure().message());
    mesh.await("the server's word", () -> !handler.events.isEmpty());
    assertEquals(
        "peer certificate revoked: " + serial(clientKey.leaf()),
        mesh.call(handler.events::getFirst));
    assertEquals(1, count(serverSide, "SERVER peer revoked"));
  }

  @Test
  void aPoolEndsTheOpenConnectionsOfRevokedServersOnly() {
    InetSocketAddress address = serve(careless(), TlsSettings.defaults());
    HbonePool pool = pool(watchful, TlsSettings.defaults());
    Opened opened = mesh.open(pool, Loopback.key(address, "uid"));
    revoked.add(clientKey.leaf());
    mesh.run(pool::closeRevoked);
    assertEquals(List.of(), mesh.call(() -> List.copyOf(opened.listener.events)));
    revoked.add(serverKey.leaf());
    mesh.run(pool::closeRevoked);
    assertEquals(
        List.of("PeerRevoked[certificate=" + serial(serverKey.leaf()) + "]"),
        mesh.call(() -> List.copyOf(opened.listener.events)));
    assertEquals(0, mesh.call(pool::connections));
    mesh.run(pool::closeRevoked);
    assertEquals(1, count(clientSide, "CLIENT peer revoked"));
    assertInstanceOf(
        HboneFailure.PeerRevoked.class, mesh.open(pool, Loopback.key(address, "uid")).failure());
  }

  @Test
  void aServerEndsTheOpenConnectionOfARevokedClient() {
    InetSocketAddress address = serve(watchful, TlsSettings.defaults());
    Opened opened =
        mesh.open(pool(careless(), TlsSettings.defaults()), Loopback.key(address, "uid"));
    mesh.run(() -> served.getFirst().closeIfRevoked());
    assertEquals(List.of("established"), mesh.call(() -> List.copyOf(handler.events)));
    revoked.add(clientKey.leaf());
    mesh.run(() -> served.getFirst().closeIfRevoked());
    mesh.await("the client loses it", () -> opened.listener.isOver());
    mesh.await("the server's end", () -> handler.events.contains("closed"));
    assertEquals(1, count(serverSide, "SERVER peer revoked"));
    assertEquals(
        List.of("established", "closed"),
        mesh.call(() -> List.copyOf(handler.events)),
        "an end by the owner is no failed handshake");
  }

  @Test
  void aConnectionVerifiedJustBeforeTheRevocationDoesNotSlipThrough() {
    // The first look, at the handshake, sees nothing; the second, once it stands, does.
    List<List<X509Certificate>> looks = new ArrayList<>();
    Revocations later =
        (chain, _) -> {
          looks.add(chain);
          return looks.size() > 1 ? chain.getFirst() : null;
        };
    InetSocketAddress address = serve(careless(), TlsSettings.defaults());
    Opened opened =
        mesh.open(
            pool(new PeerTrust(roots, later), TlsSettings.defaults()),
            Loopback.key(address, "uid"));
    assertInstanceOf(HboneFailure.PeerRevoked.class, opened.failure());
    assertEquals(1, count(clientSide, "CLIENT peer revoked"));
  }

  @Test
  void aPeerOfARootThatIsNoMoreIsEndedByTheListOfThatRoot() {
    // As a list does: without its issuer it says nothing.
    Revocations byRoot =
        (chain, known) ->
            known.contains(root.rootCertificate())
                ? chain.stream().filter(revoked::contains).findFirst().orElse(null)
                : null;
    PeerTrust trust = new PeerTrust(roots, byRoot);
    InetSocketAddress address = serve(trust, TlsSettings.defaults());
    HbonePool pool = pool(trust, TlsSettings.defaults());
    Opened opened = mesh.open(pool, Loopback.key(address, "uid"));
    roots.replace(List.of(TestPki.root("next").rootCertificate()));
    mesh.run(() -> served.getFirst().closeIfRevoked());
    mesh.run(pool::closeRevoked);
    assertEquals(List.of(), mesh.call(() -> List.copyOf(opened.listener.events)));
    revoked.add(serverKey.leaf());
    mesh.run(pool::closeRevoked);
    assertEquals(1, count(clientSide, "CLIENT peer revoked"));
    assertEquals(0, mesh.call(pool::connections));
  }

  @Test
  void aClientOfARootThatIsNoMoreIsEndedByTheListOfThatRoot() {
    Revocations byRoot =
        (chain, known) ->
            known.contains(root.rootCertificate()) && chain.stream().anyMatch(revoked::contains)
                ? chain.getFirst()
                : null;
    InetSocketAddress address = serve(new PeerTrust(roots, byRoot), TlsSettings.defaults());
    Opened opened =
        mesh.open(pool(careless(), TlsSettings.defaults()), Loopback.key(address, "uid"));
    roots.replace(List.of(TestPki.root("next").rootCertificate()));
    revoked.add(issuer.certificate());
    mesh.run(() -> served.getFirst().closeIfRevoked());
    mesh.await("the client loses it", () -> opened.listener.isOver());
    assertEquals(1, count(serverSide, "SERVER peer revoked"));
  }

  @Test
  void replacedRootsCountFromTheNextHandshakeOn() {
    TestPki next = TestPki.root("next");
    InetSocketAddress address = serve(careless(), TlsSettings.defaults());
    HbonePool pool = pool(watchful, TlsSettings.defaults());
    Opened before = mesh.open(pool, Loopback.key(address, "a"));
    roots.replace(List.of(next.rootCertificate()));
    assertEquals(
        "peer certificate signed by an unknown root",
        mesh.open(pool, Loopback.key(address, "b")).failure().message());
    roots.replace(List.of(next.rootCertificate(), root.rootCertificate()));
    assertNull(mesh.open(pool, Loopback.key(address, "c")).failure);
    assertEquals(
        List.of(), mesh.call(() -> List.copyOf(before.listener.events)), "open ones go on");
  }
}
