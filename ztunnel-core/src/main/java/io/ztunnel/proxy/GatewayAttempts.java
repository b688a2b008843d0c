package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.hbone.TunnelProgress;
import io.ztunnel.metrics.GatewayMetrics;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The attempts of one connection through a gateway to reach one of several targets by plain TCP,
 * before the client hears anything. A target that cannot be reached is set aside and another one is
 * tried; beside one that is slow another one is tried, and the first that accepts is taken. Those
 * that are tried and the one that is reached are counted as having the connection. Confined to the
 * event loop of the connection.
 */
final class GatewayAttempts {
  /** The connection itself. Called on its loop. */
  interface Owner {
    /**
     * Decides where to go, with what is known now.
     *
     * @param tried the keys of targets that failed, or are slow
     * @return null if there is nowhere to go: the owner has ended then
     */
    @Nullable GatewayTarget choose(Set<String> tried);

    /** The target has accepted. Called at most once, as the last. */
    void onConnected(GatewayTarget target, TcpLeg upstream);

    /** The target has not, and no other one is tried. Called at most once, as the last. */
    void onFailed(GatewayTarget target, ConnectionFailure cause);
  }

  /** Makes TCP connections. Called on the loop of the connection. */
  interface Dialler {
    /**
     * Begins one.
     *
     * @param outcome may hear of it before this returns
     * @return gives it up: the listener hears nothing any more
     */
    Runnable dial(InetSocketAddress target, UpstreamDial.Listener outcome);
  }

  /**
   * What attempts need besides their connection.
   *
   * @param nanoTime the clock of the telemetry
   */
  record Means(
      EventLoop loop,
      LongSupplier nanoTime,
      EndpointHealth health,
      ServiceRetries retries,
      EndpointLoads loads,
      GatewayMetrics metrics,
      Dialler dialler) {
    static Means of(PodProxy proxy, GatewayContext gateway, EventLoop loop) {
      return new Means(
          loop,
          proxy.context().telemetry()::nanoTime,
          proxy.context().upstreams().health(),
          gateway.retries(),
          gateway.loads(),
          gateway.metrics(),
          (target, outcome) -> {
            UpstreamDial dial = new UpstreamDial(loop, outcome);
            dial.begin(proxy, target, null);
            return dial::cancel;
          });
    }
  }

  /** No attempt begins later than this after the connection. */
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /**
   * How long a target is waited for alone when there are others. It is in the gateway's own
   * network, and node proxies that know other gateways wait two seconds for their answer.
   */
  private static final long ALONE_MILLIS = 500;

  /** How long a target is given when there are others; the last one has the connect timeout. */
  private static final long ATTEMPT_MILLIS = 2_000;

  /**
   * A target that has not accepted for so long when the client leaves counts as failed: TCP has
   * sent its SYN a second time by then, so that it was not one packet that got lost.
   */
  private static final long LATE_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Means means;
  private final InetSocketAddress source;
  private final Dial kind;
  private final long beganNanos;
  private final Owner owner;

  /** Those whose outcome is awaited, in the order in which they began. */
  private final List<Attempt> underWay = new ArrayList<>(1);

  /** The one that began last, whatever became of it. */
  private @Nullable Attempt latest;

  /** Keys of all targets that had another one tried after them; made at the first. */
  private @Nullable Set<String> tried;

  /** The key of the target that was reached; null before and after. */
  private EndpointLoads.@Nullable Key reached;

  /**
   * Attempts of a connection.
   *
   * @param source the client's address, for the log
   * @param kind what is dialled
   * @param beganNanos when the connection began, by the clock of the telemetry
   */
  GatewayAttempts(Means means, InetSocketAddress source, Dial kind, long beganNanos, Owner owner) {
    this.means = means;
    this.source = source;
    this.kind = kind;
    this.beganNanos = beganNanos;
    this.owner = owner;
  }

  /** Chooses a target and dials it. */
  void next() {
    assert means.loop().inEventLoop();
    GatewayTarget target = owner.choose(tried == null ? Set.of() : tried);
    if (target == null || isUnderWay(target.key())) {
      return; // ended, or there was no other one after all
    }
    if (latest == null) {
      means.retries().of(target.service()).onConnection();
    }
    Attempt attempt = new Attempt(target);
    latest = attempt;
    underWay.add(attempt);
    attempt.begin();
  }

