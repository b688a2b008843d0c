package io.ztunnel.xds;

import io.netty.util.NetUtil;
import java.io.IOException;
import java.io.StringWriter;
import java.math.BigInteger;
import java.net.URI;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/** A root, and certificates of servers below it, for tests. Immutable. */
public final class ControlPlanePki {
  private static final AtomicLong SERIALS = new AtomicLong(1);

  /** What a server shows. Immutable. */
  public record ServerKey(PrivateKey key, List<X509Certificate> chain) {}

  private final KeyPair key;
  private final X509Certificate root;

  private ControlPlanePki(KeyPair key, X509Certificate root) {
    this.key = key;
    this.root = root;
  }

  /** A new root. */
  public static ControlPlanePki create(String name) {
    KeyPair key = newKey();
    X500Name subject = new X500Name("CN=" + name);
    return new ControlPlanePki(key, sign(subject, key, subject, key, List.of()));
  }

  /** The root in PEM. */
  public String rootPem() {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter pem = new JcaPEMWriter(text)) {
      pem.writeObject(root);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    return text.toString();
  }

  X509Certificate root() {
    return root;
  }

  /**
   * What a client is told that is to connect to a server of this root on loopback, without a token.
   */
  public ControlPlane localhost(int port) {
    return new ControlPlane(
        URI.create("https://localhost:" + port),
        new RootSource.Pem(rootPem()),
        null,
        TlsPolicy.defaults(),
        new TokenSource.None(),
        "cluster-1",
        Map.of());
  }

  /** A certificate for these DNS names and IP addresses. */
  public ServerKey server(List<String> names) {
    KeyPair own = newKey();
    X509Certificate leaf =
        sign(
            new X500Name("CN=server"),
            own,
            X500Name.getInstance(root.getSubjectX500Principal().getEncoded()),
            key,
            names);
    return new ServerKey(own.getPrivate(), List.of(leaf));
  }

  private static X509Certificate sign(
      X500Name subject, KeyPair own, X500Name issuer, KeyPair signer, List<String> names) {
    Instant now = Instant.now();
    JcaX509v3CertificateBuilder builder =
        new JcaX509v3CertificateBuilder(
            issuer,
            BigInteger.valueOf(SERIALS.getAndIncrement()),
            Date.from(now.minus(Duration.ofHours(1))),
            Date.from(now.plus(Duration.ofDays(1))),
            subject,
            own.getPublic());
    try {
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(names.isEmpty()));
      if (!names.isEmpty()) {
        builder.addExtension(
            Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_serverAuth));
        builder.addExtension(
            Extension.subjectAlternativeName,
            false,
            new GeneralNames(
                names.stream().map(ControlPlanePki::name).toArray(GeneralName[]::new)));
      }
      return new JcaX509CertificateConverter()
          .getCertificate(
              builder.build(
                  new JcaContentSignerBuilder("SHA256withECDSA").build(signer.getPrivate())));
    } catch (IOException | OperatorCreationException | GeneralSecurityException e) {
      throw new IllegalStateException("cannot make a certificate", e);
    }
  }

  private static GeneralName name(String name) {
    boolean address =
        Stream.of(name)
            .anyMatch(n -> NetUtil.isValidIpV4Address(n) || NetUtil.isValidIpV6Address(n));
    return new GeneralName(address ? GeneralName.iPAddress : GeneralName.dNSName, name);
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
