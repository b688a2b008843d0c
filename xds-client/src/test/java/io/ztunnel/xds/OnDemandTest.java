package io.ztunnel.xds;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static io.ztunnel.xds.FakeControlPlane.AUTHORIZATION;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Struct;
import io.grpc.Status;
import io.ztunnel.xds.FakeControlPlane.Entry;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Resources that are asked for by name, against a real gRPC server over TLS on loopback. */
class OnDemandTest {
  private static final int MAX_DEMANDED = 20;

  private final ControlPlanePki pki = ControlPlanePki.create("on-demand test root");
  private final FakeControlPlane control = FakeControlPlane.options().start(pki);
  private final ControlPlaneChannels channels = new ControlPlaneChannels();
  private final RecordingWatcher addresses = new RecordingWatcher();
  private final RecordingXdsObserver observer = new RecordingXdsObserver();
  private final AtomicLong laterNanos = new AtomicLong();
  private XdsClient client = client(Duration.ofSeconds(20));

  private XdsClient client(Duration timeout) {
    return new XdsClient(
        pki.localhost(control.port()),
        new XdsSettings(
            new XdsNode("id", Struct.getDefaultInstance()),
            List.of(
                new Subscription(ADDRESS, Subscription.Mode.ON_DEMAND, addresses),
                new Subscription(
                    AUTHORIZATION, Subscription.Mode.WILDCARD, new RecordingWatcher())),
            timeout,
            MAX_DEMANDED),
        channels,
        observer,
        () -> System.nanoTime() + laterNanos.get(),
        new SplittableRandom(3));
  }

  @BeforeEach
  void start() throws InterruptedException {
    client.start();
    assertTrue(observer.warm.await(30, TimeUnit.SECONDS), "policies alone make it warm");
  }

  @AfterEach
  void close() {
    client.close();
    control.close();
    channels.close();
  }

  private static Entry workload(String uid, String ip) {
    return Entry.of(uid, uid.getBytes(UTF_8)).aliases("net/" + ip);
  }

  private DemandOutcome demand(String key) throws InterruptedException {
    BlockingQueue<DemandOutcome> outcome = new ArrayBlockingQueue<>(1);
    client.demand(ADDRESS, key, outcome::add);
    DemandOutcome told = outcome.poll(30, TimeUnit.SECONDS);
    assertNotNull(told, "nothing was told of " + key);
    return told;
  }

  @Test
  void firstRequestSubscribesToNothing() {
    DeltaDiscoveryRequest addressRequest = control.awaitFirst(1, ADDRESS);
    assertEquals(List.of("*"), addressRequest.getResourceNamesSubscribeList());
    assertEquals(List.of("*"), addressRequest.getResourceNamesUnsubscribeList());
    DeltaDiscoveryRequest policyRequest = control.awaitFirst(1, AUTHORIZATION);
    assertEquals(0, policyRequest.getResourceNamesSubscribeCount());
    assertEquals(0, policyRequest.getResourceNamesUnsubscribeCount());
  }

  @Test
  void aliasCompletesTheWaiterWhenTheResourceIsInEffect() throws InterruptedException {
    control.put(ADDRESS, workload("c//Pod/ns/a", "10.0.0.1"));
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.0.0.1"));
    assertEquals(Map.of("c//Pod/ns/a", "c//Pod/ns/a"), addresses.held);
  }

  @Test
  void answerAmongTenThousandResourcesIsInEffectWhenTold() throws InterruptedException {
    List<Entry> many =
        IntStream.range(0, 10_000).mapToObj(i -> workload("w" + i, "1.1." + i)).toList();
    control.put(ADDRESS, many);
    control.put(
        ADDRESS,
        Entry.of("ns/svc", "svc".getBytes(UTF_8))
            .companions(many.stream().map(Entry::name).toArray(String[]::new)));
    assertEquals(DemandOutcome.ANSWERED, demand("ns/svc"));
    assertEquals(10_001, addresses.held.size());
  }

  @Test
  void keysOfNothingAreAnsweredAndAskedForAgainAfterAWhile() throws InterruptedException {
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.9.9.9"));
    assertEquals(Map.of(), addresses.held);
    int requests = control.received().size();
    control.put(ADDRESS, workload("late", "10.9.9.9")); // which is told of by its name only
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.9.9.9"));
    assertEquals(requests, control.received().size(), "what was answered is not asked again");
    laterNanos.addAndGet(Demands.ABSENCE_NANOS);
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.9.9.9"));
    assertEquals(Set.of("late"), addresses.held.keySet());
    laterNanos.addAndGet(Demands.ABSENCE_NANOS);
    requests = control.received().size();
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.9.9.9"));
    assertEquals(requests, control.received().size(), "what is there is told of when it changes");
  }

