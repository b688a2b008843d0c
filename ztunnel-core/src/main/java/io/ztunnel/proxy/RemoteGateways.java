package io.ztunnel.proxy;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.routing.Hop;
import io.ztunnel.routing.PodHealth;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The gateways of other networks that pods have set aside because they could not reach them, and
 * the probes by which each is found well again: one at a time for a gateway and a pod, after half a
 * second first, then after twice as long each time up to half a minute, a fifth more or less by
 * chance. Other pods are warned once, as of any endpoint that fails: what keeps a pod from a
 * gateway may be its own network or certificate. Before each it is asked where the gateway is, and
 * who: one that is another by now, or somewhere else, or at another port, is not set aside any
 * more.
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

  private final RemoteGatewayMetrics metrics;
  private final Supplier<MeshView> mesh;
  private final Supplier<? extends RandomGenerator> random;

  private final Map<Probed, Probing> underWay = new ConcurrentHashMap<>();

  RemoteGateways(
      RemoteGatewayMetrics metrics,
      Supplier<MeshView> mesh,
      Supplier<? extends RandomGenerator> random) {
    this.metrics = metrics;
    this.mesh = mesh;
    this.random = random;
  }

  /**
   * What is probed, and for whom.
   *
   * @param pod uid of its workload
   * @param key a gateway's uid, or one address of it
   */
  private record Probed(String pod, String key) {
    Probed(PodHealth pod, Hop gateway) {
      this(pod.pod(), gateway.keys().getFirst());
    }
  }

  /** How a gateway is probed. */
  interface Probe {
    /** Whether the mesh says by now to dial it in another way. */
    boolean isOutdated(MeshView view);

    /** Has the gateway's name resolved, which {@link #onResolved} is told, and runs this then. */
    void resolve(Runnable then);

    /** Probes it; the outcome is told once what was found, null if it is well. */
    void begin(Consumer<@Nullable HboneFailure> outcome);
  }

  /** A connection goes through this gateway. */
  void used(String network, InetSocketAddress address) {
    metrics.used(network, address);
  }

  /**
   * The pod could not reach the gateway: the pod avoids it until a probe, or a connection that had
   * no other, finds it well.
   *
   * @param loop of the caller, on which it is probed
   */
  void failed(PodHealth pod, Hop gateway, String why, EventExecutor loop, Probe probe) {
    assert loop.inEventLoop();
    if (underWay.size() >= MAX_PROBED) {
      gateway.keys().forEach(pod::failed);
      return;
    }
    gateway.keys().forEach(key -> pod.hold(key, HELD));
    Probing made = new Probing(pod, gateway, loop, probe);
    if (underWay.putIfAbsent(made.probed, made) == null) {
      gateway.keys().forEach(pod::warn); // once, however many connections of the pod fail
      ProxyLog.gatewaySetAside(made.key(), gateway.address(), pod.pod(), why);
      metrics.setAside(gateway.address());
      made.goOn();
    }
  }

  /** The gateway carries a connection of the pod. */
  void succeeded(PodHealth pod, Hop gateway) {
    if (underWay.isEmpty() || gateway.keys().isEmpty()) {
      return; // nothing is probed, or nothing is remembered of a call to an address by itself
    }
    Probing probing = underWay.get(new Probed(pod, gateway));
    if (probing != null) {
      probing.end();
    }
  }

  /** The pod was told that the name of this workload stands for these addresses now. */
  void onResolved(PodHealth pod, Workload named, Collection<InetAddress> addresses) {
    if (underWay.isEmpty()) {
      return;
    }
    for (Probing probing : underWay.values()) {
      if (probing.isOf(pod, named) && !addresses.contains(probing.address())) {
        probing.forget();
      }
    }
    if (pod.isSetAside(named.uid())
        && addresses.stream().anyMatch(ip -> !pod.isSetAside(Hop.key(named, ip)))) {
      pod.succeeded(named.uid());
    }
  }

  /** How many are probed. */
  int probed() {
    return underWay.size();
  }

  /**
   * The probes of one gateway for one pod. Confined to its loop, but for {@link #end} and {@link
   * #forget}.
   */
  private final class Probing {
    private final PodHealth pod;
    private final Hop gateway;
    private final Probed probed;
    private final EventExecutor loop;
    private final Probe probe;
    private int probes;

    Probing(PodHealth pod, Hop gateway, EventExecutor loop, Probe probe) {
      this.pod = pod;
      this.gateway = gateway;
      this.probed = new Probed(pod, gateway);
      this.loop = loop;
      this.probe = probe;
    }

    String key() {
      return probed.key();
    }

    void goOn() {
      long pause = Math.min(FIRST_PAUSE_MILLIS << Math.min(probes, 10), LAST_PAUSE_MILLIS);
      double share = random.get().nextDouble(1 - JITTER, 1 + JITTER);
      Future<?> _ = loop.schedule(this::begin, (long) (pause * share), TimeUnit.MILLISECONDS);
    }

    private boolean isOver() {
      return !this.equals(underWay.get(probed));
    }

    boolean isOf(PodHealth whose, Workload workload) {
      return pod.equals(whose) && gateway.workload().uid().equals(workload.uid());
    }

    InetAddress address() {
      return gateway.address().getAddress();
    }

    private void begin() {
      if (isOver()) {
        return;
      }
      MeshView view = mesh.get();
      @Nullable Workload now = view.workload(gateway.workload().uid());
      if (now == null || !now.isReachedAs(gateway.workload()) || probe.isOutdated(view)) {
        forget();
      } else if (now.hasIps()) {
        probe();
      } else {
        probe.resolve(this::probe);
      }
    }

    private void probe() {
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
        ProxyLog.gatewayGivenUp(key(), gateway.address(), pod.pod(), failure.message());
        release();
      } else {
        goOn();
      }
    }

    /** It is well. Any thread. */
    void end() {
      if (release()) {
        ProxyLog.gatewayIsBack(key(), gateway.address(), pod.pod());
      }
    }

    /** What is there now was not tried yet. Any thread. */
    void forget() {
      if (release()) {
        ProxyLog.gatewayHasChanged(key(), gateway.address(), pod.pod());
      }
    }

    private boolean release() {
      boolean released = underWay.remove(probed, this);
      if (released) {
        for (String key : List.of(key(), gateway.workload().uid())) {
          pod.succeeded(key);
        }
        metrics.isBack(gateway.address());
      }
      return released;
    }
  }
}
