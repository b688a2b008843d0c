package io.ztunnel.identity;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.jspecify.annotations.Nullable;

/**
 * A certificate authority for trials and tests ({@code FAKE_CA=true}): a root of its own in a
 * directory, made by the first daemon that looks there and shared by all that do, which signs any
 * identity it is asked for. It proves nothing about who asks; the daemon warns loudly when it is
 * used.
 *
 * <p>Signs on one thread of its own; callable from any thread.
 */
public final class TrialAuthority implements CertificateAuthority {
  private static final String KEY_FILE = "root-key.pem";
  private static final String CERTIFICATE_FILE = "root-cert.pem";
  private static final String SIGNATURE = "SHA256withECDSA";
  private static final Duration ROOT_VALIDITY = Duration.ofDays(3650);

  /** How long another daemon may take to make the root. */
  private static final Duration LOCK_WAIT = Duration.ofSeconds(10);

  private static final long LOCK_POLL_MILLIS = 50;

  /** File locks are between processes; this one is between the threads of ours. */
  private static final Lock OPENING = new ReentrantLock();

  /** Clocks of two machines differ; a certificate is valid from a little earlier. */
  private static final Duration CLOCK_SKEW = Duration.ofMinutes(2);

  private final EventExecutor executor =
      new DefaultEventExecutor(new DefaultThreadFactory("trial-ca", true));
  private final SecureRandom random = new SecureRandom();
  private final Clock clock;
  private final Duration validity;
  private final PrivateKey rootKey;
  private final X509Certificate root;

  private TrialAuthority(Clock clock, Duration validity, PrivateKey rootKey, X509Certificate root) {
    this.clock = clock;
    this.validity = validity;
    this.rootKey = rootKey;
    this.root = root;
  }

  /**
   * Opens the authority of this directory, making the directory and the root if they are missing.
   *
   * @param validity how long the certificates of workloads are valid
   * @throws IOException naming the directory when it cannot be read or written, and the file when
   *     it is not what it should be
   */
  public static TrialAuthority open(Path directory, Duration validity, Clock clock)
      throws IOException {
    lockOpening(directory);
    try {
      Files.createDirectories(directory, permissions("rwx------"));
      try (FileChannel lockFile =
              FileChannel.open(
                  directory.resolve("lock"),
                  Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                  permissions("rw-------"));
          FileLock _ = lock(lockFile, directory)) {
        return openLocked(directory, validity, clock);
      }
    } catch (IOException | GeneralSecurityException | OperatorCreationException e) {
      throw new IOException(
          "trial certificate authority in " + directory + ": " + e.getMessage(), e);
    } finally {
      OPENING.unlock();
    }
  }

  private static void lockOpening(Path directory) throws IOException {
    try {
      if (!OPENING.tryLock(LOCK_WAIT.toMillis(), TimeUnit.MILLISECONDS)) {
        throw locked(directory);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting for " + directory);
    }
  }

  /** Another process holds the lock while it makes the root: for a moment, unless it hangs. */
  private static FileLock lock(FileChannel file, Path directory) throws IOException {
    for (long waited = 0; waited <= LOCK_WAIT.toMillis(); waited += LOCK_POLL_MILLIS) {
      @Nullable FileLock lock = file.tryLock();
      if (lock != null) {
        return lock;
      }
      try {
        Thread.sleep(LOCK_POLL_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while waiting for the lock");
      }
    }
    throw locked(directory);
  }

  private static IOException locked(Path directory) {
    return new IOException(
        "%s is locked by another process for more than %d s"
            .formatted(directory.resolve("lock"), LOCK_WAIT.toSeconds()));
  }

  private static TrialAuthority openLocked(Path directory, Duration validity, Clock clock)
      throws IOException, GeneralSecurityException, OperatorCreationException {
    Path keyFile = directory.resolve(KEY_FILE);
    Path certificateFile = directory.resolve(CERTIFICATE_FILE);
    if (!Files.exists(keyFile) || !Files.exists(certificateFile)) {
      generateRoot(clock, keyFile, certificateFile);
    }
    PrivateKey key = readKey(keyFile);
    X509Certificate certificate = readCertificate(certificateFile);
    if (!CertificateFiles.belongTogether(key, certificate)) {
      throw new IOException(
          keyFile + ": not the key of " + certificateFile + " (expected: both of one root)");
    }
    return new TrialAuthority(clock, validity, key, certificate);
  }

  private static FileAttribute<Set<PosixFilePermission>> permissions(String text) {
    return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text));
  }

