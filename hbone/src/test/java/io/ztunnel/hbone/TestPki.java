package io.ztunnel.hbone;

import java.io.IOException;
import java.io.InputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.CertificateEncodingException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.RDN;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.CertIOException;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * A certificate authority for tests: a root, intermediates below it, and leaves as workloads have
 * them. Immutable.
 */
public final class TestPki {
  private static final AtomicLong SERIALS = new AtomicLong(1);

  private final KeyPair key;
  private final X509Certificate certificate;

  /** This authority and those between it and its root, nearest first; without the root. */
  private final List<X509Certificate> intermediates;

  private final X509Certificate root;

  private TestPki(
      KeyPair key,
      X509Certificate certificate,
      List<X509Certificate> intermediates,
      X509Certificate root) {
    this.key = key;
    this.certificate = certificate;
    this.intermediates = intermediates;
    this.root = root;
  }

  /** A new root. */
  public static TestPki root(String name) {
    KeyPair key = newKey();
    X509Certificate certificate = authority(name, key, new X500Name("CN=" + name), key);
    return new TestPki(key, certificate, List.of(), certificate);
  }

  /** A root whose key, in PKCS#8, and certificate are in these files, in PEM. */
  public static TestPki root(Path keyFile, Path certificateFile) throws IOException {
    try (PEMParser parser = new PEMParser(Files.newBufferedReader(keyFile));
        InputStream certificate = Files.newInputStream(certificateFile)) {
      PrivateKey key = new JcaPEMKeyConverter().getPrivateKey((PrivateKeyInfo) parser.readObject());
      X509Certificate root =
          (X509Certificate)
              CertificateFactory.getInstance("X.509").generateCertificate(certificate);
      return new TestPki(new KeyPair(root.getPublicKey(), key), root, List.of(), root);
    } catch (CertificateException e) {
      throw new IOException(certificateFile + ": " + e.getMessage(), e);
    }
  }

  /** A new authority below this one. */
  public TestPki intermediate(String name) {
    KeyPair own = newKey();
    X509Certificate signed = authority(name, own, subject(certificate), key);
    return new TestPki(
        own, signed, Stream.concat(Stream.of(signed), intermediates.stream()).toList(), root);
  }

  /** The root's certificate. */
  public X509Certificate rootCertificate() {
    return root;
  }

  /** This authority's own certificate. */
  public X509Certificate certificate() {
    return certificate;
  }

  /** This authority's list of revoked certificates, in PEM. */
  public String crl(X509Certificate... revoked) {
    return crl(Instant.now().plus(Duration.ofDays(1)), revoked);
  }

  /** As above, for one that ought to have been replaced by this time. */
  public String crl(Instant nextUpdate, X509Certificate... revoked) {
    return crl(nextUpdate, Stream.of(revoked).map(X509Certificate::getSerialNumber).toList());
  }

  /** As above, of certificates with these serial numbers. */
  public String crl(Instant nextUpdate, List<BigInteger> revoked) {
    Instant issued = Instant.now().minus(Duration.ofDays(2));
    X509v2CRLBuilder builder = new X509v2CRLBuilder(subject(certificate), Date.from(issued));
    builder.setNextUpdate(Date.from(nextUpdate));
    for (BigInteger one : revoked) {
      builder.addCRLEntry(one, Date.from(issued), CRLReason.keyCompromise);
    }
    try {
      ContentSigner with = new JcaContentSignerBuilder("SHA256withECDSA").build(key.getPrivate());
      return pem("X509 CRL", builder.build(with).getEncoded());
    } catch (IOException | OperatorCreationException e) {
      throw new IllegalStateException("cannot make a CRL", e);
    }
  }

  /** Certificates in PEM, one after the other. */
  public static String pem(Collection<X509Certificate> certificates) {
    StringBuilder text = new StringBuilder();
    for (X509Certificate one : certificates) {
      try {
        text.append(pem("CERTIFICATE", one.getEncoded()));
      } catch (CertificateEncodingException e) {
        throw new IllegalStateException("cannot encode a certificate", e);
      }
    }
    return text.toString();
  }

  /** A private key in PEM, as PKCS#8. */
  public static String pem(PrivateKey key) {
    return pem("PRIVATE KEY", key.getEncoded());
  }

