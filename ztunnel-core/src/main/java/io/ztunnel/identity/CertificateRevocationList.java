package io.ztunnel.identity;

import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.security.PublicKey;
import java.util.Arrays;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.operator.ContentVerifier;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.RuntimeOperatorException;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;

/**
 * One list of revoked certificates (RFC 5280, 5.1), as the bytes that came and an index of them:
 * the JDK's class takes some 400 bytes for each entry, and heaps are small. Immutable.
 */
final class CertificateRevocationList {
  private final byte[] der;
  private final int signedFrom;
  private final int signedTo;
  private final AlgorithmIdentifier algorithm;
  private final byte[] signature;
  private final X500Principal issuer;
  private final SerialNumbers serials;

  /**
   * @param der kept
   * @throws IOException if it does not parse
   */
  CertificateRevocationList(byte[] der) throws IOException {
    this.der = der;
    try {
      DerReader file = new DerReader(der);
      DerReader list = file.next(DerReader.SEQUENCE);
      this.signedFrom = list.position();
      DerReader signed = list.next(DerReader.SEQUENCE);
      this.signedTo = list.position();
      byte[] algorithmDer = sequence(list);
      this.algorithm = AlgorithmIdentifier.getInstance(algorithmDer);
      DerReader bits = list.next(DerReader.BIT_STRING);
      int unusedBits = bits.octet();
      this.signature = Arrays.copyOfRange(der, bits.position(), bits.position() + bits.left());
      if (unusedBits != 0 || list.left() > 0 || file.left() > 0) {
        throw new IOException("more after its end");
      }
      if (signed.isNext(DerReader.INTEGER)) {
        DerReader _ = signed.next(); // the version
      }
      if (!Arrays.equals(sequence(signed), algorithmDer)) {
        throw new IOException("two signature algorithms");
      }
      this.issuer = new X500Principal(sequence(signed));
      DerReader _ = signed.next(); // when it was made
      while (signed.left() > 0 && !signed.isNext(DerReader.SEQUENCE)) {
        DerReader _ = signed.next(); // when there is another, or extensions
      }
      this.serials =
          new SerialNumbers(der, signed.left() > 0 ? signed.next(DerReader.SEQUENCE) : signed);
    } catch (IOException | IllegalArgumentException e) {
      throw new IOException(
          "not a CRL: %s (expected: PEM, or one list in DER)".formatted(e.getMessage()), e);
    }
  }

  private byte[] sequence(DerReader reader) throws IOException {
    int from = reader.position();
    DerReader _ = reader.next(DerReader.SEQUENCE);
    return Arrays.copyOfRange(der, from, reader.position());
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
        content.write(der, signedFrom, signedTo - signedFrom);
      }
      return verifier.verify(signature);
    } catch (OperatorCreationException | RuntimeOperatorException | IOException e) {
      return false; // with a key of another kind
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof CertificateRevocationList that && Arrays.equals(der, that.der);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(der);
  }
}
