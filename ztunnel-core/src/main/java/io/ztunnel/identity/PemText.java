package io.ztunnel.identity;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.jspecify.annotations.Nullable;

/** Reads what PEM text holds (RFC 7468). Pure. */
final class PemText {
  private static final String CERTIFICATE = "CERTIFICATE";

  private static final Pattern BEGIN = Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----");

  private PemText() {}

  /** Whether a block begins there. */
  static boolean isAt(byte[] content, int index) {
    byte[] begin = "-----BEGIN ".getBytes(StandardCharsets.ISO_8859_1);
    return Arrays.mismatch(content, index, content.length, begin, 0, begin.length) == begin.length;
  }

  /**
   * The contents of every block of this label, in order; other blocks are passed over.
   *
   * @throws IOException if a block of the label has no end or is not base64
   */
  static List<byte[]> blocks(byte[] content, String label) throws IOException {
    String text = new String(content, StandardCharsets.ISO_8859_1); // a character for each byte
    List<byte[]> blocks = new ArrayList<>();
    Matcher begin = BEGIN.matcher(text);
    int at = 0;
    while (begin.find(at)) {
      String found = begin.group(1);
      String endLine = "-----END " + found + "-----";
      int end = text.indexOf(endLine, begin.end());
      if (end < 0) {
        throw new IOException(
            "PEM block %s without an end (expected: %s)".formatted(found, endLine));
      }
      if (found.equals(label)) {
        try {
          ByteBuffer base64 = ByteBuffer.wrap(content, begin.end(), end - begin.end());
          ByteBuffer decoded = Base64.getMimeDecoder().decode(base64);
          byte[] block = new byte[decoded.remaining()];
          ByteBuffer _ = decoded.get(block);
          blocks.add(block);
        } catch (IllegalArgumentException e) {
          throw new IOException("PEM block " + found + ": not base64: " + e.getMessage(), e);
        }
      }
      at = end + endLine.length();
    }
    return blocks;
  }

  private static List<byte[]> certificateBlocks(String text) throws IOException {
    return blocks(text.getBytes(StandardCharsets.UTF_8), CERTIFICATE);
  }

  /**
   * Every certificate, in order.
   *
   * @throws IOException if one does not parse; none is no error
   */
  static List<X509Certificate> certificates(String text) throws IOException {
    List<X509Certificate> certificates = new ArrayList<>();
    for (byte[] block : certificateBlocks(text)) {
      certificates.add(certificate(block));
    }
    return certificates;
  }

  /**
   * The first certificate.
   *
   * @throws IOException if there is none, or it does not parse
   */
  static X509Certificate certificate(String text) throws IOException {
    List<byte[]> blocks = certificateBlocks(text);
    if (blocks.isEmpty()) {
      throw new IOException("no certificate found (expected: X.509 PEM)");
    }
    return certificate(blocks.getFirst());
  }

  private static X509Certificate certificate(byte[] der) throws IOException {
    try {
      return (X509Certificate)
          CertificateFactory.getInstance("X.509")
              .generateCertificate(new ByteArrayInputStream(der));
    } catch (CertificateException e) {
      throw new IOException("not an X.509 certificate: " + e.getMessage(), e);
    }
  }

  /**
   * The first private key: PKCS#8, or the older forms of RSA and EC keys; not encrypted.
   *
   * @throws IOException if there is none, or it does not parse
   */
  static PrivateKey key(String text) throws IOException {
    try (PEMParser parser = new PEMParser(new StringReader(text))) {
      JcaPEMKeyConverter converter = new JcaPEMKeyConverter();
      @Nullable Object object;
      while ((object = parser.readObject()) != null) {
        if (object instanceof PrivateKeyInfo key) {
          return converter.getPrivateKey(key);
        }
        if (object instanceof PEMKeyPair pair) {
          return converter.getPrivateKey(pair.getPrivateKeyInfo());
        }
      }
    }
    throw new IOException("no private key found (expected: PEM, not encrypted)");
  }
}