  @Override
  public Future<KeyMaterial> sign(SpiffeId identity) {
    return executor.submit(() -> issue(identity));
  }

  private KeyMaterial issue(SpiffeId identity)
      throws GeneralSecurityException, OperatorCreationException, IOException {
    KeyPair pair = generateKey();
    Instant now = clock.instant();
    JcaX509v3CertificateBuilder builder =
        new JcaX509v3CertificateBuilder(
            root.getSubjectX500Principal(),
            new BigInteger(127, random).setBit(126),
            Date.from(now.minus(CLOCK_SKEW)),
            Date.from(now.plus(validity)),
            new javax.security.auth.x500.X500Principal(""),
            pair.getPublic());
    builder.addExtension(
        Extension.subjectAlternativeName,
        true,
        new GeneralNames(
            new GeneralName(GeneralName.uniformResourceIdentifier, identity.toString())));
    builder.addExtension(
        Extension.keyUsage,
        true,
        new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment));
    builder.addExtension(
        Extension.extendedKeyUsage,
        false,
        new ExtendedKeyUsage(
            new KeyPurposeId[] {KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth}));
    builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
    return new KeyMaterial(pair.getPrivate(), List.of(sign(builder, rootKey)), List.of(root));
  }

  private static void generateRoot(Clock clock, Path keyFile, Path certificateFile)
      throws GeneralSecurityException, OperatorCreationException, IOException {
    KeyPair pair = generateKey();
    Instant now = clock.instant();
    X500Name name = new X500Name("O=ztunnel trial, CN=for trials only");
    JcaX509v3CertificateBuilder builder =
        new JcaX509v3CertificateBuilder(
            name,
            new BigInteger(127, new SecureRandom()).setBit(126),
            Date.from(now.minus(CLOCK_SKEW)),
            Date.from(now.plus(ROOT_VALIDITY)),
            name,
            pair.getPublic());
    builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(true));
    builder.addExtension(
        Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign));
    X509Certificate certificate = sign(builder, pair.getPrivate());
    write(keyFile, new JcaPKCS8Generator(pair.getPrivate(), null));
    write(certificateFile, certificate);
  }

  private static KeyPair generateKey() throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static X509Certificate sign(JcaX509v3CertificateBuilder builder, PrivateKey key)
      throws OperatorCreationException, GeneralSecurityException {
    X509CertificateHolder holder = builder.build(new JcaContentSignerBuilder(SIGNATURE).build(key));
    return new JcaX509CertificateConverter().getCertificate(holder);
  }

  /** Writes beside the file and renames, readable by the owner only from the first byte on. */
  private static void write(Path file, Object pem) throws IOException {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(pem);
    }
    Path temporary = file.resolveSibling(file.getFileName() + ".new");
    Files.deleteIfExists(temporary);
    Files.createFile(temporary, permissions("rw-------"));
    Files.writeString(temporary, text.toString());
    Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
  }

  private static PrivateKey readKey(Path file) throws IOException {
    if (readPem(file) instanceof PrivateKeyInfo key) {
      try {
        return new JcaPEMKeyConverter().getPrivateKey(key);
      } catch (IOException e) {
        throw unreadable(file, e);
      }
    }
    throw new IOException(file + ": no private key found (expected: PKCS#8 PEM)");
  }

  private static X509Certificate readCertificate(Path file) throws IOException {
    if (readPem(file) instanceof X509CertificateHolder certificate) {
      try {
        return new JcaX509CertificateConverter().getCertificate(certificate);
      } catch (CertificateException e) {
        throw unreadable(file, e);
      }
    }
    throw new IOException(file + ": no certificate found (expected: X.509 PEM)");
  }

  private static Object readPem(Path file) throws IOException {
    @Nullable Object object;
    try (PEMParser parser = new PEMParser(Files.newBufferedReader(file))) {
      object = parser.readObject();
    } catch (IOException e) {
      throw unreadable(file, e);
    }
    if (object == null) {
      throw new IOException(file + ": empty (expected: PEM)");
    }
    return object;
  }

  private static IOException unreadable(Path file, Exception cause) {
    return new IOException(file + ": " + cause.getMessage() + " (expected: PEM)", cause);
  }

  @Override
  public void close() {
    executor.shutdownGracefully(0, 2, TimeUnit.SECONDS);
  }
}
