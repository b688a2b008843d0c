package io.ztunnel.identity;

import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.security.PublicKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.ASN1InputStream;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.CertificateList;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.TBSCertList;
import org.bouncycastle.asn1.x509.TBSCertList.CRLEntry;
import org.bouncycastle.operator.ContentVerifier;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.RuntimeOperatorException;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.jspecify.annotations.Nullable;

/**
 * One list of revoked certificates (RFC 5280, 5.1), as its serial numbers and the bytes that are
 * signed: the JDK's class takes some 400 bytes for each entry, and heaps are small. Immutable.
 */
final class CertificateRevocationList {
  private final byte[] signed;
  private final AlgorithmIdentifier algorithm;
  private final byte[] signature;
  private final X500Principal issuer;
  private final SerialNumbers serials;

  /**
   * @throws IOException if it does not parse
   */
  CertificateRevocationList(byte[] der) throws IOException {
    try {
      ASN1Sequence parts = parts(der);
      this.signed = parts.getObjectAt(0).toASN1Primitive().getEncoded(); // while it is still bytes
      CertificateList list = CertificateList.getInstance(parts);
      this.algorithm = list.getSignatureAlgorithm();
      this.signature = list.getSignature().getOctets();
      if (!list.getTBSCertList().getSignature().equals(algorithm)) {
        throw new IOException("two signature algorithms");
      }
      this.issuer = new X500Principal(list.getIssuer().getEncoded());
      this.serials = new SerialNumbers(serials(list.getTBSCertList()));
    } catch (IOException
        | IllegalArgumentException
        | IllegalStateException
        | ArithmeticException e) { // Bouncy Castle's, for what is malformed
      throw new IOException(
          "not a CRL: %s (expected: PEM, or one list in DER)".formatted(e.getMessage()), e);
    }
  }

  /** What is signed, the algorithm and the signature; each is parsed only when it is asked for. */
  private static ASN1Sequence parts(byte[] der) throws IOException {
    try (ASN1InputStream input = new ASN1InputStream(der, /* lazyEvaluate= */ true)) {
      if (!(input.readObject() instanceof ASN1Sequence parts) || parts.size() != 3) {
        throw new IOException("not a sequence of three");
      }
      if (input.read() >= 0) {
        throw new IOException("more after its end");
      }
      return parts;
    }
  }

  private static List<byte[]> serials(TBSCertList list) {
    List<byte[]> serials = new ArrayList<>();
    Enumeration<?> entries = list.getRevokedCertificateEnumeration(); // holds one at a time
    while (entries.hasMoreElements()) {
      CRLEntry entry = CRLEntry.getInstance(entries.nextElement());
      if (!isTakenBack(entry)) {
        serials.add(entry.getUserCertificate().getValue().toByteArray());
      }
    }
    return serials;
  }

  /** Whether it is revoked no more, in a list of changes. */
  private static boolean isTakenBack(CRLEntry entry) {
    @Nullable Extensions extensions = entry.getExtensions();
    @Nullable Extension reason =
        extensions == null ? null : extensions.getExtension(Extension.reasonCode);
    return reason != null
        && CRLReason.getInstance(reason.getParsedValue()).getValue().intValueExact()
            == CRLReason.removeFromCRL;
  }

  X500Principal issuer() {
    return issuer;
  }

  /** How many certificates are listed. */
  int size() {
    return serials.size();
  }

  boolean lists(BigInteger serial) {
    return serials.contains(serial.toByteArray());
  }

  boolean isSignedBy(PublicKey key) {
    try {
      ContentVerifier verifier = new JcaContentVerifierProviderBuilder().build(key).get(algorithm);
      try (OutputStream content = verifier.getOutputStream()) {
        content.write(signed);
      }
      return verifier.verify(signature);
    } catch (OperatorCreationException | RuntimeOperatorException | IOException e) {
      return false; // with a key of another kind
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof CertificateRevocationList that
        && Arrays.equals(signed, that.signed)
        && Arrays.equals(signature, that.signature);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(signed);
  }
}