  @Test
  void whileThereIsNobodyToAskWhatWasAnsweredIsBelieved() throws InterruptedException {
    startAnew(Duration.ofMillis(500));
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.9.9.9"));
    loseControlPlane();
    laterNanos.addAndGet(Demands.ABSENCE_NANOS);
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.9.9.9"));
    assertEquals(DemandOutcome.TIMED_OUT, demand("net/10.9.9.8"), "which never was");
  }

  @Test
  void withoutAControlPlaneNothingThatIsThereIsLetGo() throws InterruptedException {
    startAnew(Duration.ofMillis(50));
    control.put(ADDRESS, workload("there", "10.0.0.8"));
    client.demand(ADDRESS, "net/10.0.0.8", _ -> {});
    Await.until("it is there", () -> !addresses.held.isEmpty(), () -> addresses.held);
    loseControlPlane();
    for (int i = 0; i < 2 * MAX_DEMANDED; i++) {
      demand("net/3.3." + i);
    }
    assertEquals(Set.of("there"), addresses.held.keySet());
  }

  @Test
  void aKeyWhoseResourceIsGoneIsAskedForAgain() throws InterruptedException {
    control.put(ADDRESS, workload("former", "10.0.0.8"));
    demand("net/10.0.0.8");
    control.remove(ADDRESS, List.of("former"));
    Await.until("it is gone", addresses.held::isEmpty, () -> addresses.held);
    control.put(ADDRESS, workload("next", "10.0.0.8"));
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.0.0.8"));
    assertEquals(Set.of("next"), addresses.held.keySet());
  }

  /** A workload that is there has another address from now on. */
  private void move(String uid, String ip) throws InterruptedException {
    control.put(ADDRESS, Entry.of(uid, ip.getBytes(UTF_8)).aliases("net/" + ip));
    Await.until("it is moved", () -> ip.equals(addresses.held.get(uid)), () -> addresses.held);
  }

  @Test
  void aKeyThatItsResourceHasGivenUpIsAskedForAgain() throws InterruptedException {
    control.put(ADDRESS, workload("former", "10.0.0.8"));
    demand("net/10.0.0.8");
    move("former", "10.0.0.9");
    control.put(ADDRESS, workload("next", "10.0.0.8"));
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.0.0.8"));
    assertEquals(Set.of("former", "next"), addresses.held.keySet());
  }

  @Test
  void whatHasGivenUpTheKeyOfItsDemandIsLetGoByItsName() throws InterruptedException {
    control.put(ADDRESS, workload("former", "10.0.0.8"));
    demand("net/10.0.0.8");
    move("former", "10.0.0.9");
    for (int i = 0; i < MAX_DEMANDED; i++) {
      demand("net/3.3." + i);
    }
    awaitUnsubscribe("former");
    Await.until("it is gone", addresses.held::isEmpty, () -> addresses.held);
  }

  @Test
  void aChangeThatIsRejectedLeavesTheKeysAnswered() throws InterruptedException {
    control.put(ADDRESS, workload("former", "10.0.0.8"));
    demand("net/10.0.0.8");
    control.put(ADDRESS, Entry.of("former", "bad".getBytes(UTF_8)).aliases("net/10.0.0.9"));
    control.awaitAnswer(1, ADDRESS, true);
    int requests = control.received().size();
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.0.0.8"));
    assertEquals(requests, control.received().size(), "it is not asked for again");
  }

  /** From now on who waits does so for this long. */
  private void startAnew(Duration timeout) {
    client.close();
    client = client(timeout);
    client.start();
    control.awaitFirst(2, ADDRESS);
  }

  /** From now on nothing is answered, and who waits does so for this long. */
  private void waitInVain(Duration timeout) {
    startAnew(timeout);
    control.silent(true);
  }

  private void loseControlPlane() throws InterruptedException {
    int before = observer.ends.size();
    control.close();
    Await.until("the end", () -> observer.ends.size() > before, () -> observer.ends);
  }

  @Test
  void aKeyThatWasNotAnsweredInTimeIsAskedForAgain() throws InterruptedException {
    waitInVain(Duration.ofMillis(500));
    assertEquals(DemandOutcome.TIMED_OUT, demand("net/10.0.0.9"));
    control.silent(false);
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.0.0.9"));
  }

