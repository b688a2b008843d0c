package io.ztunnel.identity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.TestPki;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
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
    byte[] der = PemText.blocks(lower.crl(workload.leaf()), "X509 CRL").getFirst();
    assertEquals(workload.leaf(), revoked(RevocationList.parse(der)));
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
