package io.ztunnel.identity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.util.concurrent.Future;
import io.ztunnel.Await;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.xds.ControlPlane;
import io.ztunnel.xds.ControlPlaneChannels;
import io.ztunnel.xds.RootSource;
import io.ztunnel.xds.TlsPolicy;
import io.ztunnel.xds.TokenSource;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The client against a CA that speaks real gRPC over real TLS. */
class CaClientTest {
  private static final SpiffeId WEB = new SpiffeId("cluster.local", "shop", "web");
  private static final SpiffeId DB = new SpiffeId("cluster.local", "shop", "db");
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private final TestPki tls = TestPki.root("control plane");
  private final TestPki authority = TestPki.root("mesh").intermediate("istiod");
  private final FileWatch watch = new FileWatch();
  private final ControlPlaneChannels channels = new ControlPlaneChannels();
  private final List<CaClient> clients = new ArrayList<>();
  private CaServer server;
  @TempDir private Path directory;

  @BeforeEach
  void startServer() throws IOException {
    server = CaServer.start(tls, authority, 0, NioServerSocketChannel::new);
  }

  @AfterEach
  void stop() {
    clients.forEach(CaClient::close);
    server.close();
    channels.close();
    watch.close();
  }

  private CaClient client(
      RootSource roots, TokenSource token, CaSettings.Subject subject, Duration timeout)
      throws IOException {
    CaSettings settings =
        new CaSettings(
            new ControlPlane(
                URI.create(server.address()),
                roots,
                null,
                TlsPolicy.defaults(),
                token,
                "cluster-1",
                Map.of("x-extra", "more")),
            Duration.ofHours(24),
            subject,
            timeout);
    CaClient client = CaClient.open(channels, settings, watch, Clock.systemUTC());
    clients.add(client);
    return client;
  }

  private CaClient client() throws IOException {
    return client(pem(tls), new TokenSource.Token("token"), CaSettings.Subject.WORKLOADS, TIMEOUT);
  }

  private static RootSource pem(TestPki pki) {
    return new RootSource.Pem(TestPki.pem(List.of(pki.rootCertificate())));
  }

  private static KeyMaterial signed(CaClient client, SpiffeId identity) throws Exception {
    Future<KeyMaterial> signed = client.sign(identity);
    assertTrue(signed.await(20, TimeUnit.SECONDS), "no answer");
    assertTrue(signed.isSuccess(), () -> String.valueOf(signed.cause()));
    return signed.getNow();
  }

  private static String refusal(CaClient client, SpiffeId identity) throws Exception {
    Future<KeyMaterial> signed = client.sign(identity);
    assertTrue(signed.await(20, TimeUnit.SECONDS), "no answer");
    assertNotNull(signed.cause(), "signed");
    return String.valueOf(signed.cause().getMessage());
  }

  @Test
  void aWorkloadIsImpersonatedWithTokenClusterAndHeaders() throws Exception {
    KeyMaterial material = signed(client(), WEB);
    assertEquals(2, material.chain().size());
    assertEquals(authority.certificate(), material.chain().getLast());
    assertEquals(List.of(authority.rootCertificate()), material.roots());
    assertTrue(CertificateFiles.belongTogether(material.key(), material.leaf()));
    CaServer.Call call = server.calls().getFirst();
    assertEquals(WEB.toString(), call.identity());
    assertEquals("Bearer token", call.token());
    assertEquals("cluster-1", call.cluster());
    assertEquals("more", call.headers().get("x-extra"));
    assertEquals(86_400, call.asked().validitySeconds());
  }