  @Test
  void twoWhoWaitForOneKeyAreBothTold() throws InterruptedException {
    control.silent(true);
    BlockingQueue<DemandOutcome> outcomes = new ArrayBlockingQueue<>(2);
    client.demand(ADDRESS, "net/10.0.0.2", outcomes::add);
    client.demand(ADDRESS, "net/10.0.0.2", outcomes::add);
    control.await(
        "the demand",
        one -> one.request().getResourceNamesSubscribeList().contains("net/10.0.0.2"));
    control.silent(false);
    control.endStreams(Status.UNAVAILABLE);
    assertEquals(DemandOutcome.ANSWERED, outcomes.poll(30, TimeUnit.SECONDS));
    assertEquals(DemandOutcome.ANSWERED, outcomes.poll(30, TimeUnit.SECONDS));
  }

  @Test
  void whoWaitsIsToldWhenTimeIsOut() throws InterruptedException {
    waitInVain(Duration.ofMillis(200));
    assertEquals(DemandOutcome.TIMED_OUT, demand("net/10.0.0.3"));
  }

  @Test
  void whoWaitsIsToldAtTheEnd() throws InterruptedException {
    control.silent(true);
    BlockingQueue<DemandOutcome> outcomes = new ArrayBlockingQueue<>(1);
    client.demand(ADDRESS, "net/10.0.0.4", outcomes::add);
    client.close();
    assertEquals(DemandOutcome.REFUSED, outcomes.poll(30, TimeUnit.SECONDS));
    assertEquals(DemandOutcome.REFUSED, demand("net/10.0.0.5"));
  }

  @Test
  void demandsAreAnnouncedAgainAfterAReconnection() throws InterruptedException {
    Entry known = workload("known", "10.0.0.6");
    control.put(ADDRESS, known);
    demand("net/10.0.0.6");
    demand("net/10.0.0.7");
    control.put(ADDRESS, workload("late", "10.0.0.7"));
    control.endStreams(Status.UNAVAILABLE);
    assertEquals(
        Map.of("known", known.version(), "net/10.0.0.6", "", "net/10.0.0.7", ""),
        control.awaitFirst(2, ADDRESS).getInitialResourceVersionsMap());
    Await.until("it is held", () -> addresses.held.containsKey("late"), () -> addresses.held);
  }

  @Test
  void whatWasNotUsedForLongestIsLetGo() throws InterruptedException {
    for (int i = 0; i <= MAX_DEMANDED; i++) {
      control.put(ADDRESS, workload("w" + i, "2.2." + i));
    }
    for (int i = 0; i < MAX_DEMANDED; i++) {
      demand("net/2.2." + i);
    }
    client.touch(ADDRESS, "net/2.2.0");
    demand("net/2.2." + MAX_DEMANDED);
    DeltaDiscoveryRequest letGo =
        control
            .await("unsubscribe", one -> one.request().getResourceNamesUnsubscribeCount() > 1)
            .request();
    assertTrue(
        letGo.getResourceNamesUnsubscribeList().containsAll(List.of("net/2.2.1", "w1")),
        letGo::toString);
    Await.until("it is gone", () -> !addresses.held.containsKey("w1"), () -> addresses.held);
    assertTrue(addresses.held.containsKey("w0"), "it was used just now");
    assertFalse(letGo.getResourceNamesUnsubscribeList().contains("w0"));
    assertEquals(DemandOutcome.ANSWERED, demand("net/2.2.1"), "it can be asked for again");
    Await.until("it is back", () -> addresses.held.containsKey("w1"), () -> addresses.held);
  }

  /** Without a version it is sent to whoever asks for it by another key. */
  private static Entry sentAgain(Entry entry) {
    return entry.version("");
  }

  private DeltaDiscoveryRequest awaitUnsubscribe(String name) {
    return control
        .await(
            "unsubscribe of " + name,
            one -> one.request().getResourceNamesUnsubscribeList().contains(name))
        .request();
  }

  @Test
  void whatWasAskedForByItsNameIsLetGoOfAltogether() throws InterruptedException {
    for (int i = 0; i <= MAX_DEMANDED; i++) {
      control.put(ADDRESS, sentAgain(workload("ns/s" + i, "2.2." + i)));
    }
    demand("ns/s0");
    demand("net/2.2.0"); // one resource by both
    for (int i = 1; i < MAX_DEMANDED; i++) {
      demand("ns/s" + i);
    }
    List<String> letGo = awaitUnsubscribe("ns/s0").getResourceNamesUnsubscribeList();
    assertEquals(Set.of("ns/s0", "net/2.2.0", "ns/s1"), Set.copyOf(letGo));
    Await.until("s1 is gone", () -> !addresses.held.containsKey("ns/s1"), () -> addresses.held);
    assertFalse(addresses.held.containsKey("ns/s0"), "it is not subscribed any more");
    assertEquals(DemandOutcome.ANSWERED, demand("ns/s0"), "it can be asked for again");
    assertTrue(addresses.held.containsKey("ns/s0"), "it is back");
  }

