package io.ztunnel.xds;

import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The client of the control plane: keeps one stream of delta xDS, hands every resource to the
 * watcher of its type, and acknowledges what was taken. What is held stays while there is no
 * stream.
 *
 * <p>Works on a thread of its own, {@code xds}, which alone calls watchers and the observer; {@link
 * #start}, {@link #demand} and {@link #close} may come from any thread.
 *
 * <p>Source: Envoy's aggregated discovery service in its delta form, as Istio's ztunnel speaks it
 * with istiod.
 */
public final class XdsClient implements AutoCloseable {
  /** Limit of those who wait for an answer on demand. */
  private static final int MAX_WAITING = 10_000;

  /** A stream that brought something and lasted so long was a good one. */
  private static final long HEALTHY_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final long CLOSE_SECONDS = 5;

  private final ControlPlane controlPlane;
  private final XdsSettings settings;
  private final ControlPlaneChannels channels;
  private final XdsObserver observer;
  private final LongSupplier nanoTime;

  /** Confined to the loop of the channels. */
  private final AddressTurn turn = new AddressTurn();

  private final ScheduledThreadPoolExecutor thread;
  private final AtomicInteger waiting = new AtomicInteger();

  /** The values are confined, but for what they say themselves. */
  private final Map<String, TypeState> types = new LinkedHashMap<>();

  // Confined to the xds thread.
  private final Set<TypeState> cold = new HashSet<>();
  private final Backoff backoff;
  private long streams;
  private long streamBeganNanos;
  private @Nullable DeltaStream stream;
  private @Nullable ScheduledFuture<?> next;

  /** Done when nothing of the last stream is being put into effect any more. */
  private CompletionStage<?> inEffect = CompletableFuture.completedStage(null);

  private boolean closing;

  /**
   * A client, not yet started.
   *
   * @param channels stays the caller's, who closes it after this
   * @param nanoTime the clock
   * @param random spreads the attempts of many nodes; used on the xds thread only
   */
  public XdsClient(
      ControlPlane controlPlane,
      XdsSettings settings,
      ControlPlaneChannels channels,
      XdsObserver observer,
      LongSupplier nanoTime,
      RandomGenerator random) {
    this.controlPlane = controlPlane;
    this.settings = settings;
    this.channels = channels;
    this.observer = observer;
    this.nanoTime = nanoTime;
    this.backoff = new Backoff(random);
    for (Subscription subscription : settings.subscriptions()) {
      TypeState type = new TypeState(subscription, settings.maxDemanded(), nanoTime);
      types.put(type.typeUrl(), type);
      if (type.isWildcard()) {
        cold.add(type);
      }
    }
    this.thread =
        new ScheduledThreadPoolExecutor(
            1, task -> Thread.ofPlatform().name("xds").daemon().unstarted(task));
    thread.setRemoveOnCancelPolicy(true);
  }

  /** Connects, and goes on until {@link #close}. Once only. */
  public void start() {
    thread.execute(this::open);
  }

  /**
   * Asks for a resource of a type that is subscribed on demand. Any thread.
   *
   * @param key a name or an alias
   * @param done told once, within the time of the settings: at once on this thread if it was
   *     answered before, or else on the xds thread, where it must not wait
   */
  public void demand(String typeUrl, String key, Consumer<DemandOutcome> done) {
    TypeState type = types.get(typeUrl);
    if (type == null || type.isWildcard()) {
      throw new IllegalArgumentException(
          "type: " + typeUrl + " (expected: one that is subscribed on demand)");
    }
    if (type.demands().touchAnswered(key)) {
      done.accept(DemandOutcome.ANSWERED);
      return;
    }
    if (waiting.incrementAndGet() > MAX_WAITING) {
      waiting.decrementAndGet();
      done.accept(DemandOutcome.REFUSED);
      return;
    }
    Consumer<DemandOutcome> counted =
        outcome -> {
          waiting.decrementAndGet();
          done.accept(outcome);
        };
    try {
      thread.execute(() -> await(type, key, counted));
    } catch (RejectedExecutionException _) {
      counted.accept(DemandOutcome.REFUSED);
    }
  }

  /** A key is used: if it was asked for, it is not let go of soon. Any thread. */
  public void touch(String typeUrl, String key) {
    TypeState type = types.get(typeUrl);
    if (type != null) {
      boolean _ = type.demands().touchAnswered(key);
    }
  }

  private void await(TypeState type, String key, Consumer<DemandOutcome> done) {
    if (closing) {
      done.accept(DemandOutcome.REFUSED);
      return;
    }
    var limit =
        new Object() {
          @Nullable ScheduledFuture<?> timer;
        };
    Demands.Waiter waiter =
        new Demands.Waiter(
            outcome -> {
              if (limit.timer != null) {
                limit.timer.cancel(false);
              }
              done.accept(outcome);
            });
    limit.timer =
        thread.schedule(
            () -> {
              type.demands().forget(key, waiter);
              waiter.complete(DemandOutcome.TIMED_OUT);
            },
            settings.demandTimeout().toNanos(),
            TimeUnit.NANOSECONDS);
    switch (type.demands().await(key, waiter)) {
      case NONE -> {}
      case FIRST -> {
        subscribe(type, key, type.held().contains(key));
        evict(type);
      }
      case AGAIN -> subscribe(type, key, true);
    }
  }

  /**
   * Asks for a key.
   *
   * @param again whether it is subscribed, so that there would be no answer
   */
  private void subscribe(TypeState type, String key, boolean again) {
    if (stream == null) {
      return;
    }
    if (again) {
      type.unsubscribe(List.of(key)).forEach(stream::send);
    }
    type.subscribe(List.of(key)).forEach(stream::send);
  }

  /**
   * Lets go of what was not used for the longest time, a tenth at once, and of what nobody needs
   * though it has come. Not while a response of the type is on its way, which may bring again what
   * would be let go; and while the control plane is away nothing that is there, for it could not be
   * had again.
   */
  private void evict(TypeState type) {
    if (stream != null && stream.isTaking(type)) {
      return;
    }
    int limit = settings.maxDemanded();
    List<Demands.Demand> oldest =
        type.demands().size() <= limit ? List.of() : type.demands().evict(limit, limit / 10);
    Set<String> unused = type.unneeded().take();
    unused.removeIf(type.demands()::isUsed);
    if (oldest.isEmpty() && unused.isEmpty()) {
      return;
    }
    for (Demands.Demand demand : oldest) {
      demand.resources().stream()
          .filter(resource -> !type.demands().isUsed(resource))
          .forEach(unused::add);
    }
    List<String> resources =
        type.watcher().released(unused).stream()
            .filter(released -> !type.demands().isUsed(released))
            .toList();
    if (!resources.isEmpty()) {
      drop(type, resources);
    }
    if (stream != null) {
      Set<String> names = new LinkedHashSet<>(resources);
      for (Demands.Demand demand : oldest) {
        if (!type.held().contains(demand.key())) { // or else it is needed for another reason
          names.add(demand.key());
        }
      }
      type.unsubscribe(List.copyOf(names)).forEach(stream::send);
      type.unneeded().letGo(names);
    }
  }

  private void drop(TypeState type, List<String> resources) {
    ResourceBatch batch = type.watcher().begin(streams);
    for (String resource : resources) {
      batch.remove(resource);
      type.held().remove(resource);
    }
    var _ =
        type.apply(batch, this::execute)
            .whenCompleteAsync(
                (_, failure) -> {
                  if (failure != null) {
                    onApplyFailed(type, failure);
                  }
                },
                this::execute);
  }

  private void setAnswerable(boolean answerable) {
    types.values().forEach(type -> type.demands().setAnswerable(answerable));
  }

  /** What comes after the end finds nothing left to do. */
  private void execute(Runnable task) {
    try {
      thread.execute(task);
    } catch (RejectedExecutionException e) {
      if (!thread.isShutdown()) {
        throw e;
      }
    }
  }

  private void open() {
    if (closing) {
      return;
    }
    streams++;
    streamBeganNanos = nanoTime.getAsLong();
    DeltaStream opened;
    try {
      opened =
          new DeltaStream(
              streams,
              new StreamOwner(),
              observer,
              thread,
              this::execute,
              listener -> channels.call(controlPlane, turn, thread, listener));
    } catch (IOException | RuntimeException e) {
      pause(new StreamEnd(StreamEnd.Kind.ERROR, e.toString()));
      return;
    }
    stream = opened;
    opened.start();
  }

  private void pause(StreamEnd end) {
    Duration pause = backoff.next();
    observer.onEnded(streams, end, pause);
    next = thread.schedule(this::reopen, pause.toNanos(), TimeUnit.NANOSECONDS);
  }

  private void reopen() {
    var _ = inEffect.whenCompleteAsync((_, _) -> open(), this::execute);
  }

  private void onApplyFailed(TypeState type, Throwable failure) {
    type.held().distrust();
    if (stream != null) {
      stream.cancel(StreamEnd.Kind.ERROR, "a response cannot be applied: " + failure);
    }
  }

  /**
   * From now on connections go first: a whole mesh keeps these threads busy for seconds. Until it
   * is known there are none.
   */
  @SuppressWarnings("ThreadPriorityCheck") // a nice value, for latency; nothing relies on it
  private void giveWay() {
    Thread.currentThread().setPriority(Thread.MIN_PRIORITY);
    channels.giveWay();
  }

  /** Ends the stream and the thread; waits for it in bounded time. Whoever waits is told. */
  @Override
  public void close() {
    try {
      thread.execute(this::end);
    } catch (RejectedExecutionException _) {
      return; // closed before
    }
    try {
      if (!thread.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        thread.shutdownNow();
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      thread.shutdownNow();
    }
  }

  /** What was asked before is answered; no timer is left to wait for. */
  private void end() {
    closing = true;
    if (next != null) {
      next.cancel(false);
    }
    if (stream != null) {
      stream.close();
    }
    types.values().forEach(type -> type.demands().refuseAll());
    thread.shutdown(); // not before: those who wait could not be given their time limit
  }

  /** What a stream asks of this client. */
  private final class StreamOwner implements DeltaStream.Owner {
    @Override
    public @Nullable TypeState type(String typeUrl) {
      return types.get(typeUrl);
    }

    @Override
    public List<TypeState> types() {
      return List.copyOf(types.values());
    }

    @Override
    public XdsNode node() {
      return settings.node();
    }

    @Override
    public void onInEffect(TypeState type) {
      evict(type);
    }

    @Override
    public void onAcknowledged(TypeState type) {
      setAnswerable(true);
      if (cold.remove(type) && cold.isEmpty()) {
        giveWay();
        observer.onWarm();
      }
    }

    @Override
    public void onApplyFailed(TypeState type, Throwable failure) {
      XdsClient.this.onApplyFailed(type, failure);
    }

    @Override
    public void onEnded(DeltaStream ended, StreamEnd end) {
      stream = null;
      setAnswerable(false);
      types.values().forEach(type -> type.unneeded().forget());
      inEffect = ended.inEffect();
      if (closing) {
        return;
      }
      if (ended.wasUseful() && nanoTime.getAsLong() - streamBeganNanos >= HEALTHY_NANOS) {
        backoff.reset();
      }
      pause(end);
    }
  }
}