  @Test
  void whoAsksForItselfImpersonatesNobodyAndTakesWhatItIsGiven() throws Exception {
    server.callerIs("spiffe://cluster.local/ns/shop/sa/as-the-token-says");
    CaClient client =
        client(pem(tls), new TokenSource.Token("token"), CaSettings.Subject.CALLER, TIMEOUT);
    KeyMaterial material = signed(client, WEB);
    assertEquals(
        "spiffe://cluster.local/ns/shop/sa/as-the-token-says",
        SignedChain.firstUri(material.leaf()).orElseThrow());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          REFUSED     | signing gRPC error (The request does not have valid authentication credentials): request impersonation authentication failure
          WRONG_SAN   | did not find expected SAN: spiffe://cluster.local/ns/shop/sa/web-not
          EXPIRED     | the certificate expired at
          EMPTY_CHAIN | chain returned from CA is empty
          LEAF_ONLY   | no root certificate present
          GARBAGE     | no root certificate present
          """)
  void whatIsWrongWithOneIdentityIsToldAndOthersGoOn(CaServer.Fault fault, String expected)
      throws Exception {
    server.fail(WEB.toString(), fault);
    CaClient client = client();
    String refusal = refusal(client, WEB);
    assertTrue(refusal.startsWith(expected), refusal);
    assertNotNull(signed(client, DB));
    server.mend(WEB.toString());
    assertNotNull(signed(client, WEB));
  }

  @Test
  void aCaThatIsSilentIsGivenUpInTime() throws Exception {
    server.fail(WEB.toString(), CaServer.Fault.SILENCE);
    CaClient client =
        client(
            pem(tls),
            new TokenSource.Token("token"),
            CaSettings.Subject.WORKLOADS,
            Duration.ofMillis(700));
    String refusal = refusal(client, WEB);
    assertTrue(
        refusal.startsWith(
            "signing gRPC error (Deadline expired before operation could complete): "),
        refusal);
  }

  @Test
  void callsDoNotWaitForEachOther() throws Exception {
    server.hold();
    CaClient client = client();
    Future<KeyMaterial> web = client.sign(WEB);
    Future<KeyMaterial> db = client.sign(DB);
    Await.until("both calls at once", () -> server.calls().size() == 2);
    assertFalse(web.isDone() || db.isDone());
    server.release();
    assertTrue(web.await(10, TimeUnit.SECONDS) && db.await(10, TimeUnit.SECONDS));
    assertTrue(web.isSuccess() && db.isSuccess());
  }

  @Test
  void aCaThatIsAwayIsAskedAgainAsSoonAsWeWantTo() throws Exception {
    CaClient client = client();
    signed(client, WEB);
    int port = server.port();
    server.close();
    for (int i = 0; i < 3; i++) { // long enough for pauses of the channel's own
      String refusal = refusal(client, WEB);
      assertTrue(
          refusal.startsWith("signing gRPC error (The service is currently unavailable): "),
          refusal);
    }
    assertTrue(refusal(client, WEB).contains("Connection refused"), () -> "no cause told");
    server = CaServer.start(tls, authority, port, NioServerSocketChannel::new);
    assertNotNull(signed(client, WEB));
  }

  @Test
  void theTokenIsReadForEachCall() throws Exception {
    Path file = directory.resolve("istio-token");
    CaClient client =
        client(pem(tls), new TokenSource.TokenFile(file), CaSettings.Subject.WORKLOADS, TIMEOUT);
    String missing = refusal(client, WEB);
    assertTrue(
        missing.startsWith(
            "signing gRPC error (The request does not have valid authentication credentials): "),
        missing);
    assertTrue(missing.contains("istio-token"), missing);
    Files.writeString(file, "old\n");
    assertTrue(refusal(client, WEB).endsWith("request authenticate failure"));
    server.expectToken("new");
    Files.writeString(file, "new\n");
    assertNotNull(signed(client, WEB));
    Files.writeString(file, "");
    assertTrue(refusal(client, WEB).contains("is empty"), "an empty token was sent");
  }

  @Test
  void rootsThatChangeInTheirFileAreTakenOver() throws Exception {
    Path first = Files.createDirectory(directory.resolve("..1"));
    Files.writeString(first.resolve("root-cert.pem"), TestPki.pem(List.of(tls.rootCertificate())));
    Files.createSymbolicLink(directory.resolve("..data"), Path.of("..1"));
    Path file = directory.resolve("root-cert.pem");
    Files.createSymbolicLink(file, Path.of("..data", "root-cert.pem"));
    CaClient client =
        client(
            new RootSource.PemFile(file),
            new TokenSource.Token("token"),
            CaSettings.Subject.WORKLOADS,
            TIMEOUT);
    assertNotNull(signed(client, WEB));

    TestPki next = TestPki.root("next control plane");
    server.restart(next);
    String refusal = refusal(client, WEB);
    assertTrue(refusal.contains("unable to find valid certification path"), refusal);

    swapRoots("..2", "garbage");
    awaitRefusals(client);

    swapRoots("..3", TestPki.pem(List.of(next.rootCertificate())));
    Await.until("the new root", () -> client.sign(WEB).awaitUninterruptibly().isSuccess());
  }

  private void swapRoots(String version, String pem) throws IOException {
    Path content = Files.createDirectory(directory.resolve(version));
    Files.writeString(content.resolve("root-cert.pem"), pem);
    Files.createSymbolicLink(directory.resolve("..tmp"), Path.of(version));
    Files.move(
        directory.resolve("..tmp"), directory.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
  }

  /** For longer than a change takes to be seen. */
  private static void awaitRefusals(CaClient client) throws Exception {
    for (int i = 0; i < 10; i++) {
      TimeUnit.MILLISECONDS.sleep(100);
      assertTrue(
          refusal(client, WEB).contains("unable to find valid certification path"),
          "the former root is not in use any more");
    }
  }

  @Test
  void rootsThatCannotBeReadEndTheStart() {
    IOException refused =
        assertThrows(
            IOException.class,
            () ->
                client(
                    new RootSource.PemFile(directory.resolve("absent")),
                    new TokenSource.None(),
                    CaSettings.Subject.WORKLOADS,
                    TIMEOUT));
    assertTrue(refused.toString().contains("absent"), refused.toString());
  }

  @Test
  void aServerOfAnotherRootIsNotTrusted() throws Exception {
    CaClient client =
        client(
            pem(TestPki.root("foreign")),
            new TokenSource.Token("token"),
            CaSettings.Subject.WORKLOADS,
            TIMEOUT);
    String refusal = refusal(client, WEB);
    assertTrue(
        refusal.startsWith("signing gRPC error (The service is currently unavailable): "), refusal);
    assertEquals(List.of(), server.calls(), "the token was sent");
  }

  @Test
  void afterTheEndNothingIsSigned() throws Exception {
    CaClient client = client();
    server.hold();
    Future<KeyMaterial> waiting = client.sign(WEB);
    Await.until("the call", () -> !server.calls().isEmpty());
    client.close();
    assertTrue(waiting.await(5, TimeUnit.SECONDS), "left alone");
    assertNotNull(waiting.cause());
  }
}
