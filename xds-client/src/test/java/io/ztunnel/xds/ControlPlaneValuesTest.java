package io.ztunnel.xds;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The values and small parts by which the control plane is reached. */
class ControlPlaneValuesTest {
  private static final ControlPlanePki PKI = ControlPlanePki.create("values test root");

  @TempDir private Path directory;

  private static ControlPlane controlPlane(String uri, @Nullable String alternate) {
    return new ControlPlane(
        URI.create(uri),
        new RootSource.SystemStore(null, List.of()),
        alternate,
        TlsPolicy.defaults(),
        new TokenSource.None(),
        "c1",
        Map.of("authorization", "own"));
  }

  @ParameterizedTest
  @CsvSource({
    "https://istiod.istio-system.svc:15012, istiod.istio-system.svc, 15012",
    "https://istiod, istiod, 443",
    "https://[fd00::1]:15012, fd00::1, 15012"
  })
  void hostAndPortComeFromTheUri(String uri, String host, int port) {
    assertEquals(host, controlPlane(uri, null).host());
    assertEquals(port, controlPlane(uri, null).port());
  }

  @Test
  void aLastDotIsForTheNameServiceOnly() {
    ControlPlane dotted = controlPlane("https://istiod.example.com.:15012", "istiod.svc.");
    assertEquals("istiod.example.com.", dotted.host());
    assertEquals("istiod.example.com", dotted.serverName());
    assertEquals("istiod.example.com:15012", dotted.authority());
    assertEquals(List.of("istiod.example.com", "istiod.svc"), dotted.acceptedNames());
    assertEquals("[fd00::1]:443", controlPlane("https://[fd00::1]", null).authority());
  }