  private static String pem(String label, byte[] content) {
    String lines = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    return "-----BEGIN %s-----%n%s%n-----END %s-----%n".formatted(label, lines, label);
  }

  /** A leaf, to be described further. */
  public Leaf leaf(String... uriSans) {
    return new Leaf(List.of(uriSans));
  }

  /** What a workload of this identity has: a leaf valid for an hour, with both key usages. */
  public KeyMaterial workload(String identity) {
    return leaf(identity).material();
  }

  /** A leaf certificate in the making. Confined to its thread. */
  public final class Leaf {
    private final List<GeneralName> names = new ArrayList<>();
    private final List<KeyPurposeId> purposes =
        new ArrayList<>(List.of(KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth));
    private Instant from = Instant.now().minus(Duration.ofMinutes(1));
    private Instant to = Instant.now().plus(Duration.ofHours(1));
    private List<X509Certificate> trusted = List.of(root);

    private Leaf(List<String> uriSans) {
      for (String uri : uriSans) {
        names.add(new GeneralName(GeneralName.uniformResourceIdentifier, uri));
      }
    }

    public Leaf dnsSan(String name) {
      names.add(new GeneralName(GeneralName.dNSName, name));
      return this;
    }

    public Leaf valid(Instant notBefore, Instant notAfter) {
      from = notBefore;
      to = notAfter;
      return this;
    }

    /** With exactly these extended key usages; none leaves the extension out. */
    public Leaf purposes(KeyPurposeId... ids) {
      purposes.clear();
      purposes.addAll(List.of(ids));
      return this;
    }

    /** Trusts these roots instead of its own. */
    public Leaf trusting(X509Certificate... roots) {
      trusted = List.of(roots);
      return this;
    }

    public KeyMaterial material() {
      KeyPair own = newKey();
      return new KeyMaterial(own.getPrivate(), certify(own.getPublic()), trusted);
    }

    /** Certifies a key of somebody else's: the leaf and the authorities below the root. */
    public List<X509Certificate> certify(PublicKey subjectKey) {
      X509Certificate leaf =
          sign(
              new JcaX509v3CertificateBuilder(
                  subject(certificate),
                  BigInteger.valueOf(SERIALS.getAndIncrement()),
                  Date.from(from),
                  Date.from(to),
                  new X500Name(new RDN[0]),
                  subjectKey),
              builder -> {
                builder.addExtension(
                    Extension.keyUsage,
                    true,
                    new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment));
                builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
                if (!purposes.isEmpty()) {
                  builder.addExtension(
                      Extension.extendedKeyUsage,
                      false,
                      new ExtendedKeyUsage(purposes.toArray(new KeyPurposeId[0])));
                }
                if (!names.isEmpty()) {
                  builder.addExtension(
                      Extension.subjectAlternativeName,
                      true,
                      new GeneralNames(names.toArray(new GeneralName[0])));
                }
              },
              key);
      return Stream.concat(Stream.of(leaf), intermediates.stream()).toList();
    }
  }

  private interface Extensions {
    void addTo(X509v3CertificateBuilder builder) throws CertIOException;
  }

  private static X509Certificate authority(
      String name, KeyPair own, X500Name issuer, KeyPair signer) {
    return sign(
        new JcaX509v3CertificateBuilder(
            issuer,
            BigInteger.valueOf(SERIALS.getAndIncrement()),
            Date.from(Instant.now().minus(Duration.ofDays(1))),
            Date.from(Instant.now().plus(Duration.ofDays(1))),
            new X500Name("CN=" + name),
            own.getPublic()),
        builder -> {
          builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(true));
          builder.addExtension(
              Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign));
        },
        signer);
  }

  private static X509Certificate sign(
      X509v3CertificateBuilder builder, Extensions extensions, KeyPair signer) {
    try {
      extensions.addTo(builder);
      ContentSigner with =
          new JcaContentSignerBuilder("SHA256withECDSA").build(signer.getPrivate());
      return new JcaX509CertificateConverter().getCertificate(builder.build(with));
    } catch (CertIOException | OperatorCreationException | CertificateException e) {
      throw new IllegalStateException("cannot make a certificate", e);
    }
  }

  private static X500Name subject(X509Certificate certificate) {
    return X500Name.getInstance(certificate.getSubjectX500Principal().getEncoded());
  }

  private static KeyPair newKey() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(256);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("no P-256", e);
    }
  }
}
