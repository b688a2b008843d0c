package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.ClientTls;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.ServerTls;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.identity.CertificateState;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.identity.WorkloadTls;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CertificateSectionTest {
  private static final String WEB = "spiffe://cluster.local/ns/shop/sa/web";
  private static final Instant FROM = Instant.parse("2030-01-02T03:04:05Z");

  @TempDir private Path directory;

  private static WorkloadTls tls(KeyMaterial material) {
    TlsSettings settings = new TlsSettings(TlsSettings.Provider.JDK, false, false);
    return new WorkloadTls(
        material, ServerTls.create(material, settings), ClientTls.create(material, settings));
  }

  private static String json(SortedMap<String, CertificateState> states) throws Exception {
    ConfigDump dump = new ConfigDump();
    CertificateSection.add(dump, () -> states);
    return Printed.json(dump.values());
  }

  private static Map<String, @Nullable Object> entry(CertificateState state) {
    return CertificateSection.certificates(new TreeMap<>(Map.of(WEB, state))).getFirst();
  }

  @SuppressWarnings("unchecked") // the shape that the tests are about
  private static List<Map<String, String>> list(Map<String, @Nullable Object> entry, String name) {
    return (List<Map<String, String>>) Objects.requireNonNull(entry.get(name));
  }

  @Test
  void identitiesWithoutACertificateSayWhyAndAreSorted() throws Exception {
    SortedMap<String, CertificateState> states = new TreeMap<>();
    states.put(WEB, new CertificateState.Initializing());
    states.put(
        "spiffe://cluster.local/ns/shop/sa/db",
        new CertificateState.Unavailable("CA is \"down\"", FROM));
    assertEquals(
        """
        {
          "certificates": [
            {
              "certChain": [],
              "identity": "spiffe://cluster.local/ns/shop/sa/db",
              "rootCerts": [],
              "state": "Unavailable: CA is \\"down\\""
            },
            {
              "certChain": [],
              "identity": "spiffe://cluster.local/ns/shop/sa/web",
              "rootCerts": [],
              "state": "Initializing"
            }
          ]
        }""",
        json(states).stripTrailing());
  }

  @Test
  void noIdentitiesAreAnEmptyList() throws Exception {
    assertEquals("{\n  \"certificates\": []\n}", json(new TreeMap<>()).stripTrailing());
  }

  @Test
  void aCertificateIsShownWithItsSerialAndTimes() throws Exception {
    try (TrialAuthority authority =
        TrialAuthority.open(
            directory,
            Duration.ofHours(24),
            Clock.fixed(FROM.plusMillis(120_750), ZoneOffset.UTC))) {
      var signed = authority.sign(SpiffeId.parse(WEB).orElseThrow());
      assertTrue(signed.await(10, TimeUnit.SECONDS));
      KeyMaterial material = signed.getNow();
      try (WorkloadTls tls = tls(material)) {
        Map<String, @Nullable Object> entry = entry(new CertificateState.Available(tls));
        assertEquals("Available", entry.get("state"));
        assertEquals(WEB, entry.get("identity"));
        Map<String, String> leaf = list(entry, "certChain").getFirst();
        assertEquals("2030-01-02T03:04:05Z", leaf.get("validFrom"));
        assertEquals("2030-01-03T03:06:05Z", leaf.get("expirationTime"));
        // More than a long holds.
        String serial = String.valueOf(leaf.get("serialNumber"));
        assertTrue(serial.matches("[1-9][0-9]{37,38}"), serial);
        assertEquals(material.leaf().getSerialNumber().toString(), serial);
        assertEquals(
            "2039-12-31T03:06:05Z", list(entry, "rootCerts").getFirst().get("expirationTime"));
      }
    }
  }

  @Test
  void thePemIsTheBase64OfATextWithLinesOfSixtyCharacters() throws Exception {
    KeyMaterial material = TestPki.root("dump").workload(WEB);
    try (WorkloadTls tls = tls(material)) {
      Map<String, String> leaf =
          list(entry(new CertificateState.Available(tls)), "certChain").getFirst();
      byte[] pem = Base64.getDecoder().decode(leaf.get("pem"));
      String text = new String(pem, StandardCharsets.US_ASCII);
      assertTrue(text.endsWith("-----END CERTIFICATE-----\n"), text);
      List<String> lines = text.lines().toList();
      assertEquals("-----BEGIN CERTIFICATE-----", lines.getFirst());
      List<String> body = lines.subList(1, lines.size() - 1);
      body.subList(0, body.size() - 1).forEach(line -> assertEquals(60, line.length(), text));
      assertTrue(!body.getLast().isEmpty() && body.getLast().length() <= 60, text);
      assertEquals(material.leaf(), parsed(pem));
    }
  }

  private static X509Certificate parsed(byte[] pem) throws Exception {
    return (X509Certificate)
        CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem));
  }

  @Test
  void theChainIsLeafThenIntermediatesAndAllRootsAreShown() {
    TestPki root = TestPki.root("one");
    TestPki other = TestPki.root("other");
    KeyMaterial material =
        root.intermediate("upper")
            .intermediate("lower")
            .leaf(WEB)
            .trusting(root.rootCertificate(), other.rootCertificate())
            .material();
    try (WorkloadTls tls = tls(material)) {
      Map<String, @Nullable Object> entry = entry(new CertificateState.Available(tls));
      assertEquals(serials(material.chain()), shown(list(entry, "certChain")));
      assertEquals(serials(material.roots()), shown(list(entry, "rootCerts")));
      assertEquals(3, list(entry, "certChain").size());
    }
  }

  private static List<String> serials(List<X509Certificate> certificates) {
    return certificates.stream().map(c -> c.getSerialNumber().toString()).toList();
  }

  private static List<String> shown(List<Map<String, String>> certificates) {
    return certificates.stream().map(c -> String.valueOf(c.get("serialNumber"))).toList();
  }
}
