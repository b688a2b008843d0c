package io.ztunnel.identity;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.ServerTls;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TlsSettings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrialAuthorityTest {
  private static final SpiffeId WEB = new SpiffeId("cluster.local", "shop", "web");
  private static final Duration VALIDITY = Duration.ofHours(24);
  private static final Instant NOW = Instant.parse("2030-01-01T12:00:00Z");

  private final List<TrialAuthority> opened = new ArrayList<>();
  @TempDir private Path parent;
  private Path directory;

  @BeforeEach
  void chooseDirectory() {
    directory = parent.resolve("trial").resolve("ca");
  }

  @AfterEach
  void closeAll() {
    opened.forEach(TrialAuthority::close);
  }

  private TrialAuthority open() throws IOException {
    TrialAuthority authority =
        TrialAuthority.open(directory, VALIDITY, Clock.fixed(NOW, ZoneOffset.UTC));
    synchronized (opened) {
      opened.add(authority);
    }
    return authority;
  }

  private static KeyMaterial sign(TrialAuthority authority, SpiffeId identity) throws Exception {
    Future<KeyMaterial> signed = authority.sign(identity);
    assertTrue(signed.await(10, TimeUnit.SECONDS));
    assertTrue(signed.isSuccess(), () -> String.valueOf(signed.cause()));
    return signed.getNow();
  }

  private static X509Certificate root(KeyMaterial material) {
    assertEquals(1, material.roots().size());
    return material.roots().getFirst();
  }

  @Test
  void theLeafHasTheOneIdentityAndWhatTlsNeeds() throws Exception {
    KeyMaterial material = sign(open(), WEB);
    X509Certificate leaf = material.leaf();
    assertEquals(1, material.chain().size());
    // 6 is a URI (RFC 5280, 4.2.1.6).
    assertEquals(
        List.of(List.of(6, "spiffe://cluster.local/ns/shop/sa/web")),
        List.copyOf(leaf.getSubjectAlternativeNames()));
    assertEquals("", leaf.getSubjectX500Principal().getName());
    assertEquals(Set.of("2.5.29.17", "2.5.29.15", "2.5.29.19"), leaf.getCriticalExtensionOIDs());
    assertEquals(List.of("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"), leaf.getExtendedKeyUsage());
    boolean[] usage = leaf.getKeyUsage();
    assertTrue(usage[0], "digital signature");
    assertFalse(usage[5], "may sign certificates");
    assertEquals(-1, leaf.getBasicConstraints(), "may be an authority");
  }

  @Test
  void theLeafIsValidFromALittleEarlierForAsLongAsTold() throws Exception {
    X509Certificate leaf = sign(open(), WEB).leaf();
    assertEquals(NOW.minus(Duration.ofMinutes(2)), leaf.getNotBefore().toInstant());
    assertEquals(NOW.plus(VALIDITY), leaf.getNotAfter().toInstant());
  }

  @Test
  void theLeafIsSignedByTheRootAndFitsItsKey() throws Exception {
    KeyMaterial material = sign(open(), WEB);
    X509Certificate root = root(material);
    assertDoesNotThrow(() -> material.leaf().verify(root.getPublicKey()));
    assertDoesNotThrow(() -> root.verify(root.getPublicKey()));
    assertTrue(root.getBasicConstraints() >= 0, "the root may not sign");
    byte[] text = {1, 2, 3};
    Signature signature = Signature.getInstance("SHA256withECDSA");
    signature.initSign(material.key());
    signature.update(text);
    byte[] signed = signature.sign();
    signature.initVerify(material.leaf());
    signature.update(text);
    assertTrue(signature.verify(signed));
  }

  @Test
  void everyCertificateHasItsOwnKeyAndSerial() throws Exception {
    TrialAuthority authority = open();
    KeyMaterial one = sign(authority, WEB);
    KeyMaterial other = sign(authority, WEB);
    assertNotEquals(one.leaf().getSerialNumber(), other.leaf().getSerialNumber());
    assertNotEquals(one.leaf().getPublicKey(), other.leaf().getPublicKey());
  }

  @Test
  void tlsTakesWhatIsSigned() throws Exception {
    KeyMaterial material = sign(open(), WEB);
    assertDoesNotThrow(() -> ServerTls.create(material, TlsSettings.defaults()).close());
  }

  @Test
  void twoDaemonsShareTheRootOfTheirDirectory() throws Exception {
    X509Certificate root = root(sign(open(), WEB));
    assertEquals(root, root(sign(open(), new SpiffeId("cluster.local", "shop", "db"))));
  }

  @Test
  void twoDirectoriesHaveTwoRoots() throws Exception {
    X509Certificate root = root(sign(open(), WEB));
    directory = parent.resolve("other");
    assertNotEquals(root, root(sign(open(), WEB)));
  }

  @Test
  void daemonsThatStartAtTheSameTimeShareOneRoot() throws Exception {
    int daemons = 4;
    CyclicBarrier start = new CyclicBarrier(daemons);
    try (ExecutorService threads = Executors.newFixedThreadPool(daemons)) {
      var opening =
          Stream.generate(
                  () ->
                      threads.submit(
                          () -> {
                            start.await(10, TimeUnit.SECONDS);
                            return root(sign(open(), WEB));
                          }))
              .limit(daemons)
              .toList();
      Set<X509Certificate> roots = new HashSet<>();
      for (var root : opening) {
        roots.add(root.get(20, TimeUnit.SECONDS));
      }
      assertEquals(1, roots.size());
    }
  }

  @Test
  void onlyTheOwnerMayReadTheFiles() throws Exception {
    open();
    assertEquals("rwx------", permissions(directory));
    try (Stream<Path> files = Files.list(directory)) {
      assertEquals(
          Set.of("root-key.pem rw-------", "root-cert.pem rw-------", "lock rw-------"),
          files
              .map(file -> file.getFileName() + " " + permissions(file))
              .collect(Collectors.toSet()));
    }
  }

  private static String permissions(Path file) {
    try {
      return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void whatAnInterruptedStartLeftBehindIsReplaced() throws Exception {
    open();
    Files.delete(directory.resolve("root-cert.pem"));
    Files.writeString(directory.resolve("root-cert.pem.new"), "half a certif");
    X509Certificate root = root(sign(open(), WEB));
    assertEquals(root, root(sign(open(), WEB)));
  }

  @ParameterizedTest(name = "{0} has {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          root-key.pem  | garbage     | empty (expected: PEM)
          root-key.pem  |             | empty (expected: PEM)
          root-key.pem  | other       | no private key found (expected: PKCS#8 PEM)
          root-cert.pem | garbage     | empty (expected: PEM)
          root-cert.pem | other       | no certificate found (expected: X.509 PEM)
          root-key.pem  | broken      | (expected: PEM)
          root-cert.pem | broken      | (expected: PEM)
          root-key.pem  | truncated   | (expected: PEM)
          root-cert.pem | truncated   | (expected: PEM)
          root-cert.pem | bent        | (expected: PEM)
          root-key.pem  | bent        | (expected: PEM)
          """)
  void aFileThatCannotBeReadIsNamed(String name, String content, String expected) throws Exception {
    open();
    Path file = directory.resolve(name);
    Path other = directory.resolve(name.equals("root-key.pem") ? "root-cert.pem" : "root-key.pem");
    String text = Files.readString(file);
    Files.writeString(
        file,
        switch (content) {
          case null -> "";
          case "garbage" -> "not a key\n";
          case "other" -> Files.readString(other);
          case "broken" -> text.replace("M", "!");
          case "truncated" -> text.substring(0, text.length() / 2);
          // Base64 as it should be, of other bytes.
          case "bent" -> text.replaceAll("(?s)-\\n.*\\n-", "-\nAAAA\n-");
          default -> throw new IllegalArgumentException(content);
        });
    String message = String.valueOf(assertThrows(IOException.class, this::open).getMessage());
    assertTrue(message.contains(file.toString()), message);
    assertTrue(message.contains(expected), message);
  }

  @Test
  void aKeyThatIsNotTheCertificatesIsRefused() throws Exception {
    open();
    Path first = directory;
    directory = parent.resolve("other");
    open();
    Files.copy(
        first.resolve("root-key.pem"),
        directory.resolve("root-key.pem"),
        StandardCopyOption.REPLACE_EXISTING);
    String message = String.valueOf(assertThrows(IOException.class, this::open).getMessage());
    assertTrue(message.contains(directory.resolve("root-key.pem").toString()), message);
    assertTrue(message.contains("root-cert.pem"), message);
  }

  @Test
  void aDirectoryThatCannotBeMadeIsNamed() throws Exception {
    directory = Files.createFile(parent.resolve("file")).resolve("ca");
    String message = String.valueOf(assertThrows(IOException.class, this::open).getMessage());
    assertTrue(message.contains(directory.toString()), message);
  }
}