  @ParameterizedTest
  @ValueSource(strings = {"http://istiod:15010", "istiod:15012", "https:///path"})
  void onlyHttpsIsTaken(String uri) {
    assertThrows(IllegalArgumentException.class, () -> controlPlane(uri, null));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ".", "a b", "-x", "a..b", "a..", "*.example.com"})
  void alternateNamesAreDnsNames(String name) {
    assertThrows(IllegalArgumentException.class, () -> controlPlane("https://istiod", name));
  }

  @Test
  void headersOfTheOperatorReplaceOurs() {
    assertEquals(
        Map.of("authorization", "own", "clusterid", "c1"),
        controlPlane("https://istiod", null).metadata("t"));
    assertEquals(
        Map.of("authorization", "own"), controlPlane("https://istiod", null).metadata(null));
  }

  @ParameterizedTest
  @CsvSource({
    "istiod.istio-system.svc, istiod.istio-system.svc, true",
    "ISTIOD.istio-system.svc, istiod.ISTIO-system.svc, true",
    "*.istio-system.svc, istiod.istio-system.svc, true",
    "*.istio-system.svc, a.b.istio-system.svc, false",
    "*.svc, istiod.svc, false",
    "is*.istio-system.svc, istiod.istio-system.svc, false",
    "istiod, istiod.istio-system.svc, false",
    "localhost, localhost., true",
    "istiod.istio-system.svc, istiod.istio-system.svc., true",
    "*.istio-system.svc, istiod.istio-system.svc., true",
    "localhost, localhost.., false",
    "10.0.0.1, 10.0.0.1, true",
    "fd00::1, fd00:0::1, true",
    "10.0.0.1, 10.0.0.2, false",
    "istiod, 10.0.0.1, false"
  })
  void serversAreKnownByTheirSubjectAlternativeNames(String san, String host, boolean matches)
      throws Exception {
    assertEquals(matches, ServerName.matches(PKI.server(List.of(san)).chain().getFirst(), host));
  }

  @Test
  void aCertificateWithoutNamesIsForNobody() throws Exception {
    assertFalse(ServerName.matches(PKI.root(), "values test root"));
  }

  @Test
  void tokensAreStrippedAndChecked() throws IOException {
    Path file = directory.resolve("token");
    Files.writeString(file, " abc.def \n");
    assertEquals("abc.def", new TokenSource.TokenFile(file).read());
    assertNull(new TokenSource.None().read());
    Files.writeString(file, "\n");
    assertMessage("is empty", new TokenSource.TokenFile(file));
    Files.writeString(file, "ab\ncd");
    assertMessage("U+000A at offset 2", new TokenSource.TokenFile(file));
    assertMessage("NoSuchFile", new TokenSource.TokenFile(directory.resolve("none")));
    assertFalse(new TokenSource.Token("secret").toString().contains("secret"));
  }

  private static void assertMessage(String expected, TokenSource source) {
    String message = assertThrows(IOException.class, source::read).toString();
    assertTrue(message.contains(expected), message);
  }

  @Test
  void rootsComeFromTextFilesAndTheSystem() throws IOException {
    Path file = directory.resolve("roots.pem");
    Files.writeString(file, PKI.rootPem() + ControlPlanePki.create("second").rootPem(), UTF_8);
    assertEquals(2, new RootSource.PemFile(file).read().size());
    assertEquals(List.of(PKI.root()), new RootSource.Pem(PKI.rootPem()).read());
    assertFalse(new RootSource.SystemStore(null, List.of()).read().isEmpty());
    String nothing =
        assertThrows(IOException.class, () -> new RootSource.Pem("").read()).toString();
    assertTrue(nothing.contains("expected: PEM, at least one"), nothing);
  }

  /** As text files and links have them in a directory of roots. */
  private Path write(String name, String text) throws IOException {
    Path file = directory.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }

  @Test
  void theSystemsRootsAreThoseOfItsBundleAndTheJdksWhereItHasNone() throws IOException {
    Path absent = directory.resolve("absent.crt");
    Path bundle = write("bundle.crt", "# a comment\n" + PKI.rootPem());
    Path later = write("later.crt", ControlPlanePki.create("later").rootPem());
    RootSource store = new RootSource.SystemStore(null, List.of(), List.of(absent, bundle, later));
    assertEquals(List.of(PKI.root()), store.read());

    ControlPlanePki next = ControlPlanePki.create("next");
    Path _ = write("bundle.crt", next.rootPem());
    assertEquals(List.of(next.root()), store.read());

    int jdk = new RootSource.SystemStore(null, List.of(), List.of(absent)).read().size();
    assertTrue(jdk > 1, () -> jdk + " roots of the JDK");
  }

  @Test
  void whatIsNamedIsReadInPlaceOfTheSystemsRoots() throws IOException {
    ControlPlanePki other = ControlPlanePki.create("other");
    Path bundle = write("bundle.crt", ControlPlanePki.create("bundle").rootPem());
    Path file = write("file.pem", PKI.rootPem());
    Path some = directory.resolve("some");
    Path _ = write("some/a.pem", other.rootPem());
    Path _ = write("some/README", "no certificate");
    Path _ = Files.createSymbolicLink(some.resolve("1234abcd.0"), Path.of("a.pem"));
    Path _ = Files.createSymbolicLink(some.resolve("gone"), Path.of("nowhere"));
    Path absent = directory.resolve("absent");
    List<Path> bundles = List.of(bundle);
    assertEquals(List.of(PKI.root()), new RootSource.SystemStore(file, List.of(), bundles).read());
    assertEquals(
        List.of(other.root()),
        new RootSource.SystemStore(null, List.of(absent, some), bundles).read());
    assertEquals(
        List.of(PKI.root(), other.root()),
        new RootSource.SystemStore(file, List.of(some), bundles).read());
    for (RootSource nothing :
        List.of(
            new RootSource.SystemStore(absent, List.of(some), bundles),
            new RootSource.SystemStore(null, List.of(absent), bundles))) {
      String message = assertThrows(IOException.class, nothing::read).toString();
      assertTrue(message.contains("absent"), message);
    }
  }

  @Test
  void pausesDoubleUpToALimitWithJitterAndStartOver() {
    Backoff backoff = new Backoff(new SplittableRandom(1));
    for (int i = 0; i < 20; i++) {
      long exact = Math.min(15_000, 10L << Math.min(i, 20));
      Duration pause = backoff.next();
      assertTrue(
          pause.toMillis() >= exact / 2 && pause.toMillis() <= exact * 3 / 2,
          () -> pause + " around " + exact + " ms");
    }
    backoff.reset();
    assertTrue(backoff.next().toMillis() <= 15);
  }

  @Test
  void rejectionsAreToldInOneTextOfBoundedSize() {
    assertEquals(
        "a: x; b: y", Rejection.join(List.of(new Rejection("a", "x"), new Rejection("b", "y"))));
    String many =
        Rejection.join(
            IntStream.range(0, 50_000).mapToObj(i -> new Rejection("n" + i, "reason")).toList());
    assertTrue(many.length() < 70_000, () -> "length: " + many.length());
    assertTrue(many.endsWith(" more"), many.substring(many.length() - 30));
  }
}
