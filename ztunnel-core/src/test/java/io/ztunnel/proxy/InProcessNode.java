package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollDatagramChannel;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.MetricsText;
import io.ztunnel.hbone.HboneObserver;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.identity.RevokedCertificates;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.metrics.SeriesBounds;
import io.ztunnel.metrics.TrafficMetrics;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Transport;
import io.ztunnel.routing.InboundSettings;
import io.ztunnel.routing.ReservedPorts;
import io.ztunnel.routing.TrustDomainAliases;
import io.ztunnel.telemetry.ConnectionTelemetry;
import io.ztunnel.telemetry.Denials;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * What proxies of one node share, without a process of their own: one event loop, a control thread,
 * certificates of a trial authority and metrics. Called from the test's thread.
 */
final class InProcessNode implements AutoCloseable {
  static final List<Integer> PORTS =
      List.of(
          ProxySettings.HBONE_PORT, ProxySettings.PASSTHROUGH_PORT, ProxySettings.OUTBOUND_PORT);
  private static final SocketSettings.Keepalive KEEPALIVE =
      new SocketSettings.Keepalive(true, Duration.ofMinutes(3), Duration.ofMinutes(3), 9);

  private final EventExecutor control = new DefaultEventExecutor();
  private final EventLoopGroup loops;
  private final HostResolver resolver =
      new HostResolver(EpollDatagramChannel.class, true, SearchList.NONE, System::nanoTime);
  private final MeshRegistry registry = new MeshRegistry();
  private final TrafficMetrics metrics =
      new TrafficMetrics(registry, SeriesBounds.DEFAULT, System::nanoTime, () -> {});
  private final RemoteGatewayMetrics gateways =
      new RemoteGatewayMetrics(registry, System::nanoTime, NetUtil::toSocketAddressString);
  private final Drains drains = new Drains(registry);
  private final Admission admission = new Admission(drains);
  private final CertificateManager certificates;
  private final Discovery discovery;

  /**
   * @param directory of the authority
   */
  InProcessNode(Path directory) throws IOException {
    this(directory, Discovery.NOTHING);
  }

  InProcessNode(Path directory, Discovery discovery) throws IOException {
    this(directory, discovery, 1);
  }

  /**
   * @param loops how many event loops; the listeners of the first proxy are on the first three
   */
  InProcessNode(Path directory, Discovery discovery, int loops) throws IOException {
    this.discovery = discovery;
    this.loops = new EventLoops(Transport.EPOLL, loops);
    this.certificates =
        new CertificateManager(
            control,
            TrialAuthority.open(directory, Duration.ofHours(1), Clock.systemUTC()),
            new TlsSettings(TlsSettings.Provider.JDK, false, false),
            Map.of(),
            new RevokedCertificates(control),
            Clock.systemUTC(),
            new SplittableRandom());
  }

  /** Whom its proxies take connections of. */
  Admission admission() {
    return admission;
  }

  <T> T inControl(Callable<T> action) throws Exception {
    return control.submit(action).get(10, TimeUnit.SECONDS);
  }

  /** A mesh that is empty. */
  MeshState mesh() {
    return new MeshState(control, "node-a");
  }

  /** Puts what the YAML says in place of what the mesh had; what is equal has not changed. */
  void replace(MeshState mesh, String yaml) throws Exception {
    boolean _ =
        inControl(
            () -> {
              TestMesh.config(yaml).replace(mesh);
              return true;
            });
  }

  /** A proxy that is not started, and stops accepting as soon as it is told to end. */
  PodProxy proxy(
      NetworkNamespace namespace, MeshState mesh, WorkloadInfo pod, Duration drainDeadline) {
    return proxy(namespace, mesh, pod, drainDeadline, Duration.ZERO);
  }

  /** A proxy that is not started. */
  PodProxy proxy(
      NetworkNamespace namespace,
      MeshState mesh,
      WorkloadInfo pod,
      Duration drainDeadline,
      Duration handoverWait) {
    ProxySettings settings =
        new ProxySettings(
            "",
            TrustDomainAliases.NONE,
            new ReservedPorts(Set.copyOf(PORTS)),
            false,
            true,
            InboundSettings.TunnelDelivery.POD_ADDRESS,
            false,
            false,
            Duration.ofSeconds(5),
            HalfClosedProbing.within(Duration.ofMinutes(1)),
            drainDeadline,
            handoverWait,
            HboneSettings.defaults());
    ProxyContext context =
        new ProxyContext(
            settings,
            loops,
            mesh,
            discovery,
            certificates,
            Upstreams.create(resolver, gateways, mesh::view, System::nanoTime),
            new ConnectionTelemetry(metrics, System::nanoTime),
            metrics,
            new Denials(InstantSource.system()),
            HboneObserver.NONE,
            drains,
            admission,
            null);
    SocketSettings sockets =
        new SocketSettings(
            true,
            OptionalInt.of(0x539),
            true,
            SocketSettings.Transparency.BEST_EFFORT,
            KEEPALIVE,
            false);
    return new PodProxy(
        control,
        context,
        new SocketFactory(Transport.EPOLL, namespace, sockets),
        pod,
        PodProxy.Role.WORKLOAD);
  }

  /** A proxy that listens. */
  PodProxy started(
      NetworkNamespace namespace, MeshState mesh, WorkloadInfo pod, Duration drainDeadline)
      throws Exception {
    return started(proxy(namespace, mesh, pod, drainDeadline));
  }

  /** Starts it; it listens when this returns. */
  PodProxy started(PodProxy proxy) throws Exception {
    Future<Void> started = inControl(proxy::start);
    assertTrue(started.await(10, TimeUnit.SECONDS));
    assertTrue(started.isSuccess(), () -> String.valueOf(started.cause()));
    return proxy;
  }

  /** Keeps the last loop busy until it is told otherwise. */
  void parkLastLoop(CountDownLatch until) {
    EventExecutor last = null;
    for (EventExecutor loop : loops) {
      last = loop;
    }
    Objects.requireNonNull(last)
        .execute(
            () -> {
              try {
                boolean _ = until.await(10, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
  }

  /** The page of the metrics. */
  String metricsPage() throws IOException {
    return MetricsText.of(registry);
  }

  @Override
  public void close() {
    certificates.close();
    resolver.close();
    assertTrue(
        loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(10_000),
        "loops do not end");
    assertTrue(
        control.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(10_000),
        "control thread does not end");
    registry.close();
  }
}
