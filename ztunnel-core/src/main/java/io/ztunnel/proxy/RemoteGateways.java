package io.ztunnel.proxy;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.Hop;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The gateways of other networks that are set aside because they could not be reached, and the
 * probes by which each is found well again: one at a time for a gateway in the whole process, after
 * half a second first, then after twice as long each time up to half a minute, a fifth more or less
 * by chance.
 *
 * <p>Any thread; a probe belongs to the loop on which its gateway failed first.
 */
public final class RemoteGateways {
  private static final long FIRST_PAUSE_MILLIS = 500;
  private static final long LAST_PAUSE_MILLIS = 30_000;
  private static final double JITTER = 0.2;

  /** So many in vain, and the gateway is left to the connections that want to use it. */
  private static final int MAX_PROBES = 40;

  /** Longer than all probes take. */
  private static final Duration HELD = Duration.ofMinutes(30);

  /** More are set aside, but not probed. */
  private static final int MAX_PROBED = 1_000;

  private final EndpointHealth health;
  private final RemoteGatewayMetrics metrics;
  private final Supplier<? extends RandomGenerator> random;

  /** By the key that is tried: a gateway's uid, or one address of it. */
  private final Map<String, Probing> underWay = new ConcurrentHashMap<>();

  RemoteGateways(
      EndpointHealth health,
      RemoteGatewayMetrics metrics,
      Supplier<? extends RandomGenerator> random) {
    this.health = health;
    this.metrics = metrics;
    this.random = random;
  }

  /** How a gateway is probed: told once what was found, null if it is well. */
  interface Probe {
    void begin(Consumer<@Nullable HboneFailure> outcome);
  }

  /** A connection goes through this gateway. */
  void used(String network, InetSocketAddress address) {
    metrics.used(network, address);
  }

  /**
   * The gateway could not be reached: it is avoided until a probe, or a connection that had no
   * other, finds it well.
   *
   * @param loop of the caller, on which it is probed
   */
  void failed(Hop gateway, String why, EventExecutor loop, Probe probe) {
    assert loop.inEventLoop();
    if (underWay.size() >= MAX_PROBED) {
      gateway.keys().forEach(health::failed);
      return;
    }
    gateway.keys().forEach(key -> health.hold(key, HELD));
    Probing made = new Probing(gateway, loop, probe);
    if (underWay.putIfAbsent(made.key(), made) == null) {
      ProxyLog.gatewaySetAside(made.key(), gateway.address(), why);
      metrics.setAside(gateway.address());
      made.goOn();
    }
  }

  /** The gateway carries a connection. */
  void succeeded(Hop gateway) {
    if (!underWay.isEmpty()) {
      Probing probing = underWay.get(gateway.keys().getFirst());
      if (probing != null) {
        probing.end();
      }
    }
  }

  /** How many are probed. */
  int probed() {
    return underWay.size();
  }

  /** The probes of one gateway. Confined to its loop, but for {@link #end}. */
  private final class Probing {
    private final Hop gateway;
    private final EventExecutor loop;
    private final Probe probe;
    private int probes;

    Probing(Hop gateway, EventExecutor loop, Probe probe) {
      this.gateway = gateway;
      this.loop = loop;
      this.probe = probe;
    }

    String key() {
      return gateway.keys().getFirst();
    }

    void goOn() {
      long pause = Math.min(FIRST_PAUSE_MILLIS << Math.min(probes, 10), LAST_PAUSE_MILLIS);
      double share = random.get().nextDouble(1 - JITTER, 1 + JITTER);
      Future<?> _ = loop.schedule(this::begin, (long) (pause * share), TimeUnit.MILLISECONDS);
    }

    private boolean isOver() {
      return !this.equals(underWay.get(key()));
    }

    private void begin() {
      if (!isOver()) {
        probes++;
        probe.begin(this::onOutcome);
      }
    }

    private void onOutcome(@Nullable HboneFailure failure) {
      if (isOver()) {
        return;
      }
      if (failure == null) {
        end();
      } else if (failure instanceof HboneFailure.PoolClosed || probes >= MAX_PROBES) {
        ProxyLog.gatewayGivenUp(key(), gateway.address(), failure.message());
        release();
      } else {
        goOn();
      }
    }

    /** It is well. Any thread. */
    void end() {
      if (release()) {
        ProxyLog.gatewayIsBack(key(), gateway.address());
      }
    }

    private boolean release() {
      boolean released = underWay.remove(key(), this);
      if (released) {
        for (String key : List.of(key(), gateway.workload().uid())) {
          health.succeeded(key);
        }
        metrics.isBack(gateway.address());
      }
      return released;
    }
  }
}
