package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import java.net.InetSocketAddress;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The attempts of one connection through a gateway to reach one of several targets by plain TCP. A
 * target that cannot be reached is set aside and another one is tried, before the client hears
 * anything; the one that is tried or reached is counted as having the connection. Confined to the
 * event loop of the connection.
 */
final class GatewayAttempts {
  /** The connection itself. Called on its loop. */
  interface Owner {
    /**
     * Decides where to go, with what is known now.
     *
     * @param failed the keys of targets that failed
     * @return null if there is nowhere to go: the owner has ended then
     */
    @Nullable GatewayTarget choose(Set<String> failed);

    /** The target has accepted. Called at most once, as the last. */
    void onConnected(GatewayTarget target, TcpLeg upstream);

    /** The target has not, and no other one is tried. Called at most once, as the last. */
    void onFailed(GatewayTarget target, ConnectionFailure cause);
  }

  /** No attempt begins later than this after the connection. */
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final PodProxy proxy;
  private final GatewayContext gateway;
  private final EventLoop loop;
  private final InetSocketAddress source;
  private final Dial kind;
  private final long beganNanos;
  private final Owner owner;

  /** Keys of targets that failed; made at the first failure. */
  private @Nullable Set<String> failed;

  /** The one whose outcome is awaited. */
  private @Nullable UpstreamDial dial;

  /** The key of the target that this connection is counted for; null before and after. */
  private EndpointLoads.@Nullable Key loaded;

  /**
   * Attempts of a connection.
   *
   * @param source the client's address, for the log
   * @param kind what is dialled
   * @param beganNanos when the connection began, by the clock of the telemetry
   */
  GatewayAttempts(
      PodProxy proxy,
      GatewayContext gateway,
      EventLoop loop,
      InetSocketAddress source,
      Dial kind,
      long beganNanos,
      Owner owner) {
    this.proxy = proxy;
    this.gateway = gateway;
    this.loop = loop;
    this.source = source;
    this.kind = kind;
    this.beganNanos = beganNanos;
    this.owner = owner;
  }

  /** Chooses a target and dials it. */
  void next() {
    assert loop.inEventLoop();
    GatewayTarget target = owner.choose(failed == null ? Set.of() : failed);
    if (target != null) {
      dial(target);
    }
  }

  private void dial(GatewayTarget target) {
    gateway.loads().opened(target.load());
    loaded = target.load();
    health().attempted(target.key());
    UpstreamDial attempt = new UpstreamDial(loop, new Attempt(this, target));
    dial = attempt;
    attempt.begin(proxy, target.address(), null);
  }

  /** Waits for one target. */
  private record Attempt(GatewayAttempts all, GatewayTarget target)
      implements UpstreamDial.Listener {
    @Override
    public void onConnected(TcpLeg upstream) {
      all.dial = null;
      all.health().succeeded(target.key());
      all.owner.onConnected(target, upstream);
    }

    @Override
    public void onDialFailed(Throwable cause) {
      all.dial = null;
      all.onDialFailed(target, Failures.ofConnect(all.kind, target.address(), cause));
    }
  }

  private void onDialFailed(GatewayTarget target, ConnectionFailure cause) {
    unload();
    if (cause instanceof ConnectionFailure.OutOfDescriptors) {
      owner.onFailed(target, cause); // the fault is ours
      return;
    }
    health().failed(target.key());
    if (!mayRetry(target)) {
      owner.onFailed(target, cause);
      return;
    }
    if (failed == null) {
      failed = new HashSet<>();
    }
    failed.add(target.key());
    gateway.metrics().retried();
    ProxyLog.retrying(source, target.key(), cause);
    next();
  }

  private boolean mayRetry(GatewayTarget target) {
    return target.others() > 0
        && proxy.context().telemetry().nanoTime() - beganNanos < DEADLINE_NANOS
        && proxy.context().upstreams().retries().tryRetry();
  }

  private EndpointHealth health() {
    return proxy.context().upstreams().health();
  }

  /** The connection is over, or nobody wants it any more. May be called more than once. */
  void end() {
    assert loop.inEventLoop();
    if (dial != null) {
      dial.cancel();
      dial = null;
    }
    unload();
  }

  private void unload() {
    if (loaded != null) {
      gateway.loads().closed(loaded);
      loaded = null;
    }
  }
}
