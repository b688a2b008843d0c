package io.ztunnel.identity;

import static org.bouncycastle.asn1.sec.SECObjectIdentifiers.secp256r1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.log.LogCapture;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.PrivateKey;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bouncycastle.asn1.sec.ECPrivateKey;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class CertificateFilesTest {
  private static final SpiffeId WEB = new SpiffeId("cluster.local", "shop", "web");
  private static final SpiffeId DB = new SpiffeId("cluster.local", "shop", "db");
  private static final TestPki PKI = TestPki.root("files");

  private final FileWatch watch = new FileWatch();
  private final BlockingQueue<SpiffeId> changed = new LinkedBlockingQueue<>();
  @TempDir private Path directory;

  @AfterEach
  void stop() {
    watch.close();
  }

  private CertificateFiles open() {
    return open(Clock.systemUTC());
  }

  private CertificateFiles open(Clock clock) {
    CertificateFiles files =
        CertificateFiles.open(directory, new NoAuthority("asked the CA"), watch, clock);
    files.onChange(watch, changed::add);
    return files;
  }

  private static void certManager(Path set, KeyMaterial material) throws IOException {
    Files.createDirectories(set);
    Files.writeString(set.resolve("tls.key"), TestPki.pem(material.key()));
    Files.writeString(set.resolve("ca.crt"), TestPki.pem(material.roots()));
    Files.writeString(set.resolve("tls.crt"), TestPki.pem(material.chain()));
  }

  private static void spire(Path set, KeyMaterial material) throws IOException {
    Files.createDirectories(set);
    Files.writeString(set.resolve("svid_key.pem"), TestPki.pem(material.key()));
    Files.writeString(set.resolve("svid_bundle.pem"), TestPki.pem(material.roots()));
    Files.writeString(set.resolve("svid.pem"), TestPki.pem(material.chain()));
  }

  private static String error(Future<KeyMaterial> signed) {
    return String.valueOf(signed.cause().getMessage());
  }

  private void awaitChange(SpiffeId identity) throws InterruptedException {
    assertEquals(identity, changed.poll(5, TimeUnit.SECONDS));
  }

  @Test
  void filesOfBothToolsAreTakenAndTheRestIsAskedOfTheAuthority() throws IOException {
    KeyMaterial web = PKI.intermediate("upper").workload(WEB.toString());
    KeyMaterial db = PKI.workload(DB.toString());
    certManager(directory.resolve("any-name"), web);
    spire(directory.resolve("another"), db);
    CertificateFiles files = open();
    assertEquals(web.chain(), files.sign(WEB).getNow().chain());
    assertEquals(web.roots(), files.sign(WEB).getNow().roots());
    assertEquals(web.key(), files.sign(WEB).getNow().key());
    assertEquals(db.chain(), files.sign(DB).getNow().chain());
    SpiffeId other = new SpiffeId("cluster.local", "shop", "other");
    assertEquals("asked the CA", error(files.sign(other)));
  }

  @Test
  void oneSetMayLieInTheDirectoryItself() throws IOException {
    certManager(directory, PKI.workload(WEB.toString()));
    assertTrue(open().sign(WEB).isSuccess());
  }

  private static BigInteger secret(PrivateKey key) {
    return ((java.security.interfaces.ECPrivateKey) key).getS();
  }

  @Test
  void aKeyMayHaveTheOlderFormOfItsKind() throws IOException {
    KeyMaterial web = PKI.workload(WEB.toString());
    certManager(directory, web);
    byte[] der = new ECPrivateKey(256, secret(web.key()), secp256r1).getEncoded();
    Files.writeString(
        directory.resolve("tls.key"),
        "-----BEGIN EC PRIVATE KEY-----\n%s\n-----END EC PRIVATE KEY-----\n"
            .formatted(Base64.getMimeEncoder().encodeToString(der)));
    Future<KeyMaterial> signed = open().sign(WEB);
    assertNull(signed.cause());
    assertEquals(secret(web.key()), secret(signed.getNow().key()));
  }

  @Test
  void aSwappedVolumeIsTakenOver() throws Exception {
    KeyMaterial before = PKI.workload(WEB.toString());
    KeyMaterial after = PKI.workload(WEB.toString());
    Path set = directory.resolve("web");
    certManager(set.resolve("..1"), before);
    Files.createSymbolicLink(set.resolve("..data"), Path.of("..1"));
    for (String name : new String[] {"tls.crt", "tls.key", "ca.crt"}) {
      Files.createSymbolicLink(set.resolve(name), Path.of("..data", name));
    }
    CertificateFiles files = open();
    assertEquals(before.chain(), files.sign(WEB).getNow().chain());
    certManager(set.resolve("..2"), after);
    Files.createSymbolicLink(set.resolve("..data_tmp"), Path.of("..2"));
    Files.move(set.resolve("..data_tmp"), set.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
    awaitChange(WEB);
    assertEquals(after.chain(), files.sign(WEB).getNow().chain());
  }

  @Test
  void filesMayComeLaterAndGo() throws Exception {
    CertificateFiles files = open();
    assertEquals("asked the CA", error(files.sign(WEB)));
    Path set = directory.resolve("web");
    certManager(set, PKI.workload(WEB.toString()));
    awaitChange(WEB);
    assertTrue(files.sign(WEB).isSuccess());
    Files.delete(set.resolve("tls.crt"));
    awaitChange(WEB);
    assertEquals("asked the CA", error(files.sign(WEB)));
  }

  @Test
  void aBundleAloneMayChange() throws Exception {
    KeyMaterial web = PKI.workload(WEB.toString());
    certManager(directory, web);
    CertificateFiles files = open();
    TestPki next = TestPki.root("next");
    Files.writeString(
        directory.resolve("ca.crt"),
        TestPki.pem(List.of(PKI.rootCertificate(), next.rootCertificate())));
    awaitChange(WEB);
    assertEquals(2, files.sign(WEB).getNow().roots().size());
  }

  @Test
  void aSetThatSeemsExpiredByAWrongClockIsTakenOnceTheClockIsSetAndToldOnce() throws Exception {
    AtomicReference<Duration> wrongBy = new AtomicReference<>(Duration.ofDays(365 * 100));
    InstantSource clock = () -> Instant.now().plus(wrongBy.get());
    KeyMaterial web = PKI.workload(WEB.toString());
    certManager(directory.resolve("web"), web);
    try (LogCapture log = LogCapture.plain("error")) {
      CertificateFiles files = open(clock.withZone(ZoneOffset.UTC));
      assertEquals("asked the CA", error(files.sign(WEB)));
      assertNull(changed.poll(1, TimeUnit.SECONDS)); // it is tried again meanwhile
      wrongBy.set(Duration.ZERO);
      awaitChange(WEB);
      assertEquals(web.chain(), files.sign(WEB).getNow().chain());
      assertEquals(1, log.lines().size(), () -> log.lines().toString());
    }
  }

  /** What another program may get wrong. */
  interface Damage {
    void to(Path set) throws IOException;
  }

  static Stream<Arguments> damages() {
    Supplier<PrivateKey> otherKey = () -> PKI.workload(WEB.toString()).key();
    Instant end = Instant.now().minus(Duration.ofHours(1));
    return Stream.of(
        damage("garbage", set -> Files.writeString(set.resolve("tls.crt"), "garbage")),
        damage("half a file", set -> cut(set.resolve("tls.crt"))),
        damage("no key", set -> Files.delete(set.resolve("tls.key"))),
        damage("no roots", set -> Files.writeString(set.resolve("ca.crt"), "")),
        damage(
            "a key of another certificate",
            set -> Files.writeString(set.resolve("tls.key"), TestPki.pem(otherKey.get()))),
        damage("no SPIFFE identity", set -> certManager(set, PKI.leaf("https://a").material())),
        damage(
            "an expired certificate",
            set ->
                certManager(
                    set,
                    PKI.leaf(WEB.toString())
                        .valid(end.minus(Duration.ofHours(1)), end)
                        .material())));
  }

  private static Arguments damage(String what, Damage damage) {
    return Arguments.of(what, damage);
  }

  private static void cut(Path file) {
    try {
      String text = Files.readString(file);
      Files.writeString(file, text.substring(0, text.length() / 2));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("damages")
  void aSetThatDoesNotFitTogetherIsRefusedAloneAndItsFormerContentStays(String what, Damage damage)
      throws Exception {
    KeyMaterial web = PKI.workload(WEB.toString());
    Path set = directory.resolve("web");
    certManager(set, web);
    CertificateFiles files = open();
    damage.to(set);
    certManager(directory.resolve("db"), PKI.workload(DB.toString()));
    awaitChange(DB);
    assertEquals(web.chain(), files.sign(WEB).getNow().chain(), what);
    assertTrue(files.sign(DB).isSuccess());
    assertNull(changed.poll());
  }
}
