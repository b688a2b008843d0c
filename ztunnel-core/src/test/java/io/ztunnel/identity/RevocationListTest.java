package io.ztunnel.identity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.TestPki;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509CRLEntry;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RevocationListTest {
  private static final String ID = "spiffe://cluster.local/ns/shop/sa/web";

  private final TestPki root = TestPki.root("root");
  private final TestPki upper = root.intermediate("upper");
  private final TestPki lower = upper.intermediate("lower");
  private final KeyMaterial workload = lower.workload(ID);

  private static RevocationList parse(String... texts) throws IOException {
    return RevocationList.parse(String.join("", texts).getBytes(StandardCharsets.UTF_8));
  }

  private @Nullable X509Certificate revoked(RevocationList list) {
    return list.revoked(workload.chain(), workload.roots());
  }

  @Test
  void theLeafAndEachAuthorityAboveItCount() throws IOException {
    assertEquals(workload.leaf(), revoked(parse(lower.crl(workload.leaf()))));
    assertEquals(lower.certificate(), revoked(parse(upper.crl(lower.certificate()))));
    assertEquals(upper.certificate(), revoked(parse(root.crl(upper.certificate()))));
  }

  @Test
  void whatIsNotListedIsNotRevoked() throws IOException {
    KeyMaterial other = lower.workload(ID);
    assertNull(revoked(RevocationList.EMPTY));
    assertNull(revoked(parse(lower.crl())));
    assertNull(revoked(parse(lower.crl(other.leaf()))));
  }

  @Test
  void aListThatOughtToHaveBeenReplacedStillCounts() throws IOException {
    String old = lower.crl(Instant.now().minus(Duration.ofDays(1)), workload.leaf());
    assertEquals(workload.leaf(), revoked(parse(old)));
  }

  @Test
  void anAuthorityOfTheSameNameCannotRevoke() throws IOException {
    TestPki namesake = TestPki.root("other").intermediate("lower");
    assertEquals(
        workload.leaf().getIssuerX500Principal(), namesake.certificate().getSubjectX500Principal());
    assertNull(revoked(parse(namesake.crl(workload.leaf()))));
    assertEquals(
        workload.leaf(), revoked(parse(namesake.crl(workload.leaf()), lower.crl(workload.leaf()))));
  }

  @Test
  void ofTwoAuthoritiesOfOneNameOnlyTheRevokedOnesLeavesFall() throws IOException {
    TestPki twin = upper.intermediate("lower");
    KeyMaterial spared = twin.workload(ID);
    RevocationList list = parse(upper.crl(lower.certificate()));
    assertEquals(lower.certificate(), revoked(list));
    assertNull(list.revoked(spared.chain(), spared.roots()));
  }

  @Test
  void certificatesThatThePeerPresentsWithoutNeedNeitherHideNorRevoke() throws IOException {
    TestPki stranger = root.intermediate("stranger");
    List<X509Certificate> chain = new ArrayList<>(workload.chain());
    chain.add(1, stranger.certificate());
    RevocationList strangers = parse(root.crl(stranger.certificate()));
    assertNull(strangers.revoked(chain, workload.roots()));
    RevocationList uppers = parse(root.crl(upper.certificate()));
    assertEquals(upper.certificate(), uppers.revoked(chain, workload.roots()));
    Collections.reverse(chain.subList(1, chain.size()));
    assertEquals(upper.certificate(), uppers.revoked(chain, workload.roots()));
  }

  @Test
  void aRootInUseIsNotAskedAbout() throws IOException {
    RevocationList list = parse(root.crl(root.certificate()));
    assertNull(list.revoked(workload.chain(), workload.roots()));
  }

  @Test
  void whatLeadsToNoRootIsNotForUsToJudge() throws IOException {
    RevocationList list = parse(lower.crl(workload.leaf()));
    X509Certificate foreign = TestPki.root("foreign").rootCertificate();
    assertNull(list.revoked(List.of(workload.leaf()), List.of(foreign)));
  }

  @Test
  void anyNumberOfListsBetweenOtherBlocksIsRead() throws IOException {
    RevocationList list =
        parse(
            "\n",
            TestPki.pem(List.of(root.rootCertificate())),
            lower.crl(workload.leaf()),
            "words in between\n",
            root.crl(upper.certificate(), root.intermediate("another").certificate()));
    assertEquals(2, list.lists());
    assertEquals(3, list.entries());
    assertEquals(workload.leaf(), revoked(list));
  }

  @Test
  void oneListMayBeInDer() throws IOException {
    assertEquals(workload.leaf(), revoked(RevocationList.parse(der(lower.crl(workload.leaf())))));
  }

  private static byte[] signed(X509v2CRLBuilder list) throws Exception {
    KeyPair keys = KeyPairGenerator.getInstance("EC").generateKeyPair();
    return list.build(new JcaContentSignerBuilder("SHA256withECDSA").build(keys.getPrivate()))
        .getEncoded();
  }

  private static X509v2CRLBuilder list() {
    return new X509v2CRLBuilder(new X500Name("CN=large,O=mesh"), Date.from(Instant.EPOCH));
  }

  /** A list as authorities make it, with serial numbers of 16 bytes and reasons. */
  private static byte[] large(int entries) throws Exception {
    X509v2CRLBuilder list = list();
    for (int i = 0; i < entries; i++) {
      list.addCRLEntry(serial(i), Date.from(Instant.EPOCH), CRLReason.keyCompromise);
    }
    return signed(list);
  }

  private static BigInteger serial(int number) {
    return BigInteger.ONE.shiftLeft(127).add(BigInteger.valueOf(number * 7L));
  }

  /** Takes over the list in a file, then another time beside the former, in a heap of its own. */
  static final class SmallHeap {
    public static void main(String[] arguments) throws IOException {
      List<RevocationList> lists = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        lists.add(RevocationList.parse(Files.readAllBytes(Path.of(arguments[0]))));
      }
      System.out.print(lists.getFirst().entries() + " " + lists.getLast().entries());
    }
  }

  @Test
  void aListAndItsSuccessorTakeSixTimesTheFileWhileItIsRead(@TempDir Path directory)
      throws Exception {
    byte[] pem =
        ("-----BEGIN X509 CRL-----\n"
                + Base64.getMimeEncoder().encodeToString(large(200_000))
                + "\n-----END X509 CRL-----\n")
            .getBytes(StandardCharsets.US_ASCII);
    Path file = Files.write(directory.resolve("ca-crl.pem"), pem);
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:MaxNewSize=4m",
                "-Xmx" + (pem.length * 6L + (12 << 20)),
                "-cp",
                System.getProperty("java.class.path"),
                SmallHeap.class.getName(),
                file.toString())
            .redirectErrorStream(true)
            .start();
    try {
      assertTrue(process.waitFor(60, TimeUnit.SECONDS));
      assertEquals(
          "200000 200000",
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  void whatTheJdkReadsInAListIsReadHereToo() throws Exception {
    byte[] der = large(1000);
    X509CRL jdk =
        (X509CRL)
            CertificateFactory.getInstance("X.509").generateCRL(new ByteArrayInputStream(der));
    CertificateRevocationList list = new CertificateRevocationList(der);
    assertEquals(jdk.getIssuerX500Principal(), list.issuer());
    assertEquals(jdk.getRevokedCertificates().size(), list.size());
    for (X509CRLEntry entry : jdk.getRevokedCertificates()) {
      assertTrue(list.lists(entry.getSerialNumber()));
    }
  }

  @Test
  void anEntryThatTakesARevocationBackDoesNotCount() throws Exception {
    X509v2CRLBuilder list = list();
    list.addCRLEntry(BigInteger.ONE, Date.from(Instant.EPOCH), CRLReason.removeFromCRL);
    list.addCRLEntry(BigInteger.TWO, Date.from(Instant.EPOCH), CRLReason.certificateHold);
    list.addCRLEntry(BigInteger.TWO, Date.from(Instant.EPOCH), CRLReason.keyCompromise);
    CertificateRevocationList read = new CertificateRevocationList(signed(list));
    assertFalse(read.lists(BigInteger.ONE));
    assertTrue(read.lists(BigInteger.TWO));
    assertEquals(1, read.size());
  }

  @Test
  void aListThatIsCutOffOrDamagedAnywhereNeverFailsOtherwiseThanAsGarbage() throws Exception {
    byte[] der = der(lower.crl(workload.leaf()));
    for (int length = 1; length < der.length; length++) {
      byte[] cut = Arrays.copyOf(der, length);
      IOException refused = assertThrows(IOException.class, () -> RevocationList.parse(cut));
      assertTrue(refused.toString().contains(": not a CRL: "), refused.toString());
    }
    for (int at = 0; at < der.length; at++) {
      for (int value : new int[] {0, 0x7f, 0x80, 0x84, 0xff}) {
        byte[] damaged = der.clone();
        damaged[at] = (byte) value;
        try {
          assertTrue(RevocationList.parse(damaged).entries() <= 1);
        } catch (IOException e) {
          assertTrue(e.toString().contains(": not a CRL: "), e.toString());
        }
      }
    }
  }

  private static byte[] der(String pem) throws IOException {
    return PemText.blocks(pem.getBytes(StandardCharsets.UTF_8), "X509 CRL").getFirst();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", " \n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
  void noListMeansThatNothingIsRevoked(String text) throws IOException {
    assertEquals(0, parse(text).lists());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "garbage",
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\n%%%\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nAAAA\n"
      })
  void oneListThatDoesNotParseRefusesAll(String broken) {
    IOException refused =
        assertThrows(
            IOException.class,
            () -> parse(broken.startsWith("-") ? lower.crl(workload.leaf()) : "", broken));
    assertTrue(
        refused.toString().contains("expected") || refused.toString().contains("base64"),
        refused.toString());
  }
}
