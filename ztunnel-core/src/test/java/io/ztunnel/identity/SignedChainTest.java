package io.ztunnel.identity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import java.io.IOException;
import java.io.StringReader;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequest;
import org.junit.jupiter.api.Test;

class SignedChainTest {
  private static final SpiffeId WEB = new SpiffeId("cluster.local", "shop", "web");
  private static final SpiffeId DB = new SpiffeId("cluster.local", "shop", "db");

  private final TestPki root = TestPki.root("root");
  private final TestPki other = TestPki.root("other");
  private final KeyMaterial signed =
      root.intermediate("upper").intermediate("lower").workload(WEB.toString());

  private static String pem(X509Certificate... certificates) {
    return TestPki.pem(List.of(certificates));
  }

  private List<String> answer(KeyMaterial material, String roots) {
    List<String> answer = new ArrayList<>();
    material.chain().forEach(certificate -> answer.add(pem(certificate)));
    answer.add(roots);
    return answer;
  }

  private KeyMaterial parse(List<String> answer) throws IOException {
    return SignedChain.ofAnswer(signed.key(), answer, WEB, Instant.now());
  }

  private String refusal(List<String> answer) {
    return String.valueOf(assertThrows(IOException.class, () -> parse(answer)).getMessage());
  }

  @Test
  void leafIntermediatesAndRootsAreTold() throws IOException {
    KeyMaterial parsed =
        parse(answer(signed, pem(root.rootCertificate(), other.rootCertificate())));
    assertSame(signed.key(), parsed.key());
    assertEquals(signed.chain(), parsed.chain());
    assertEquals(3, parsed.chain().size());
    assertEquals(List.of(root.rootCertificate(), other.rootCertificate()), parsed.roots());
  }

  @Test
  void onlyTheFirstBlockOfLeafAndIntermediatesCounts() throws IOException {
    List<String> answer = answer(signed, pem(root.rootCertificate()));
    answer.set(0, answer.getFirst() + pem(other.rootCertificate()));
    assertEquals(signed.chain(), parse(answer).chain());
  }

  @Test
  void anEmptyChainIsRefused() {
    assertEquals("chain returned from CA is empty", refusal(List.of()));
  }

  @Test
  void aChainWithoutRootsIsRefused() {
    assertEquals("no root certificate present", refusal(List.of(pem(signed.leaf()))));
    assertEquals("no root certificate present", refusal(List.of(pem(signed.leaf()), "")));
  }

  @Test
  void aCertificateForSomebodyElseIsRefused() throws IOException {
    List<String> answer = answer(root.workload(DB.toString()), pem(root.rootCertificate()));
    assertEquals("did not find expected SAN: " + DB + " (expected: " + WEB + ")", refusal(answer));
    // Who asks for itself gets what the CA knows it as.
    assertEquals(1, SignedChain.ofAnswer(signed.key(), answer, null, Instant.now()).chain().size());
  }

  @Test
  void theIdentityMustBeTheFirstUri() throws IOException {
    KeyMaterial first = root.leaf(WEB.toString(), "https://example.com").dnsSan("web").material();
    assertEquals(first.chain(), parse(answer(first, pem(root.rootCertificate()))).chain());
    KeyMaterial second = root.leaf("https://example.com", WEB.toString()).material();
    assertTrue(
        refusal(answer(second, pem(root.rootCertificate())))
            .startsWith("did not find expected SAN: https://example.com "));
    assertTrue(
        refusal(answer(root.leaf().dnsSan("web").material(), pem(root.rootCertificate())))
            .startsWith("did not find expected SAN: none "));
  }

  @Test
  void whatDoesNotParseIsNamedByItsPlace() {
    List<String> answer = answer(signed, pem(root.rootCertificate()));
    answer.set(1, "garbage");
    assertEquals(
        "certificate 2 of the chain returned from CA: no certificate found (expected: X.509 PEM)",
        refusal(answer));
    List<String> roots =
        answer(signed, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assertTrue(
        refusal(roots).startsWith("root certificates returned from CA: not an X.509 certificate: "),
        refusal(roots));
  }

  @Test
  void anExpiredLeafOrIntermediateIsRefused() {
    Instant end = Instant.now().minus(Duration.ofHours(1));
    KeyMaterial expired =
        root.leaf(WEB.toString()).valid(end.minus(Duration.ofHours(1)), end).material();
    String refusal = refusal(answer(expired, pem(root.rootCertificate())));
    assertTrue(refusal.startsWith("the certificate expired at "), refusal);
    // Authorities of the test are valid for a day.
    String later =
        assertThrows(
                IOException.class,
                () ->
                    SignedChain.ofAnswer(
                        signed.key(),
                        answer(
                            root.intermediate("upper")
                                .leaf(WEB.toString())
                                .valid(end, end.plus(Duration.ofDays(9)))
                                .material(),
                            pem(root.rootCertificate())),
                        WEB,
                        Instant.now().plus(Duration.ofDays(2))))
            .getMessage();
    assertTrue(
        later != null && later.startsWith("the intermediate certificate CN=upper expired at "),
        later);
  }

  @Test
  void aRequestHasAnEmptySubjectAndTheIdentityAsItsOneCriticalName() throws Exception {
    SigningRequest request = SigningRequest.create(WEB);
    PKCS10CertificationRequest parsed;
    try (PEMParser parser = new PEMParser(new StringReader(request.csr()))) {
      parsed = (PKCS10CertificationRequest) parser.readObject();
    }
    assertEquals("", parsed.getSubject().toString());
    JcaPKCS10CertificationRequest jca = new JcaPKCS10CertificationRequest(parsed);
    assertTrue(
        parsed.isSignatureValid(new JcaContentVerifierProviderBuilder().build(jca.getPublicKey())));
    assertEquals(1, parsed.getAttributes().length);
    Extensions extensions =
        Extensions.getInstance(
            parsed
                .getAttributes(PKCSObjectIdentifiers.pkcs_9_at_extensionRequest)[0]
                .getAttributeValues()[0]);
    assertEquals(1, extensions.getExtensionOIDs().length);
    Extension names = extensions.getExtension(Extension.subjectAlternativeName);
    assertTrue(names.isCritical());
    assertEquals(
        List.of(new GeneralName(GeneralName.uniformResourceIdentifier, WEB.toString())),
        Stream.of(GeneralNames.getInstance(names.getParsedValue()).getNames()).toList());
    assertTrue(CertificateFiles.belongTogether(request.key(), certify(jca)));
    assertEquals("SigningRequest[...]", request.toString());
  }

  private X509Certificate certify(JcaPKCS10CertificationRequest request) throws Exception {
    return root.leaf(WEB.toString()).certify(request.getPublicKey()).getFirst();
  }

  @Test
  void everyRequestHasAKeyOfItsOwn() {
    assertTrue(
        !SigningRequest.create(WEB).key().equals(SigningRequest.create(WEB).key()), "same key");
  }
}
