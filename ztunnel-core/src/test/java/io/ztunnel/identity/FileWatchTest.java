package io.ztunnel.identity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.Await;
import io.ztunnel.VirtualTime;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.hbone.TrustRoots;
import io.ztunnel.log.LogCapture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that change, and the list of revoked certificates that is read from one. */
class FileWatchTest {
  private static final String ID = "spiffe://cluster.local/ns/shop/sa/web";

  private static final int MAX_BYTES = 4096;

  private final FileWatch watch = new FileWatch();
  private final EventExecutor control = new DefaultEventExecutor();
  private final BlockingQueue<String> told = new LinkedBlockingQueue<>();
  private final RevokedCertificates target = new RevokedCertificates(control);
  private final TestPki root = TestPki.root("root");
  private final KeyMaterial workload = root.workload(ID);
  @TempDir private Path directory;

  @AfterEach
  void stop() {
    watch.close();
    control.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }

  private void awaitTold(String what) throws InterruptedException {
    assertNotNull(told.poll(5, TimeUnit.SECONDS), "not told: " + what);
  }

  /** A volume as the kubelet makes it: the file leads through a link that is swapped. */
  private Path volume(String content) throws IOException {
    swap(content, "..1");
    Path file = directory.resolve("file");
    Files.createSymbolicLink(file, Path.of("..data", "file"));
    return file;
  }

