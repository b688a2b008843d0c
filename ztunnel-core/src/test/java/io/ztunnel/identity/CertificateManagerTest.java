package io.ztunnel.identity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.VirtualTime;
import io.ztunnel.hbone.ConnectHandler;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.HboneObserver;
import io.ztunnel.hbone.HboneServer;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.hbone.TlsPeer;
import io.ztunnel.hbone.TlsSettings;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CertificateManagerTest {
  private static final SpiffeId WEB = new SpiffeId("cluster.local", "shop", "web");
  private static final SpiffeId DB = new SpiffeId("cluster.local", "shop", "db");
  private static final TestPki PKI = TestPki.root("identity");
  private static final TlsSettings TLS = new TlsSettings(TlsSettings.Provider.JDK, false, false);

  // nextDouble() of the three: 0, one half, almost 1.
  private static final RandomGenerator LOWEST = () -> 0L;
  private static final RandomGenerator MIDDLE = () -> Long.MIN_VALUE;
  private static final RandomGenerator HIGHEST = () -> -1L;

  private final VirtualTime time = new VirtualTime(Instant.parse("2030-01-01T00:00:00Z"));
  private final ScriptedAuthority authority = new ScriptedAuthority(time.loop());
  private final CertificateManager manager = manager(LOWEST);

  private CertificateManager manager(RandomGenerator random) {
    return new CertificateManager(
        time.loop(),
        authority,
        TLS,
        Map.of(),
        new RevokedCertificates(time.loop()),
        time.clock(),
        random);
  }

  private Future<WorkloadTls> fetch(SpiffeId identity) {
    Future<WorkloadTls> future = manager.fetch(identity, time.loop());
    time.settle();
    return future;
  }

  private static KeyMaterial validFor(Instant from, Duration validity) {
    return PKI.leaf(WEB.toString()).valid(from, from.plus(validity)).material();
  }

  private void answer(KeyMaterial material) {
    authority.answer(material);
    time.settle();
  }

  private void refuse(String reason) {
    authority.refuse(reason);
    time.settle();
  }

  /** Fetches and is answered: a certificate valid for an hour from now. */
  private WorkloadTls obtained() {
    Future<WorkloadTls> future = fetch(WEB);
    answer(validFor(time.now(), Duration.ofHours(1)));
    return future.getNow();
  }

  private static String failure(Future<?> future) {
    assertTrue(future.isDone(), "not done");
    assertNotNull(future.cause(), "succeeded");
    return String.valueOf(future.cause().getMessage());
  }

  /** Whether connections can still be accepted with it. */
  private static boolean isUsable(WorkloadTls tls) {
    List<HboneFailure> failures = new ArrayList<>();
    EmbeddedChannel accepted = new EmbeddedChannel();
    HboneServer.serve(
        accepted,
        accepted.eventLoop().newSucceededFuture(tls.server()),
        HboneSettings.defaults(),
        new ConnectHandler() {
          @Override
          public void onEstablished(TlsPeer peer) {}

          @Override
          public void onConnect(InboundConnect connect) {}

          @Override
          public void onHandshakeFailed(HboneFailure failure) {
            failures.add(failure);
          }

          @Override
          public void onClosed() {}
        },
        HboneObserver.NONE);
    accepted.runPendingTasks();
    boolean refused =
        failures.stream().anyMatch(failure -> failure instanceof HboneFailure.IdentityUnavailable);
    accepted.finishAndReleaseAll();
    return !refused;
  }

  @Test
  void oneCallAnswersAllWhoAskForTheIdentity() {
    List<Future<WorkloadTls>> fetched =
        Stream.generate(() -> manager.fetch(WEB, time.loop())).limit(4).toList();
    manager.prefetch(WEB);
    time.settle();
    assertEquals(List.of(WEB), authority.asked);
    assertTrue(fetched.stream().noneMatch(Future::isDone));
    answer(validFor(time.now(), Duration.ofHours(1)));
    Set<WorkloadTls> handedOut = Collections.newSetFromMap(new IdentityHashMap<>());
    fetched.forEach(future -> handedOut.add(future.getNow()));
    assertEquals(1, handedOut.size());
    assertEquals(List.of(WEB), authority.asked);
  }

  @Test
  void eachIdentityIsAskedForByItself() {
    fetch(WEB);
    fetch(DB);
    assertEquals(List.of(WEB, DB), authority.asked);
  }

  @Test
  void aCertificateThatIsThereIsHandedOutWithoutAThreadChange() {
    WorkloadTls tls = obtained();
    assertSame(tls, manager.fetch(WEB, time.loop()).getNow());
    assertEquals(1, authority.asked.size());
  }

  @Test
  void aPrefetchedCertificateIsThereForTheFirstConnection() {
    manager.prefetch(WEB);
    time.settle();
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(manager.fetch(WEB, time.loop()).isSuccess());
  }

  @Test
  void theAskersExecutorHearsTheAnswer() throws Exception {
    EventExecutor asker = new DefaultEventExecutor();
    try {
      Future<WorkloadTls> future = manager.fetch(WEB, asker);
      Future<Boolean> onAsker = onCompletion(future, asker);
      time.settle();
      answer(validFor(time.now(), Duration.ofHours(1)));
      assertTrue(onAsker.await(10, TimeUnit.SECONDS));
      assertTrue(onAsker.getNow());
    } finally {
      asker.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
  }

  private static Future<Boolean> onCompletion(Future<?> future, EventExecutor expected) {
    var promise = expected.<Boolean>newPromise();
    future.addListener(_ -> promise.setSuccess(expected.inEventLoop()));
    return promise;
  }

  /** The authority may hear of a pod a moment after the node did. */
  @Test
  void whoNeedsAFirstCertificateWaitsForTheFirstRetryToo() {
    Future<WorkloadTls> first = fetch(WEB);
    refuse("no such pod");
    Future<WorkloadTls> second = fetch(WEB);
    assertFalse(first.isDone() || second.isDone());
    assertEquals(1, authority.asked.size());
    time.pass(Duration.ofMillis(1_200));
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(first.isSuccess() && second.isSuccess());
  }

  @Test
  void aSecondFailureIsTheAnswerUntilARetrySucceeds() {
    Future<WorkloadTls> first = fetch(WEB);
    refuse("CA is down");
    time.pass(Duration.ofMillis(1_200));
    refuse("CA is still down");
    assertEquals("CA is still down", failure(first));
    assertEquals("CA is still down", failure(fetch(WEB)));
    assertEquals(2, authority.asked.size());
    time.pass(Duration.ofSeconds(3));
    assertEquals(3, authority.asked.size());
    assertEquals("CA is still down", failure(fetch(WEB)));
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(fetch(WEB).isSuccess());
  }

  @Test
  void aConnectionBringsARetryThatIsFarAwayForward() {
    manager.prefetch(WEB);
    time.settle();
    for (int failure = 0; failure < 12; failure++) {
      refuse("CA is down");
      time.pass(Duration.ofMinutes(3)); // the longest pause
    }
    refuse("CA is down"); // from now on it would answer
    int before = authority.asked.size();
    time.pass(Duration.ofSeconds(30));
    assertEquals(before, authority.asked.size(), "nobody needs it");
    fillAllCalls();
    manager.prefetch(DB);
    assertEquals("CA is down", failure(fetch(WEB)));
    time.pass(Duration.ofMillis(1));
    for (int i = 0; i < SigningQueue.PARALLEL; i++) {
      refuse("make room");
    }
    assertEquals(List.of(WEB, DB), authority.asked);
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(fetch(WEB).isSuccess());
  }

  @Test
  void connectionsDoNotHurryAnAuthorityThatHasJustFailed() {
    Future<WorkloadTls> _ = fetch(WEB);
    for (int failure = 0; failure < 12; failure++) {
      refuse("CA is down");
      int before = authority.asked.size();
      for (int millis = 0; millis < 790; millis += 10) {
        Future<WorkloadTls> _ = fetch(WEB);
        time.pass(Duration.ofMillis(10));
        assertEquals(before, authority.asked.size(), "after " + millis + " ms");
      }
      time.pass(Duration.ofMillis(5_210));
      assertEquals(before + 1, authority.asked.size());
    }
  }

  @Test
  void theStateTellsTheErrorAndTheTimeOfTheRetry() {
    CertificateManager steady = manager(MIDDLE);
    steady.prefetch(WEB);
    time.settle();
    assertEquals(
        new CertificateState.Initializing(),
        steady.states().get("spiffe://cluster.local/ns/shop/sa/web"));
    refuse("CA is down");
    CertificateState.Unavailable state =
        assertInstanceOf(CertificateState.Unavailable.class, steady.states().get(WEB.toString()));
    assertEquals("CA is down", state.error());
    time.pass(Duration.between(time.now(), state.retryAt()).minusMillis(1));
    assertEquals(1, authority.asked.size());
    time.pass(Duration.ofMillis(1));
    assertEquals(2, authority.asked.size());
  }

  @Test
  void aFailureWithoutAMessageIsNamedByItsKind() {
    Future<WorkloadTls> first = fetch(WEB);
    for (int attempt = 0; attempt < 2; attempt++) {
      authority.refuseWith(new TimeoutException());
      time.pass(Duration.ofSeconds(2));
    }
    assertEquals("java.util.concurrent.TimeoutException", failure(first));
  }

  @Test
  void pausesGrowWithFailuresAndStartAgainAfterASuccess() {
    fetch(WEB);
    for (int seconds : new int[] {1, 2, 4, 8}) {
      int before = authority.asked.size();
      refuse("CA is down");
      time.pass(Duration.ofMillis(seconds * 800L - 1));
      assertEquals(before, authority.asked.size(), seconds + " s: retried too early");
      time.pass(Duration.ofMillis(1));
      assertEquals(before + 1, authority.asked.size(), seconds + " s: not retried");
    }
    answer(validFor(time.now(), Duration.ofHours(1)));
    time.pass(Duration.ofMinutes(30));
    int before = authority.asked.size();
    refuse("CA is down again");
    time.pass(Duration.ofMillis(800));
    assertEquals(before + 1, authority.asked.size());
  }

  @ParameterizedTest(name = "after {0} failures: {1} to {2} ms")
  @CsvSource({
    "1, 800, 1200",
    "2, 1600, 2400",
    "3, 3200, 4800",
    "8, 102400, 153600",
    "9, 120000, 180000",
    "11, 120000, 180000",
    "12, 120000, 180000",
    "64, 120000, 180000",
    "2147483647, 120000, 180000",
  })
  void retryPausesDoubleUpToALimit(int failures, long shortest, long longest) {
    assertEquals(shortest, CertificateManager.retryPause(failures, LOWEST).toMillis());
    // The longest is never quite reached.
    assertEquals(
        longest, CertificateManager.retryPause(failures, HIGHEST).plusMillis(1).toMillis());
  }

  @ParameterizedTest(name = "{0} to {1}, seen at {2}: {3} to {4} s")
  @CsvSource({
    // Jitter is five hundredths of the validity, before its half.
    "0, 1000, 0, 450, 500",
    "0, 1000, 100, 350, 400",
    "0, 1000, 470, 0, 30",
    "0, 1000, 500, 0, 0",
    "0, 1000, 999, 0, 0",
    "0, 1000, 5000, 0, 0",
    "-600, 400, 0, 0, 0",
    // Valid from a later time on: as if from now on. Or never.
    "100, 1000, 0, 405, 450",
    "1000, 0, 500, 0, 0",
    "0, 0, 0, 0, 0",
  })
  void renewalComesAtHalfOfTheValidity(
      int from, int to, int at, long earliestSeconds, long latestSeconds) {
    Instant epoch = Instant.parse("2030-01-01T00:00:00Z");
    KeyMaterial material =
        PKI.leaf(WEB.toString()).valid(epoch.plusSeconds(from), epoch.plusSeconds(to)).material();
    Instant now = epoch.plusSeconds(at);
    assertEquals(
        Duration.ofSeconds(latestSeconds),
        CertificateManager.untilRenewal(material.leaf(), now, LOWEST));
    Duration earliest = CertificateManager.untilRenewal(material.leaf(), now, HIGHEST);
    assertTrue(
        earliest.minusSeconds(earliestSeconds).abs().toMillis() <= 1,
        earliest + " (expected: " + earliestSeconds + " s)");
  }

  @Test
  void aClockBehindTheAuthoritysDoesNotAskAllTheTime() {
    Future<WorkloadTls> first = fetch(WEB);
    answer(validFor(time.now().plus(Duration.ofMinutes(5)), Duration.ofHours(1)));
    assertTrue(first.isSuccess());
    time.pass(Duration.ofMinutes(30).minusMillis(1));
    assertEquals(1, authority.asked.size());
    time.pass(Duration.ofMillis(1));
    assertEquals(2, authority.asked.size());
  }

  @Test
  void aRenewedCertificateTakesTheFormersPlace() {
    WorkloadTls former = obtained();
    time.pass(Duration.ofMinutes(30).minusMillis(1));
    assertEquals(1, authority.asked.size());
    time.pass(Duration.ofMillis(1));
    assertEquals(2, authority.asked.size());
    assertSame(former, fetch(WEB).getNow(), "gone while its successor is in the making");
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertNotSame(former, fetch(WEB).getNow());
    time.pass(Duration.ofMinutes(30));
    assertEquals(3, authority.asked.size());
  }

  @Test
  void aReplacedCertificateServesConnectionsInTheMakingForAMinute() {
    WorkloadTls former = obtained();
    time.pass(Duration.ofMinutes(30));
    answer(validFor(time.now(), Duration.ofHours(1)));
    time.pass(Duration.ofSeconds(59));
    assertTrue(isUsable(former));
    time.pass(Duration.ofSeconds(1));
    assertFalse(isUsable(former));
    assertTrue(isUsable(fetch(WEB).getNow()));
  }

  @Test
  void aValidCertificateIsKeptWhenItsRenewalFails() {
    WorkloadTls tls = obtained();
    time.pass(Duration.ofMinutes(30));
    refuse("CA is down");
    assertSame(tls, fetch(WEB).getNow());
    time.pass(Duration.ofSeconds(1));
    assertEquals(3, authority.asked.size(), "no further attempt was made");
    refuse("CA is down");
    assertSame(tls, fetch(WEB).getNow());
    assertTrue(isUsable(tls));
  }

  @Test
  void theLastAttemptIsMadeWhenTheCertificateExpiresThenThereIsNone() {
    WorkloadTls tls = obtained();
    Instant expiry = time.now().plus(Duration.ofHours(1));
    time.pass(Duration.ofMinutes(30));
    while (time.now().isBefore(expiry)) {
      refuse("CA is down");
      assertSame(tls, fetch(WEB).getNow());
      int before = authority.asked.size();
      while (authority.asked.size() == before) {
        assertFalse(time.now().isAfter(expiry), "nobody tried when it expired");
        time.pass(Duration.ofSeconds(1));
      }
    }
    assertEquals(expiry, time.now());
    refuse("CA is still down");
    assertEquals("CA is still down", failure(fetch(WEB)));
  }

  @Test
  void anExpiredCertificateIsFreedWhenNothingTakesItsPlace() {
    WorkloadTls tls = obtained();
    time.pass(Duration.ofMinutes(30));
    time.pass(Duration.ofMinutes(31)); // the authority takes its time
    refuse("CA is down");
    assertEquals("CA is down", failure(fetch(WEB)));
    time.pass(Duration.ofMinutes(1));
    assertFalse(isUsable(tls));
  }

  @Test
  void whoeverComesAfterTheNodeSleptPastTheExpiryWaitsForTheRenewalAndItIsMadeFirst() {
    WorkloadTls former = obtained();
    fillAllCalls();
    manager.prefetch(DB);
    time.sleep(Duration.ofHours(25));
    Future<WorkloadTls> first = fetch(WEB);
    assertFalse(first.isDone(), "answered with an expired certificate");
    Future<WorkloadTls> second = fetch(WEB);
    refuse("make room");
    assertEquals(List.of(WEB), authority.asked);
    for (int i = 1; i < SigningQueue.PARALLEL; i++) {
      refuse("make room");
    }
    assertEquals(List.of(WEB, DB), authority.asked);
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertNotSame(former, first.getNow());
    assertSame(first.getNow(), second.getNow());
    assertSame(first.getNow(), fetch(WEB).getNow());
  }

  @Test
  void whoWaitsForARenewalAfterTheExpiryIsToldThatItFailed() {
    WorkloadTls _ = obtained();
    time.sleep(Duration.ofHours(25));
    Future<WorkloadTls> refused = fetch(WEB);
    refuse("CA is down");
    assertEquals("CA is down", failure(refused));
    assertEquals("CA is down", failure(fetch(WEB)));
    time.pass(Duration.ofSeconds(1));
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(fetch(WEB).isSuccess());
  }

  @Test
  void whoCameWhileTheClockWasAheadGetsTheCertificateThatIsValidAgain() {
    WorkloadTls tls = obtained();
    time.sleep(Duration.ofHours(25));
    Future<WorkloadTls> waiting = fetch(WEB);
    time.sleep(Duration.ofHours(-25));
    refuse("CA is down");
    assertSame(tls, waiting.getNow());
  }

  @Test
  void nobodyWaitsLongerThanTenSecondsForARenewalAfterTheExpiry() {
    WorkloadTls _ = obtained();
    time.sleep(Duration.ofHours(25));
    Future<WorkloadTls> waiting = fetch(WEB);
    time.pass(Duration.ofSeconds(10));
    assertEquals("certificate pending for 10 s", failure(waiting));
  }

  @Test
  void aRenewalThatCameDueWhileTheNodeSleptIsMadeWithinAMinute() {
    WorkloadTls _ = obtained();
    time.sleep(Duration.ofMinutes(40));
    time.pass(Duration.ofMinutes(1));
    assertEquals(2, authority.asked.size());
  }

  @Test
  void aClockThatIsSetBackDelaysNoRenewal() {
    WorkloadTls _ = obtained();
    time.sleep(Duration.ofHours(-25));
    time.pass(Duration.ofMinutes(30));
    assertEquals(2, authority.asked.size());
  }

  @ParameterizedTest(name = "valid from {0} s to {1} s from now")
  @CsvSource({"-120, 60", "-7200, -3600"})
  void anAuthorityWhoseCertificatesAreAlwaysDueIsNotAskedWithoutPause(int from, int to) {
    fetch(WEB);
    int asked = 1;
    for (int second = 0; second < 5; second++) {
      answer(validFor(time.now().plusSeconds(from), Duration.ofSeconds(to - from)));
      assertEquals(asked, authority.asked.size());
      time.pass(Duration.ofSeconds(1));
      asked++;
      assertEquals(asked, authority.asked.size());
    }
  }

  @Test
  void nobodyWaitsLongerThanTenSecondsForTheFirstCertificate() {
    Future<WorkloadTls> early = fetch(WEB);
    time.pass(Duration.ofSeconds(4));
    Future<WorkloadTls> late = fetch(WEB);
    time.pass(Duration.ofSeconds(6));
    assertEquals("certificate pending for 10 s", failure(early));
    assertFalse(late.isDone());
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(late.isSuccess());
    assertEquals(1, authority.asked.size());
  }

  @Test
  void anIdentityForgottenMeanwhileIsToldToWhoWaits() {
    Future<WorkloadTls> future = fetch(WEB);
    manager.forget(WEB);
    time.settle();
    assertEquals("the identity is no longer needed", failure(future));
    assertTrue(manager.states().isEmpty());
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(manager.states().isEmpty(), "the late answer was kept");
    time.pass(Duration.ofHours(1));
    assertEquals(1, authority.asked.size());
  }

  @Test
  void aForgottenIdentityIsNeitherKeptNorRenewed() {
    WorkloadTls tls = obtained();
    manager.forget(WEB);
    time.settle();
    assertTrue(manager.states().isEmpty());
    time.pass(Duration.ofMinutes(1));
    assertFalse(isUsable(tls));
    time.pass(Duration.ofHours(1));
    assertEquals(1, authority.asked.size());
    assertFalse(time.hasTimers());
  }

  @Test
  void aForgottenIdentityIsNotRetried() {
    fetch(WEB);
    refuse("CA is down");
    manager.forget(WEB);
    time.pass(Duration.ofMinutes(5));
    assertEquals(1, authority.asked.size());
    assertFalse(time.hasTimers());
  }

  @Test
  void anIdentityThatComesBackTakesTheAnswerThatIsOnItsWay() {
    fetch(WEB);
    manager.forget(WEB);
    Future<WorkloadTls> again = fetch(WEB);
    assertEquals(1, authority.asked.size());
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(again.isSuccess());
  }

  @Test
  void anIdentityThatIsAskedForAfterItWasForgottenGoesWhenNobodyAsksAnyMore() {
    manager.forget(WEB);
    WorkloadTls _ = obtained();
    time.pass(Duration.ofMinutes(30)); // half of its validity
    assertEquals(2, authority.asked.size(), "it was in use");
    answer(validFor(time.now(), Duration.ofHours(1)));
    time.pass(Duration.ofMinutes(30));
    assertTrue(manager.states().isEmpty());
    time.pass(Duration.ofHours(1));
    assertEquals(2, authority.asked.size());
    assertFalse(time.hasTimers());
  }

  @Test
  void anIdentityThatTheAuthorityRefusesAfterItWasForgottenIsNotAskedForAnyMore() {
    manager.forget(WEB);
    fetch(WEB);
    refuse("no such account");
    time.pass(Duration.ofSeconds(2)); // the pause
    refuse("no such account");
    time.pass(Duration.ofMinutes(5));
    assertEquals(2, authority.asked.size());
    assertTrue(manager.states().isEmpty());
    assertFalse(time.hasTimers());
  }

  @Test
  void aForgottenIdentityThatAConnectionUsesIsRenewed() {
    manager.forget(WEB);
    WorkloadTls _ = obtained();
    for (int i = 2; i < 6; i++) {
      time.pass(Duration.ofMinutes(30));
      assertEquals(i, authority.asked.size());
      answer(validFor(time.now(), Duration.ofHours(1)));
      assertTrue(fetch(WEB).isSuccess());
    }
  }

  @Test
  void aForgottenIdentityThatAConnectionUsesOutlivesAnAuthorityThatIsAway() {
    manager.forget(WEB);
    WorkloadTls tls = obtained();
    time.pass(Duration.ofMinutes(30));
    refuse("CA is down");
    time.pass(Duration.ofSeconds(2)); // the pause, in which nobody asks
    assertEquals(3, authority.asked.size());
    assertSame(tls, fetch(WEB).getNow());
  }

  @Test
  void anIdentityThatAWorkloadHasAgainIsKept() {
    manager.forget(WEB);
    manager.prefetch(WEB);
    time.settle();
    for (int i = 1; i < 5; i++) {
      assertEquals(i, authority.asked.size());
      answer(validFor(time.now(), Duration.ofHours(1)));
      time.pass(Duration.ofMinutes(30));
    }
  }

  private static SpiffeId workload(int number) {
    return new SpiffeId("cluster.local", "shop", "w" + number);
  }

  /** Has as many calls under way as there may be. */
  private void fillAllCalls() {
    for (int i = 0; i < SigningQueue.PARALLEL; i++) {
      manager.prefetch(workload(i));
    }
    time.settle();
    authority.asked.clear();
  }

  @Test
  void aConnectionThatWaitsComesBeforeWhatIsPrefetched() {
    fillAllCalls();
    manager.prefetch(WEB);
    Future<WorkloadTls> _ = fetch(DB);
    refuse("make room");
    refuse("make room");
    assertEquals(List.of(DB, WEB), authority.asked);
  }

  @Test
  void aPrefetchedIdentityIsRaisedWhenAConnectionWaitsForIt() {
    fillAllCalls();
    manager.prefetch(WEB);
    manager.prefetch(DB);
    Future<WorkloadTls> _ = fetch(DB);
    refuse("make room");
    refuse("make room");
    assertEquals(List.of(DB, WEB), authority.asked);
  }

  @Test
  void renewalsComeAfterEverythingElse() {
    WorkloadTls _ = obtained();
    fillAllCalls();
    time.pass(Duration.ofMinutes(30)); // the renewal is due
    manager.prefetch(DB);
    time.settle();
    refuse("make room");
    refuse("make room");
    assertEquals(List.of(DB, WEB), authority.asked);
  }

  @Test
  void anIdentityForgottenInTheQueueIsNotAskedFor() {
    fillAllCalls();
    Future<WorkloadTls> forgotten = fetch(WEB);
    manager.forget(WEB);
    manager.prefetch(DB);
    time.settle();
    refuse("make room");
    refuse("make room");
    assertEquals("the identity is no longer needed", failure(forgotten));
    assertEquals(List.of(DB), authority.asked);
  }

  private static KeyMaterial from(TestPki pki, SpiffeId identity, TestPki... trusted) {
    return pki.leaf(identity.toString())
        .valid(Instant.parse("2030-01-01T00:00:00Z"), Instant.parse("2030-01-01T01:00:00Z"))
        .trusting(Stream.of(trusted).map(TestPki::rootCertificate).toArray(X509Certificate[]::new))
        .material();
  }

  private WorkloadTls obtain(SpiffeId identity, KeyMaterial material) {
    Future<WorkloadTls> future = fetch(identity);
    answer(material);
    return future.getNow();
  }

  @Test
  void newRootsCountForAllIdentitiesOfTheTrustDomainAtOnce() {
    TestPki next = TestPki.root("next");
    obtain(WEB, from(PKI, WEB, PKI));
    assertEquals(List.of(PKI.rootCertificate()), manager.trusted("cluster.local"));
    obtain(DB, from(next, DB, next, PKI));
    assertEquals(
        List.of(PKI.rootCertificate(), next.rootCertificate()), manager.trusted("cluster.local"));
    SpiffeId elsewhere = new SpiffeId("elsewhere", "shop", "web");
    TestPki third = TestPki.root("third");
    obtain(elsewhere, from(third, elsewhere, third));
    assertEquals(List.of(third.rootCertificate()), manager.trusted("elsewhere"));
    assertEquals(2, manager.trusted("cluster.local").size());
  }

  @Test
  void aRootGoesWithTheLastCertificateThatItCameWith() {
    TestPki next = TestPki.root("next");
    obtain(WEB, from(PKI, WEB, PKI));
    obtain(DB, from(PKI, DB, PKI));
    manager.renew(WEB);
    time.settle();
    answer(from(next, WEB, next));
    assertEquals(2, manager.trusted("cluster.local").size());
    manager.renew(DB);
    time.settle();
    answer(from(next, DB, next));
    assertEquals(List.of(next.rootCertificate()), manager.trusted("cluster.local"));
    manager.forget(WEB);
    manager.forget(DB);
    time.settle();
    assertEquals(List.of(), manager.trusted("cluster.local"));
  }

  @Test
  void aRenewalByOrderIsMadeAtOnceAndNotContentWithAnEarlierCall() {
    Future<WorkloadTls> first = fetch(WEB);
    manager.renew(WEB);
    time.settle();
    assertEquals(1, authority.asked.size());
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertTrue(first.isSuccess());
    assertEquals(2, authority.asked.size(), "the outdated call was not repeated");
    answer(validFor(time.now(), Duration.ofHours(1)));
    assertNotSame(first.getNow(), fetch(WEB).getNow());
    manager.renew(DB);
    time.settle();
    assertEquals(2, authority.asked.size(), "nobody has asked for this one");
  }

  @Test
  void anAuthorityWithoutANewerCertificateIsAskedAgainAtHalfOfWhatIsLeft() {
    Future<WorkloadTls> future = fetch(WEB);
    KeyMaterial material = validFor(time.now(), Duration.ofHours(1));
    answer(material);
    time.pass(Duration.ofMinutes(30));
    answer(material);
    assertSame(future.getNow(), fetch(WEB).getNow(), "replaced by itself");
    time.pass(Duration.ofMinutes(15).minusMillis(1));
    assertEquals(2, authority.asked.size());
    time.pass(Duration.ofMillis(1));
    assertEquals(3, authority.asked.size());
    time.pass(Duration.ofMinutes(16)); // now it has expired
    answer(material);
    assertEquals("the certificate expired at 2030-01-01T01:00:00Z", failure(fetch(WEB)));
  }

  @Test
  void pausesStartAgainAfterAnAnswerThatBringsNothingNew() {
    fetch(WEB);
    KeyMaterial material = validFor(time.now(), Duration.ofHours(1));
    answer(material);
    time.pass(Duration.ofMinutes(30));
    for (int seconds : new int[] {1, 2, 4, 8}) {
      refuse("no files");
      time.pass(Duration.ofMillis(seconds * 800L));
    }
    answer(material);
    time.pass(Duration.ofMinutes(15)); // more than half of what is left
    int before = authority.asked.size();
    refuse("no files again");
    time.pass(Duration.ofMillis(800));
    assertEquals(before + 1, authority.asked.size());
  }

  @Test
  void eightCallsAreUnderWayAtOnceAtMost() {
    List<SpiffeId> all = Stream.iterate(0, i -> i + 1).limit(20).map(i -> workload(i)).toList();
    all.forEach(manager::prefetch);
    time.settle();
    for (int done = 0; done < 20; done++) {
      assertEquals(Math.min(20, 8 + done), authority.asked.size());
      answer(validFor(time.now(), Duration.ofHours(1)));
    }
    assertEquals(all, authority.asked);
    assertEquals(20, manager.states().size());
  }

  @Test
  void forgettingAnUnknownIdentityDoesNothing() {
    manager.forget(DB);
    time.settle();
    assertTrue(obtained().material().leaf().getNotAfter().toInstant().isAfter(time.now()));
  }

  @Test
  void theEndAnswersWhoWaitsAndWhoeverComesLater() {
    Future<WorkloadTls> waiting = fetch(WEB);
    manager.close();
    time.settle();
    assertEquals("shutting down", failure(waiting));
    assertEquals("shutting down", failure(fetch(WEB)));
    assertEquals("shutting down", failure(fetch(DB)));
    assertTrue(authority.closed);
    assertEquals(List.of(WEB), authority.asked);
    assertTrue(manager.states().isEmpty());
  }
}