  @Test
  void whatIsStillUsedByAnAddressStaysSubscribedByItsName() throws InterruptedException {
    control.put(ADDRESS, sentAgain(workload("ns/s", "2.2.0")));
    demand("ns/s");
    demand("net/2.2.0");
    for (int i = 1; i < MAX_DEMANDED; i++) {
      client.touch(ADDRESS, "net/2.2.0");
      demand("net/3.3." + i);
    }
    List<String> letGo = awaitUnsubscribe("net/3.3.1").getResourceNamesUnsubscribeList();
    assertFalse(letGo.contains("ns/s"), letGo::toString);
    control.put(ADDRESS, Entry.of("ns/s", "changed".getBytes(UTF_8)).aliases("net/2.2.0"));
    Await.until(
        "the change", () -> "changed".equals(addresses.held.get("ns/s")), () -> addresses.held);
    assertEquals(DemandOutcome.ANSWERED, demand("ns/s"), "it can be asked for again");
  }

  /** Pods of the network of their node all have its address. */
  @Test
  void allThatShareTheKeyOfTheirDemandAreLetGo() throws InterruptedException {
    control.put(
        ADDRESS, workload("one", "10.0.0.8").companions("two"), workload("two", "10.0.0.8"));
    demand("net/10.0.0.8");
    assertEquals(Set.of("one", "two"), addresses.held.keySet());
    for (int i = 0; i < MAX_DEMANDED; i++) {
      demand("net/3.3." + i);
    }
    List<String> letGo = awaitUnsubscribe("two").getResourceNamesUnsubscribeList();
    assertTrue(letGo.contains("one"), letGo::toString);
    Await.until("they are gone", addresses.held::isEmpty, () -> addresses.held);
  }

  @Test
  void aKeyStaysAnsweredWhileOneOfThoseThatShareItIsThere() throws InterruptedException {
    control.put(
        ADDRESS, workload("one", "10.0.0.8").companions("two"), workload("two", "10.0.0.8"));
    demand("net/10.0.0.8");
    control.remove(ADDRESS, List.of("two"));
    Await.until("it is gone", () -> addresses.held.size() == 1, () -> addresses.held);
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.0.0.8"));
    assertEquals(1, asked("net/10.0.0.8"), "it is not asked for again");
    control.remove(ADDRESS, List.of("one"));
    Await.until("all are gone", addresses.held::isEmpty, () -> addresses.held);
    assertEquals(DemandOutcome.ANSWERED, demand("net/10.0.0.8"));
    assertEquals(2, asked("net/10.0.0.8"));
  }

  private long asked(String key) {
    return control.received().stream()
        .filter(one -> one.request().getResourceNamesSubscribeList().contains(key))
        .count();
  }

  private long unsubscribed(String name) {
    return control.received().stream()
        .filter(one -> one.request().getResourceNamesUnsubscribeList().contains(name))
        .count();
  }

  @Test
  void whatWasOnItsWayWhenItWasLetGoIsLetGoAgain() throws InterruptedException {
    for (int i = 0; i < MAX_DEMANDED; i++) {
      control.put(ADDRESS, workload("w" + i, "2.2." + i));
      demand("net/2.2." + i);
    }
    control.silent(true); // it does not know yet what is let go of
    client.demand(ADDRESS, "net/3.3.0", _ -> {});
    awaitUnsubscribe("w0");
    Await.until("it is gone", () -> !addresses.held.containsKey("w0"), () -> addresses.held);
    control.silent(false);
    control.put(ADDRESS, workload("w0", "2.2.0").version("2"));
    Await.until(
        "it is let go of again",
        () -> unsubscribed("w0") == 2,
        () -> control.received().toString());
    Await.until("it is gone again", () -> !addresses.held.containsKey("w0"), () -> addresses.held);
    assertEquals(DemandOutcome.ANSWERED, demand("w0"), "it can be asked for again");
    assertTrue(addresses.held.containsKey("w0"), "it is back");
    assertEquals(2, unsubscribed("w0"), "it is wanted now");
  }

