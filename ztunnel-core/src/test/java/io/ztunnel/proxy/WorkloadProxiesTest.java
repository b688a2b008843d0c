package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.ztunnel.Await;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.PodInfo;
import io.ztunnel.redirection.ZdsMessage;
import io.ztunnel.redirection.ZdsReply;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What becomes of proxies as the agent adds, keeps and deletes pods and reconnects. */
class WorkloadProxiesTest {
  private static final ZdsReply OK = new ZdsReply.Ok();

  @TempDir Path directory;
  private final EventExecutor control = new DefaultEventExecutor();
  private final List<FakeProxy> proxies = new CopyOnWriteArrayList<>();
  private final Map<String, String> failing = new ConcurrentHashMap<>();
  private final Map<String, Promise<Void>> slow = new ConcurrentHashMap<>();
  private final Map<String, Promise<Void>> draining = new ConcurrentHashMap<>();
  private final List<String> events = new CopyOnWriteArrayList<>();
  private final List<NetworkNamespace> namespaces = new ArrayList<>();
  private WorkloadProxies workloads =
      new WorkloadProxies(
          control,
          (uid, _, _) -> {
            FakeProxy proxy = new FakeProxy(uid);
            proxies.add(proxy);
            return proxy;
          },
          new Recorder());

  private final class FakeProxy implements WorkloadProxy {
    final String uid;
    volatile String state = "new";

    FakeProxy(String uid) {
      this.uid = uid;
    }

    @Override
    public Future<Void> start() {
      if (failing.containsKey(uid)) {
        return control.newFailedFuture(new IOException(failing.get(uid)));
      }
      state = "running";
      return slow.getOrDefault(uid, control.<Void>newPromise().setSuccess(null));
    }

    @Override
    public Future<Void> drain(DrainMode mode) {
      state = "drained " + mode;
      return draining.getOrDefault(uid, control.<Void>newPromise().setSuccess(null));
    }

    @Override
    public List<ConnectionSummary> connections() {
      return List.of();
    }

    @Override
    public String toString() {
      return uid + " " + state;
    }
  }

  private final class Recorder implements WorkloadProxies.Observer {
    @Override
    public void onCounts(int active, int pending) {
      events.add("active " + active + " pending " + pending);
    }

    @Override
    public void onProxyStarted() {
      events.add("started");
    }

    @Override
    public void onProxyStopped() {
      events.add("stopped");
    }

    @Override
    public void onReady() {
      events.add("ready");
    }

    @Override
    public void onNotReady() {
      events.add("not ready");
    }

    @Override
    public void onFatal(String reason) {
      events.add("fatal " + reason);
    }
  }

  @BeforeEach
  void connect() {
    workloads.onConnected();
  }

  @AfterEach
  void stop() {
    assertTrue(workloads.drain().awaitUninterruptibly(5_000), "drain did not end");
    for (NetworkNamespace namespace : namespaces) {
      // Whoever was handed a namespace has closed it: entering it is refused.
      org.junit.jupiter.api.Assertions.assertThrows(
          IOException.class, () -> namespace.call(() -> "entered"), "a namespace was left open");
    }
    control.shutdownGracefully(0, 5, TimeUnit.SECONDS).syncUninterruptibly();
  }

  /**
   * Files stand for network namespaces here: their identity is a file's, and nothing enters them.
   */
  private ZdsReply add(String uid, String namespaceName) throws IOException {
    Path file = directory.resolve(namespaceName);
    if (!Files.exists(file)) {
      Files.createFile(file);
    }
    NetworkNamespace namespace = NetworkNamespace.ofPath(file);
    namespaces.add(namespace);
    return workloads.onMessage(
        new ZdsMessage.Add(uid, new PodInfo(uid + "-name", "shop", "account"), namespace));
  }

  private ZdsReply keep(String uid) {
    return workloads.onMessage(new ZdsMessage.Keep(uid));
  }

  private ZdsReply delete(String uid) {
    return workloads.onMessage(new ZdsMessage.Delete(uid));
  }

  private ZdsReply snapshotSent() {
    return workloads.onMessage(new ZdsMessage.SnapshotSent());
  }

  private void reconnect() {
    workloads.onDisconnected("test");
    workloads.onConnected();
  }

  private List<String> seen() {
    return proxies.stream().map(FakeProxy::toString).toList();
  }

  @Test
  void anAddedPodIsServedAndTheSnapshotMakesReady() throws Exception {
    assertEquals(OK, add("a", "ns-a"));
    assertEquals(OK, snapshotSent());
    assertEquals(List.of("a running"), seen());
    assertInstanceOf(PodState.Up.class, workloads.states().get("a"));
    assertTrue(events.contains("ready"));
  }

  @Test
  void theSamePodInTheSameNamespaceIsServedOnce() throws Exception {
    assertEquals(OK, add("a", "ns-a"));
    assertEquals(OK, add("a", "ns-a"));
    assertEquals(List.of("a running"), seen());
  }

  @Test
  void aNewNamespaceReplacesTheProxy() throws Exception {
    add("a", "ns-a");
    add("a", "ns-b");
    assertEquals(List.of("a drained IMMEDIATE", "a running"), seen());
  }

  @Test
  void aPodThatCannotStartIsRefusedAndDoesNotKeepTheProcessUnready() throws Exception {
    failing.put("a", "address in use");
    assertEquals(new ZdsReply.ProxyFailed("address in use"), add("a", "ns-a"));
    assertEquals(OK, snapshotSent());
    assertTrue(events.contains("ready"));
    assertEquals(
        new PodState.Pending(new PodInfo("a-name", "shop", "account"), "address in use"),
        workloads.states().get("a"));
  }

