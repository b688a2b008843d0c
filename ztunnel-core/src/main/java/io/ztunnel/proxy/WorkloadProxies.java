package io.ztunnel.proxy;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.PodInfo;
import io.ztunnel.redirection.ZdsHandler;
import io.ztunnel.redirection.ZdsMessage;
import io.ztunnel.redirection.ZdsReply;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The proxies of the node's pods, kept in step with what the CNI agent announces (Istio: ZDS).
 *
 * <p>A pod's proxy is started when the pod is added, kept over reconnections as long as the
 * snapshot names the pod with the same network namespace, and drained at once when the pod goes. A
 * pod whose proxy cannot start is refused to the agent and tried again every few seconds; it never
 * makes the process unready.
 *
 * <p>Written by the control thread only; {@link #states()} may be read by any thread. Messages come
 * on the {@code zds} thread, which waits for the control thread in bounded time.
 */
public final class WorkloadProxies implements ZdsHandler {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::inpod::statemanager");

  /** Time between two attempts to start what could not be started (Istio: 5 s). */
  private static final long RETRY_SECONDS = 5;

  /** The agent waits 5 s for an answer. */
  private static final long ANSWER_MILLIS = 4_500;

  /** Makes the proxy of one pod; it is not started yet. */
  @FunctionalInterface
  public interface Factory {
    WorkloadProxy create(String uid, PodInfo pod, NetworkNamespace namespace);
  }

  /** Is told what happens to proxies. Called on the control thread. */
  public interface Observer {
    /** The numbers have changed. */
    void onCounts(int active, int pending);

    void onProxyStarted();

    void onProxyStopped();

    /** The agent's snapshot is complete; pods are served. */
    void onReady();

    /** The agent is gone, or a new snapshot has begun. */
    void onNotReady();

    /** The agent broke the protocol; the process is to end and start afresh. */
    void onFatal(String reason);
  }

  private sealed interface Pod {
    record Running(PodInfo info, NetworkNamespace namespace, WorkloadProxy proxy) implements Pod {}

    /**
     * No proxy yet: one is being started, or could not be.
     *
     * @param failure why it could not; null: it is being started
     * @param attempt tells one try from the next, so that a late result finds that it is late
     */
    record Pending(PodInfo info, NetworkNamespace namespace, @Nullable String failure, long attempt)
        implements Pod {
      String reason() {
        return failure == null ? "starting" : failure;
      }
    }
  }

  private record Leaving(String uid, PodInfo info) {}

  private final EventExecutor control;
  private final Factory factory;
  private final Observer observer;

  /** By pod uid. Written by the control thread, read by any. */
  private final Map<String, Pod> pods = new ConcurrentHashMap<>();

  /** The proxies that drain, with their pods. Written by the control thread, read by any. */
  private final Map<WorkloadProxy, Leaving> leaving = new ConcurrentHashMap<>();

  private final Set<String> snapshot = new HashSet<>();
  private final Set<Future<Void>> drains = new HashSet<>();
  private boolean snapshotComplete;
  private long attempts;
  private boolean drained;
  private @Nullable ScheduledFuture<?> retry;

  public WorkloadProxies(EventExecutor control, Factory factory, Observer observer) {
    this.control = control;
    this.factory = factory;
    this.observer = observer;
  }

  @Override
  public void onConnected() {
    control.execute(
        () -> {
          snapshot.clear();
          snapshotComplete = false;
          Map.copyOf(pods).forEach((uid, pod) -> dropIfPending(uid, pod));
          observer.onNotReady();
          tellCounts();
        });
  }

  @Override
  public void onDisconnected(String reason) {
    control.execute(
        () -> {
          if (!drained) { // else it was ended from here
            LOG.warn("stream of the CNI agent ended: {}", reason);
          }
          observer.onNotReady();
        });
  }

  @Override
  public void onProtocolViolation(String reason) {
    control.execute(() -> observer.onFatal(reason));
  }

  @Override
  public ZdsReply onMessage(ZdsMessage message) {
    Promise<ZdsReply> reply = control.newPromise();
    control.execute(() -> process(message, reply));
    if (!reply.awaitUninterruptibly(ANSWER_MILLIS)) {
      return new ZdsReply.ProxyFailed("not started within " + ANSWER_MILLIS + " ms, still trying");
    }
    return reply.isSuccess()
        ? reply.getNow()
        : new ZdsReply.ProcessingFailed(SocketErrors.text(reply.cause()));
  }

  /**
   * What there is for each pod, by uid; a proxy that drains is there until it has ended. Callable
   * from any thread.
   */
  public SortedMap<String, PodState> states() {
    SortedMap<String, PodState> states = new TreeMap<>();
    leaving.forEach(
        (proxy, pod) -> states.put(pod.uid(), new PodState.Up(pod.info(), proxy.connections())));
    pods.forEach(
        (uid, pod) ->
            states.put(
                uid,
                switch (pod) {
                  case Pod.Running(PodInfo info, NetworkNamespace _, WorkloadProxy proxy) ->
                      new PodState.Up(info, proxy.connections());
                  case Pod.Pending pending ->
                      new PodState.Pending(pending.info(), pending.reason());
                }));
    return states;
  }

  /** The pods whose proxies could not be started, with the reason, by namespace and name. */
  public SortedMap<String, String> pending() {
    SortedMap<String, String> pending = new TreeMap<>();
    for (Pod pod : pods.values()) {
      if (pod instanceof Pod.Pending waiting) {
        PodInfo info = waiting.info();
        pending.put(info.namespace() + "/" + info.name(), waiting.reason());
      }
    }
    return pending;
  }

  /** Drains every proxy, and waits for those that drain already. Nothing is started any more. */
  public Future<Void> drain() {
    Promise<Void> done = control.newPromise();
    control.execute(
        () -> {
          drained = true;
          cancelRetry();
          Map.copyOf(pods).forEach((uid, _) -> remove(uid, DrainMode.GRACEFUL));
          completeWhenDrained(done);
        });
    return done;
  }

  private void completeWhenDrained(Promise<Void> done) {
    if (drains.isEmpty()) {
      done.trySuccess(null);
    } else {
      drains.iterator().next().addListener(_ -> control.execute(() -> completeWhenDrained(done)));
    }
  }

  private void process(ZdsMessage message, Promise<ZdsReply> reply) {
    assert control.inEventLoop();
    try {
      switch (message) {
        case ZdsMessage.Add add -> add(add, reply);
        case ZdsMessage.Keep(String uid) -> reply.trySuccess(keep(uid));
        case ZdsMessage.Delete(String uid) -> reply.trySuccess(delete(uid));
        case ZdsMessage.SnapshotSent _ -> reply.trySuccess(completeSnapshot());
      }
    } catch (RuntimeException e) {
      reply.tryFailure(e);
    }
  }

  private void add(ZdsMessage.Add add, Promise<ZdsReply> reply) {
    String uid = add.uid();
    if (drained) {
      add.namespace().close();
      reply.trySuccess(new ZdsReply.ProxyFailed("shutting down"));
      return;
    }
    if (!snapshotComplete) {
      snapshot.add(uid);
    }
    if (pods.get(uid) instanceof Pod.Running running) {
      if (running.namespace().identity().equals(add.namespace().identity())) {
        add.namespace().close();
        reply.trySuccess(new ZdsReply.Ok());
        return;
      }
      LOG.info("pod {} has a new network namespace, replacing its proxy", uid);
    }
    remove(uid, DrainMode.IMMEDIATE);
    ProxyLog.podReceived(uid, add.pod());
    start(uid, add.pod(), add.namespace(), reply);
  }

  private void start(String uid, PodInfo pod, NetworkNamespace namespace, Promise<ZdsReply> reply) {
    Pod.Pending starting = new Pod.Pending(pod, namespace, null, ++attempts);
    pods.put(uid, starting);
    WorkloadProxy proxy = factory.create(uid, pod, namespace);
    proxy
        .start()
        .addListener(
            (Future<Void> started) ->
                control.execute(() -> onStarted(uid, starting, proxy, started, reply)));
  }

  private void onStarted(
      String uid,
      Pod.Pending starting,
      WorkloadProxy proxy,
      Future<Void> started,
      Promise<ZdsReply> reply) {
    assert control.inEventLoop();
    if (!starting.equals(pods.get(uid))) { // deleted, or replaced, while it started
      if (started.isSuccess()) {
        observer.onProxyStarted(); // and so stopped in the end
        drainInBackground(
            proxy, new Leaving(uid, starting.info()), starting.namespace(), DrainMode.IMMEDIATE);
      }
      reply.trySuccess(new ZdsReply.Ok());
      return;
    }
    if (started.isSuccess()) {
      pods.put(uid, new Pod.Running(starting.info(), starting.namespace(), proxy));
      observer.onProxyStarted();
      tellCounts();
      reply.trySuccess(new ZdsReply.Ok());
    } else {
      String reason = SocketErrors.text(started.cause());
      LOG.warn("proxy of pod {} not started, trying again: {}", uid, reason);
      pods.put(
          uid, new Pod.Pending(starting.info(), starting.namespace(), reason, starting.attempt()));
      tellCounts();
      armRetry();
      reply.trySuccess(new ZdsReply.ProxyFailed(reason));
    }
  }

  private void armRetry() {
    if (retry == null && !drained) {
      retry = control.schedule(this::retryPending, RETRY_SECONDS, TimeUnit.SECONDS);
    }
  }

  private void cancelRetry() {
    if (retry != null) {
      retry.cancel(false);
      retry = null;
    }
  }

  private void retryPending() {
    retry = null;
    List<String> waiting = new ArrayList<>();
    pods.forEach(
        (uid, pod) -> {
          if (pod instanceof Pod.Pending pending && pending.failure() != null) {
            waiting.add(uid);
          }
        });
    for (String uid : waiting) {
      if (pods.get(uid) instanceof Pod.Pending pending) {
        start(uid, pending.info(), pending.namespace(), control.newPromise());
      }
    }
  }

  private ZdsReply keep(String uid) {
    if (snapshotComplete) {
      return new ZdsReply.ProtocolViolation("pod " + uid + " kept after the snapshot was sent");
    }
    snapshot.add(uid);
    return new ZdsReply.Ok();
  }

  private ZdsReply delete(String uid) {
    if (!snapshotComplete) {
      snapshot.remove(uid); // a proxy that runs is removed when the snapshot is complete
      @Nullable Pod pod = pods.get(uid);
      if (pod != null) {
        dropIfPending(uid, pod);
      }
    } else {
      ProxyLog.podDeleted(uid);
      remove(uid, DrainMode.IMMEDIATE);
    }
    tellCounts();
    return new ZdsReply.Ok();
  }

  private ZdsReply completeSnapshot() {
    if (snapshotComplete) {
      return new ZdsReply.ProtocolViolation("snapshot sent twice on one connection");
    }
    LOG.info("received snapshot sent");
    Set<String> gone = new HashSet<>(pods.keySet());
    gone.removeAll(snapshot);
    gone.forEach(uid -> remove(uid, DrainMode.IMMEDIATE));
    snapshot.clear();
    snapshotComplete = true;
    observer.onReady();
    tellCounts();
    return new ZdsReply.Ok();
  }

  private void dropIfPending(String uid, Pod pod) {
    if (pod instanceof Pod.Pending pending) {
      pods.remove(uid);
      pending.namespace().close();
    }
  }

  private void remove(String uid, DrainMode mode) {
    @Nullable Pod pod = pods.remove(uid);
    switch (pod) {
      case null -> {}
      case Pod.Pending pending -> pending.namespace().close();
      case Pod.Running running ->
          drainInBackground(
              running.proxy(), new Leaving(uid, running.info()), running.namespace(), mode);
    }
    tellCounts();
  }

  private void drainInBackground(
      WorkloadProxy proxy, Leaving pod, NetworkNamespace namespace, DrainMode mode) {
    leaving.put(proxy, pod);
    Future<Void> drain = proxy.drain(mode);
    drains.add(drain);
    drain.addListener(
        _ ->
            control.execute(
                () -> {
                  drains.remove(drain);
                  leaving.remove(proxy);
                  namespace.close();
                  observer.onProxyStopped();
                  tellCounts();
                }));
  }

  private void tellCounts() {
    int pending = 0;
    for (Pod pod : pods.values()) {
      if (pod instanceof Pod.Pending) {
        pending++;
      }
    }
    observer.onCounts(pods.size() - pending + leaving.size(), pending);
  }
}