  private boolean isUnderWay(String key) {
    return underWay.stream().anyMatch(attempt -> attempt.target.key().equals(key));
  }

  /** Has another target tried, if there is one and time and budget are left. */
  private boolean another(GatewayTarget than, Runnable log) {
    if (than.others() == 0
        || means.nanoTime().getAsLong() - beganNanos >= DEADLINE_NANOS
        || !means.retries().of(than.service()).tryRetry()) {
      return false;
    }
    if (tried == null) {
      tried = new HashSet<>();
    }
    tried.add(than.key());
    means.metrics().retried();
    log.run();
    next();
    return true;
  }

  private void onConnected(Attempt winner, TcpLeg upstream) {
    means.health().succeeded(winner.target.key());
    for (Attempt slow : underWay.subList(0, underWay.indexOf(winner))) {
      means.health().failed(slow.target.key()); // it had half a second more
    }
    winner.stop();
    reached = winner.target.load();
    giveUpAll();
    owner.onConnected(winner.target, upstream);
  }

  private void onFailed(Attempt failed, ConnectionFailure cause) {
    failed.giveUp();
    if (!(cause instanceof ConnectionFailure.OutOfDescriptors)) { // then the fault is ours
      means.health().failed(failed.target.key());
      Attempt last = latest;
      if (last != null
          && (last == failed || underWay.isEmpty())
          && another(last.target, () -> ProxyLog.retrying(source, failed.target.key(), cause))) {
        return;
      }
    }
    if (underWay.isEmpty()) {
      owner.onFailed(failed.target, cause);
    }
  }

  /** The connection is over, or nobody wants it any more. May be called more than once. */
  void end() {
    assert means.loop().inEventLoop();
    for (Attempt attempt : underWay) {
      if (attempt.isLate()) {
        means.health().failed(attempt.target.key());
      }
    }
    giveUpAll();
    if (reached != null) {
      means.loads().closed(reached);
      reached = null;
    }
  }

  private void giveUpAll() {
    List.copyOf(underWay).forEach(Attempt::giveUp);
    latest = null;
  }

  /** Waits for one target. */
  private final class Attempt implements UpstreamDial.Listener {
    final GatewayTarget target;
    private final long sinceNanos = means.nanoTime().getAsLong();
    private @Nullable Runnable cancel;
    private @Nullable ScheduledFuture<?> timer;

    Attempt(GatewayTarget target) {
      this.target = target;
    }

    void begin() {
      means.loads().opened(target.load());
      means.health().attempted(target.key());
      Runnable dial = means.dialler().dial(target.address(), this);
      if (!underWay.contains(this)) {
        return; // that was all
      }
      cancel = dial;
      if (target.others() > 0) {
        limitTime(ALONE_MILLIS, this::onAloneForLong);
      }
    }

    private void limitTime(long millis, Runnable then) {
      timer = means.loop().schedule(then, millis, TimeUnit.MILLISECONDS);
    }

    private void onAloneForLong() {
      limitTime(ATTEMPT_MILLIS - ALONE_MILLIS, this::onTimeUp);
      boolean _ =
          another(target, () -> ProxyLog.overtaking(source, target.key(), TunnelProgress.DIALLING));
    }

    private void onTimeUp() {
      GatewayAttempts.this.onFailed(
          this, Failures.ofLateDial(kind, target.address(), Duration.ofMillis(ATTEMPT_MILLIS)));
    }

    @Override
    public void onConnected(TcpLeg upstream) {
      GatewayAttempts.this.onConnected(this, upstream);
    }

    @Override
    public void onDialFailed(Throwable cause) {
      GatewayAttempts.this.onFailed(this, Failures.ofConnect(kind, target.address(), cause));
    }

    boolean isLate() {
      return means.nanoTime().getAsLong() - sinceNanos >= LATE_NANOS;
    }

    /** Is over; stays counted as having the connection. */
    void stop() {
      underWay.remove(this);
      if (timer != null) {
        timer.cancel(false);
        timer = null;
      }
    }

    /** Is over; what was begun is closed, if it is not so yet. */
    void giveUp() {
      stop();
      means.loads().closed(target.load());
      if (cancel != null) {
        cancel.run();
        cancel = null;
      }
    }
  }
}