  private void swap(String content, String version) throws IOException {
    Path next = Files.createDirectory(directory.resolve(version));
    Files.writeString(next.resolve("file"), content);
    Path link = directory.resolve("..data_tmp");
    Files.createSymbolicLink(link, Path.of(version));
    Files.move(link, directory.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
  }

  @Test
  void aSwappedLinkAWrittenFileAndOneThatGoesAreChanges() throws Exception {
    Path file = volume("one");
    watch.watch(file, _ -> told.add("changed"));
    swap("two", "..2");
    awaitTold("swap");
    Files.writeString(file, "three!");
    awaitTold("write");
    Files.delete(file);
    awaitTold("gone");
    assertTrue(told.isEmpty(), "told more often than it changed");
  }

  @Test
  void aFileIsWaitedForWithItsDirectory() throws Exception {
    Path file = directory.resolve("later").resolve("file");
    watch.watch(file, _ -> told.add("changed"));
    Files.createDirectory(file.getParent());
    Files.writeString(file, "here");
    awaitTold("file");
  }

  @Test
  void filesInSubdirectoriesOfADirectoryCount() throws Exception {
    Path set = Files.createDirectory(directory.resolve("set"));
    watch.watch(directory, _ -> told.add("changed"));
    Files.writeString(set.resolve("tls.crt"), "here");
    awaitTold("file");
  }

  @Test
  void otherRightsAreAChange() throws Exception {
    Path file = volume("one");
    watch.watch(file, _ -> told.add("changed"));
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw-rw-"));
    awaitTold("rights");
  }

  @Test
  void anActionThatFailsDoesNotEndTheWatch() throws Exception {
    Path file = directory.resolve("file");
    watch.watch(
        file,
        _ -> {
          told.add("changed");
          throw new IllegalStateException("deliberate");
        });
    Files.writeString(file, "one");
    awaitTold("first");
    Files.writeString(file, "second");
    awaitTold("second");
  }

  @Test
  void aFirstRunThatFailsIsLogged() {
    try (LogCapture log = LogCapture.plain("error")) {
      watch.load(
          directory.resolve("file"),
          _ -> {
            throw new IllegalStateException("deliberate");
          });
      assertEquals(1, log.lines().size(), () -> log.lines().toString());
      assertTrue(log.lines().getFirst().contains("deliberate"), () -> log.lines().toString());
    }
  }

  private static IOException notNow() {
    return new NotNowException("too many open files", new IOException("deliberate"));
  }

  @Test
  void whatCannotBeReadAtFirstIsTriedAgainThoughNothingChanges() throws Exception {
    watch.load(
        Files.writeString(directory.resolve("file"), "one"),
        change -> {
          told.add("attempt");
          if (told.size() == 1) {
            boolean _ = change.failed(directory, notNow());
          }
        });
    Await.until("another attempt", () -> told.size() == 2);
    Thread.sleep(1_000); // that there is no third
    assertEquals(2, told.size());
  }

  @Test
  void pausesBetweenAttemptsDoubleUpToAMinuteAndEndWithAChange() throws Exception {
    VirtualTime time = new VirtualTime(Instant.EPOCH);
    List<Duration> pauses = new ArrayList<>();
    List<Boolean> news = new ArrayList<>();
    Instant[] last = {time.now()};
    Path file = Files.writeString(directory.resolve("file"), "one");
    new FileWatch(time.loop())
        .watch(
            file,
            change -> {
              pauses.add(Duration.between(last[0], time.now()));
              last[0] = time.now();
              news.add(change.failed(file, notNow()));
            });
    time.settle();
    Files.writeString(file, "second");
    time.pass(Duration.ofMinutes(5));
    List<Integer> looks = List.of(2, 1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256);
    assertEquals(
        looks.stream().map(FileWatch.PERIOD::multipliedBy).toList(),
        pauses.subList(0, looks.size()));
    assertEquals(1, news.stream().filter(first -> first).count(), "logged more than once");
    pauses.clear();
    Files.writeString(file, "the third");
    time.pass(Duration.ofSeconds(1));
    assertEquals(FileWatch.PERIOD, pauses.get(1));
    assertEquals(2, news.stream().filter(first -> first).count());
  }

  @Test
  void contentThatIsRefusedIsNotTriedAgainBeforeItChanges() throws Exception {
    Path file = Files.writeString(directory.resolve("file"), "garbage");
    watch.load(
        file,
        change -> {
          told.add("attempt");
          assertTrue(change.failed(file, new IOException("not a CRL")));
        });
    awaitTold("first");
    assertNull(told.poll(1, TimeUnit.SECONDS), "tried again");
  }

  private boolean isRevoked() {
    return target.revoked(workload.chain(), workload.roots()) != null;
  }

  private void openRevocations(Path file) throws Exception {
    var _ = target.observe(() -> told.add("revocations"));
    control.submit(() -> {}).get(5, TimeUnit.SECONDS);
    RevocationFile.open(file, MAX_BYTES, target, watch);
  }

  @Test
  void revocationsAreInForceWhenTheFileIsOpened() throws Exception {
    openRevocations(volume(root.crl(workload.leaf())));
    assertTrue(isRevoked());
    awaitTold("the first list");
  }

  @Test
  void revocationsFollowTheFile() throws Exception {
    openRevocations(volume(root.crl()));
    awaitTold("the first list");
    assertNull(target.revoked(workload.chain(), workload.roots()));
    swap(root.crl(workload.leaf()), "..2");
    awaitTold("the second");
    assertTrue(isRevoked());
    swap(root.crl(), "..3");
    awaitTold("the third");
    assertNull(target.revoked(workload.chain(), workload.roots()), "reset");
  }

  @Test
  void aBrokenOrMissingFileLeavesTheFormerListInForce() throws Exception {
    Path file = volume(root.crl(workload.leaf()));
    openRevocations(file);
    awaitTold("the first list");
    swap("garbage", "..2");
    Files.delete(file);
    assertNull(told.poll(1, TimeUnit.SECONDS), "taken over");
    assertTrue(isRevoked());
    Files.writeString(file, root.crl());
    awaitTold("mended");
    assertNull(target.revoked(workload.chain(), workload.roots()));
  }

  @Test
  void aLongerFileThanMayBeLeavesTheFormerListInForceAndSaysSo() throws Exception {
    Path file = volume(root.crl(workload.leaf()));
    openRevocations(file);
    awaitTold("the first list");
    try (LogCapture log = LogCapture.plain("error")) {
      swap(root.crl() + " ".repeat(MAX_BYTES), "..2");
      Await.until("an error", () -> !log.lines().isEmpty());
      assertTrue(log.lines().getFirst().contains("more than 4096 bytes"));
    }
    assertTrue(isRevoked());
    swap(root.crl(), "..3");
    awaitTold("mended");
  }

  @Test
  void aListThatIsBrokenAtTheStartCountsOnceItIsMended() throws Exception {
    Path file = volume("garbage");
    openRevocations(file);
    assertNull(target.revoked(workload.chain(), workload.roots()));
    swap(root.crl(workload.leaf()), "..2");
    awaitTold("mended");
    assertTrue(isRevoked());
  }

  @Test
  void aListThatIsMissingAtTheStartIsWaitedFor() throws Exception {
    Path file = directory.resolve("ca-crl.pem");
    openRevocations(file);
    Files.writeString(file, root.crl(workload.leaf()));
    awaitTold("the list");
    assertTrue(isRevoked());
  }

  @Test
  void rootsOfATrustDomainFollowTheirFile() throws Exception {
    TestPki second = TestPki.root("second");
    Path file = volume("garbage");
    TrustRoots roots = RootsFile.open("east.example", file, watch);
    assertEquals(List.of(), roots.roots());
    swap(TestPki.pem(List.of(root.rootCertificate())), "..2");
    awaitRoots(roots, root);
    swap(TestPki.pem(List.of(root.rootCertificate(), second.rootCertificate())), "..3");
    awaitRoots(roots, root, second);
    swap("", "..4");
    Files.delete(file);
    Thread.sleep(1_000); // that it is not taken over
    assertEquals(List.of(root.rootCertificate(), second.rootCertificate()), roots.roots());
  }

  private static void awaitRoots(TrustRoots roots, TestPki... expected) throws Exception {
    List<X509Certificate> all = Stream.of(expected).map(TestPki::rootCertificate).toList();
    Await.until(all.size() + " roots", () -> roots.roots().equals(all));
  }

  @Test
  void aFileWrittenAgainWithTheSameContentTellsNobody() throws Exception {
    String content = root.crl(workload.leaf());
    openRevocations(volume(content));
    awaitTold("the first list");
    swap(content, "..2");
    assertEquals(null, told.poll(1, TimeUnit.SECONDS));
  }
}