  @Test
  void aPodThatCouldNotStartIsTriedAgain() throws Exception {
    failing.put("a", "address in use");
    add("a", "ns-a");
    failing.clear();
    awaitUp("a");
    assertEquals(List.of("a new", "a running"), seen());
  }

  @Test
  void aPodThatIsStartingIsNotStartedOnceMoreWhenAnotherIsTriedAgain() throws Exception {
    failing.put("a", "address in use");
    add("a", "ns-a");
    failing.clear();
    slow.put("b", control.newPromise());
    assertInstanceOf(ZdsReply.ProxyFailed.class, add("b", "ns-b"), "not yet");
    awaitUp("a");
    slow.get("b").setSuccess(null);
    awaitUp("b");
    assertEquals(List.of("a new", "b running", "a running"), seen());
  }

  private void awaitUp(String uid) throws Exception {
    Await.until(uid + " is up", () -> workloads.states().get(uid) instanceof PodState.Up);
  }

  @Test
  void anotherNamespaceForAPendingPodIsServed() throws Exception {
    failing.put("a", "address in use");
    add("a", "ns-a");
    failing.clear();
    assertEquals(OK, add("a", "ns-b"));
    assertEquals(List.of("a new", "a running"), seen());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({"before the snapshot", "after the snapshot"})
  void aPendingPodThatIsDeletedIsForgotten(String when) throws Exception {
    if (when.startsWith("after")) {
      snapshotSent();
    }
    failing.put("a", "address in use");
    add("a", "ns-a");
    assertEquals(OK, delete("a"));
    assertEquals(Map.of(), workloads.states());
  }

  @Test
  void aDeletedPodIsDrainedAtOnce() throws Exception {
    add("a", "ns-a");
    snapshotSent();
    assertEquals(OK, delete("a"));
    assertEquals(List.of("a drained IMMEDIATE"), seen());
    Await.until("it has ended", () -> workloads.states().isEmpty());
  }

  @Test
  void aProxyThatDrainsIsShownAndCountedUntilItHasEnded() throws Exception {
    Promise<Void> ending = control.newPromise();
    draining.put("a", ending);
    add("a", "ns-a");
    snapshotSent();
    Future<Void> drained = workloads.drain();
    Await.until("it drains", () -> seen().equals(List.of("a drained GRACEFUL")));
    assertInstanceOf(PodState.Up.class, workloads.states().get("a"));
    assertEquals("active 1 pending 0", events.getLast());
    ending.setSuccess(null);
    assertTrue(drained.awaitUninterruptibly(5_000));
    Await.until("it has ended", () -> events.getLast().equals("active 0 pending 0"));
    assertEquals(Map.of(), workloads.states());
  }

  @Test
  void aPodThatIsDeletedWhileItStartsIsCountedOnceAsStartedAndOnceAsStopped() throws Exception {
    Promise<Void> starting = control.newPromise();
    slow.put("a", starting);
    assertInstanceOf(ZdsReply.ProxyFailed.class, add("a", "ns-a"), "not yet");
    assertEquals(OK, delete("a"));
    starting.setSuccess(null);
    Await.until("it has stopped", () -> events.contains("stopped"));
    assertEquals(List.of("a drained IMMEDIATE"), seen());
    assertEquals(
        List.of("started", "stopped"),
        events.stream().filter(event -> event.startsWith("st")).toList());
  }

  @Test
  void deletingAnUnknownPodIsFine() {
    snapshotSent();
    assertEquals(OK, delete("nobody"));
  }

  @Test
  void aPodCanComeBack() throws Exception {
    snapshotSent();
    add("a", "ns-a");
    delete("a");
    assertEquals(OK, add("a", "ns-a"));
    assertEquals(List.of("a drained IMMEDIATE", "a running"), seen());
  }

  @Test
  void aPodDeletedDuringTheSnapshotGoesWhenTheSnapshotIsComplete() throws Exception {
    add("a", "ns-a");
    snapshotSent();
    reconnect();
    add("a", "ns-a");
    delete("a");
    assertEquals(List.of("a running"), seen());
    snapshotSent();
    assertEquals(List.of("a drained IMMEDIATE"), seen());
  }

  @Test
  void aReconnectionKeepsWhatTheNewSnapshotNamesAndEndsTheRest() throws Exception {
    add("a", "ns-a");
    add("b", "ns-b");
    add("c", "ns-c");
    snapshotSent();
    reconnect();
    assertEquals(OK, keep("a"));
    assertEquals(OK, add("b", "ns-b"));
    assertEquals(List.of("a running", "b running", "c running"), seen());
    snapshotSent();
    assertEquals(List.of("a running", "b running", "c drained IMMEDIATE"), seen());
  }

  @Test
  void keepingAnUnknownPodIsFine() {
    assertEquals(OK, keep("nobody"));
  }

  @Test
  void protocolViolationsAreAnsweredAsSuch() {
    assertEquals(OK, snapshotSent());
    assertInstanceOf(ZdsReply.ProtocolViolation.class, snapshotSent());
    assertInstanceOf(ZdsReply.ProtocolViolation.class, keep("a"));
  }

  @Test
  void readinessEndsWithTheConnection() throws Exception {
    snapshotSent();
    workloads.onDisconnected("test");
    workloads.states();
    control.submit(() -> {}).get(5, TimeUnit.SECONDS);
    assertEquals("not ready", events.getLast());
  }

  @Test
  void drainIsGracefulAndNothingStartsAfterIt() throws Exception {
    add("a", "ns-a");
    assertTrue(workloads.drain().awaitUninterruptibly(5_000));
    assertEquals(List.of("a drained GRACEFUL"), seen());
    assertInstanceOf(ZdsReply.ProxyFailed.class, add("b", "ns-b"));
    assertEquals(List.of("a drained GRACEFUL"), seen());
  }
}