  @Test
  void whatWasLetGoOfStaysIfItComesWithAnAnswer() throws InterruptedException {
    for (int i = 0; i < MAX_DEMANDED; i++) {
      control.put(ADDRESS, workload("w" + i, "2.2." + i));
      demand("net/2.2." + i);
    }
    demand("net/3.3.0");
    awaitUnsubscribe("w0");
    control.put(ADDRESS, Entry.of("ns/svc", "svc".getBytes(UTF_8)).companions("w0"));
    demand("ns/svc");
    demand("net/3.3.1"); // by now it would be let go of again
    assertTrue(addresses.held.containsKey("w0"), addresses.held::toString);
    assertEquals(1, unsubscribed("w0"));
  }

  @Test
  void whatCameWithAServiceGoesWithIt() throws InterruptedException {
    control.put(ADDRESS, workload("a", "2.2.1"), workload("b", "2.2.2"));
    control.put(ADDRESS, Entry.of("ns/svc", "svc".getBytes(UTF_8)).companions("a", "b"));
    addresses.released = names -> names.contains("ns/svc") ? Set.of("ns/svc", "a", "b") : names;
    demand("net/2.2.1");
    demand("ns/svc");
    assertEquals(Set.of("ns/svc", "a", "b"), addresses.held.keySet());
    control.remove(ADDRESS, List.of("ns/svc"));
    awaitUnsubscribe("b");
    Await.until("b is gone", () -> addresses.held.size() == 1, () -> addresses.held);
    assertTrue(addresses.held.containsKey("a"), "it was asked for itself");
    assertEquals(0, unsubscribed("a"));
  }

  @Test
  void keysThatAreNeverAnsweredAreBoundedToo() throws InterruptedException {
    waitInVain(Duration.ofMillis(20));
    for (int i = 0; i < 2 * MAX_DEMANDED; i++) {
      assertEquals(DemandOutcome.TIMED_OUT, demand("net/10.1.0." + i));
    }
    control.endStreams(Status.UNAVAILABLE);
    Map<String, String> asked = control.awaitFirst(3, ADDRESS).getInitialResourceVersionsMap();
    assertTrue(asked.size() <= MAX_DEMANDED, () -> "still asked for: " + asked.keySet());
    assertTrue(asked.containsKey("net/10.1.0." + (2 * MAX_DEMANDED - 1)), "the last one is");
  }

  @Test
  void whatAResponseOnItsWayBringsAgainIsLetGoBehindIt() throws InterruptedException {
    for (int i = 0; i < MAX_DEMANDED; i++) {
      control.put(ADDRESS, workload("w" + i, "2.2." + i));
      demand("net/2.2." + i);
    }
    BlockingQueue<Runnable> changes = new ArrayBlockingQueue<>(10);
    addresses.applying = changes::add;
    control.put(ADDRESS, workload("w0", "2.2.0").version("2"));
    Await.until("the response is read", () -> changes.size() == 1, changes::size);

    client.demand(ADDRESS, "net/3.3.0", _ -> {}); // one too many: w0 is to go
    client.demand(ADDRESS, "net/3.3.1", _ -> {});
    control.await(
        "the last demand",
        one -> one.request().getResourceNamesSubscribeList().contains("net/3.3.1"));
    assertEquals(1, changes.size(), "one change at a time");

    addresses.applying = Runnable::run;
    changes.remove().run();
    Await.until("w0 is gone", () -> !addresses.held.containsKey("w0"), () -> addresses.held);
    awaitUnsubscribe("w0");
  }

  @Test
  void aResponseIsPutIntoEffectBehindWhatIsBeingLetGo() throws InterruptedException {
    for (int i = 0; i <= MAX_DEMANDED; i++) {
      control.put(ADDRESS, workload("w" + i, "2.2." + i));
    }
    for (int i = 0; i < MAX_DEMANDED; i++) {
      demand("net/2.2." + i);
    }
    BlockingQueue<Runnable> changes = new ArrayBlockingQueue<>(10);
    addresses.applying = changes::add;
    BlockingQueue<DemandOutcome> outcome = new ArrayBlockingQueue<>(1);
    int responses = observer.types.size();
    client.demand(ADDRESS, "net/2.2." + MAX_DEMANDED, outcome::add);
    Await.until("the first are let go", () -> changes.size() == 1, changes::size);
    awaitUnsubscribe("w0");
    client.demand(ADDRESS, "net/2.2.0", _ -> {}); // again
    Await.until("an answer", () -> observer.types.size() > responses, () -> observer.types);
    assertEquals(1, changes.size(), "one change at a time");

    addresses.applying = Runnable::run;
    changes.remove().run();
    assertEquals(DemandOutcome.ANSWERED, outcome.poll(30, TimeUnit.SECONDS));
    Await.until("w0 is back", () -> addresses.held.containsKey("w0"), () -> addresses.held);
  }
}
