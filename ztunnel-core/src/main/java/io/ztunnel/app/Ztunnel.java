package io.ztunnel.app;

import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollDatagramChannel;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.nio.NioDatagramChannel;
import io.netty.channel.uring.IoUringDatagramChannel;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.admin.CertificateSection;
import io.ztunnel.admin.MeshSections;
import io.ztunnel.admin.PodSection;
import io.ztunnel.admin.Readiness;
import io.ztunnel.dns.AnswerMemory;
import io.ztunnel.dns.DnsContext;
import io.ztunnel.explain.Explainer;
import io.ztunnel.explain.ExplainerSettings;
import io.ztunnel.explain.GatewayExplainer;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.identity.CertificateState;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.log.Logging;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.LocalConfig;
import io.ztunnel.mesh.LocalConfigException;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.metrics.DnsMetrics;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.metrics.TrafficMetrics;
import io.ztunnel.metrics.TunnelMetrics;
import io.ztunnel.metrics.WorkloadManagerMetrics;
import io.ztunnel.metrics.XdsMetrics;
import io.ztunnel.proxy.Admission;
import io.ztunnel.proxy.Drains;
import io.ztunnel.proxy.GatewayContext;
import io.ztunnel.proxy.HostResolver;
import io.ztunnel.proxy.PodProxy;
import io.ztunnel.proxy.ProxyContext;
import io.ztunnel.proxy.ProxySettings;
import io.ztunnel.proxy.Upstreams;
import io.ztunnel.proxy.WorkloadProxies;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.FileDescriptorLimit;
import io.ztunnel.redirection.Permissions;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.Transport;
import io.ztunnel.redirection.ZdsClient;
import io.ztunnel.telemetry.ConnectionTelemetry;
import io.ztunnel.telemetry.Denials;
import io.ztunnel.telemetry.TunnelTelemetry;
import io.ztunnel.telemetry.XdsTelemetry;
import io.ztunnel.xds.ControlPlaneChannels;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The daemon: what it is made of, and in which order the parts start and stop.
 *
 * <p>Belongs to the main thread, which starts it, waits for the order to end, and stops it.
 */
final class Ztunnel implements AutoCloseable {
  private static final Log LOG = Log.target("ztunnel");
  private static final Log APP = Log.target("ztunnel::app");

  // What the process waits for before it is ready (Istio).
  private static final String STATE = "state manager";
  private static final String PROXY = "proxy";
  private static final String DNS = "dns proxy";

  /** Ours: what a gateway waits for. */
  private static final String CERTIFICATE = "gateway certificate";

  /** Of the name servers, for all pods: a twelfth of the usual heap. */
  private static final int MAX_ANSWER_BYTES = 16 << 20;

  private static final long CERTIFICATE_POLL_MILLIS = 50;

  /** How long connections may go on when the process ends because it has failed. */
  private static final long FAILED_GRACE_MILLIS = 2_000;

  private final Config config;
  private final Transport transport;
  private final EventLoopGroup loops;
  private final EventExecutor control;
  private final MeshState mesh;
  private final ControlPlaneChannels controlPlanes = new ControlPlaneChannels();
  private final CertificateParts certificateParts;
  private final CertificateManager certificates;
  private final HostResolver resolver;
  private final ProxyContext context;

  /** Null unless the daemon is one. */
  private final @Nullable GatewayContext gateway;

  private final OwnProxies ownProxies;
  private final MeshFeed feed;
  private final CountDownLatch ending = new CountDownLatch(1);

  /** Down when the mesh is known, or nobody waits for it any more. */
  private final CountDownLatch warmOrEnding = new CountDownLatch(1);

  private final AtomicInteger status = new AtomicInteger();
  private final Operations operations;
  private @Nullable WorkloadProxies workloads;

  private @Nullable ZdsClient agent;

  private Ztunnel(Config config, Version version, Logging.Session log) throws StartException {
    this.config = config;
    this.transport = DataPathSettings.transport(config);
    this.control = new DefaultEventExecutor(new NamedThreads("control"));
    this.loops =
        new EventLoops(transport, config.engine().workerThreads(), new NamedThreads("ztunnel"));
    this.operations = new Operations(config, version, log, transport, loops, this::end);
    this.mesh = new MeshState(control, config.node().name());
    this.certificateParts = new CertificateParts(config, control, controlPlanes);
    this.certificates = certificateParts.manager();
    this.resolver =
        new HostResolver(
            datagramChannel(),
            config.sockets().ipv6(),
            DataPathSettings.searchList(config),
            System::nanoTime);
    MeshRegistry registry = operations.registry();
    TrafficMetrics traffic =
        new TrafficMetrics(registry, config.metrics(), System::nanoTime, Ztunnel::tooManyLabelSets);
    RemoteGatewayMetrics gateways =
        new RemoteGatewayMetrics(registry, System::nanoTime, IpText::of);
    XdsTelemetry xds = new XdsTelemetry(new XdsMetrics(registry), this::onWarm);
    this.feed = new MeshFeed(config, mesh, control, controlPlanes, xds);
    Drains drains = new Drains(registry);
    this.context =
        new ProxyContext(
            DataPathSettings.proxy(config),
            loops,
            mesh,
            feed.discovery(),
            certificates,
            Upstreams.create(resolver, gateways, mesh::view, System::nanoTime),
            new ConnectionTelemetry(traffic, System::nanoTime),
            traffic,
            new Denials(Clock.systemUTC()),
            new TunnelTelemetry(new TunnelMetrics(registry), gateways),
            drains,
            new Admission(drains),
            config.dns().proxy() ? dns(registry) : null);
    this.ownProxies = new OwnProxies(config, transport, control, context);
    MeshSections.add(operations.dump(), mesh::view, this::localMeshNow);
    CertificateSection.add(operations.dump(), certificates::states);
    operations
        .readiness()
        .watch("certificates", () -> Problems.ofCertificates(certificates.states()));
    if (config.xds().address() != null) {
      operations.readiness().watch("control plane", xds::problem);
    }
    operations.pages().denials(context.denials());
    if (config.mode() instanceof Config.Mode.Gateway mode) {
      gateway = GatewayParts.create(config, mode, registry);
      operations.pages().explain(explainer(gateway, mode.self()));
    } else {
      gateway = null;
      operations.pages().explain(explainer());
    }
  }

  private static void tooManyLabelSets() {
    APP.warn(
        "more label sets of metrics than ZTUNNEL_METRIC_LABEL_SETS: connections are counted without names, see ztunnel_metric_label_sets_refused");
  }

  private Explainer explainer() {
    ProxySettings settings = context.settings();
    return new Explainer(
        mesh::view,
        new ExplainerSettings(
            settings.network(), config.xds().onDemand(), config.security().trustDomainAliases()),
        settings.outboundRouter(),
        settings.inboundRouter(),
        context.upstreams().health());
  }

  private GatewayExplainer explainer(GatewayContext parts, Config.OwnWorkload self) {
    return new GatewayExplainer(
        mesh::view,
        parts,
        info(self),
        context.upstreams().health(),
        config.security().trustDomainAliases());
  }

  private DnsContext dns(MeshRegistry registry) {
    return new DnsContext(
        DataPathSettings.dnsAddress(config),
        () -> DataPathSettings.dns(config, Host.local()),
        mesh,
        feed.services(),
        new DnsMetrics(registry, config.metrics().idle(), System::nanoTime),
        new AnswerMemory(MAX_ANSWER_BYTES),
        new SecureRandom(),
        System::nanoTime);
  }

  /** Runs until it is told to end; returns the status of the process. */
  static int run(Config config, Version version, Logging.Session log) throws StartException {
    LOG.info("version: " + version);
    switch (FileDescriptorLimit.raise()) {
      case FileDescriptorLimit.Outcome.Raised(long before, long now) ->
          LOG.info("set file descriptor limits from " + before + " to " + now);
      case FileDescriptorLimit.Outcome.Failed(String reason) ->
          LOG.warn("failed to set file descriptor limits: " + reason);
    }
    LOG.info("running with config: " + ConfigDescription.yaml(config));
    try (Ztunnel ztunnel = new Ztunnel(config, version, log)) {
      Signals.onTermination(ztunnel::end);
      ztunnel.start();
      ztunnel.awaitEnd();
      ztunnel.drain();
      return ztunnel.status.get();
    }
  }

  private Class<? extends DatagramChannel> datagramChannel() {
    return switch (transport) {
      case EPOLL -> EpollDatagramChannel.class;
      case IO_URING -> IoUringDatagramChannel.class;
      case NIO -> NioDatagramChannel.class;
    };
  }

  private void start() throws StartException {
    Readiness readiness = operations.readiness();
    @Nullable URI controlPlane = config.xds().address();
    readiness.require(
        STATE, controlPlane == null ? "" : "the first answers of control plane " + controlPlane);
    if (config.listeners().proxy()) {
      readiness.require(PROXY);
    }
    if (config.dns().proxy()) {
      readiness.require(DNS);
    }
    operations.startReadiness();
    certificateParts.followFiles();
    inControl(
        () ->
            mesh.observe(
                new CertificatePrefetch(certificates, config.node().name(), config.mode())));
    MemoryWatch.start(control, context.admission());
    loadLocalMesh(); // first, so that the control plane has the last word
    ZdsClient pods = config.mode() instanceof Config.Mode.Shared shared ? pods(shared) : null;
    operations.startAdminAndStats();
    if (pods != null) {
      completeProxies(); // the pods' listeners are a task of their own
    }
    if (!feed.start()) {
      onWarm();
    }
    // No connection is judged, and no pod taken, before the policies are known.
    if (awaitWarm()) {
      // What only the start needed is most of the heap; the node can have it back. It takes a
      // quarter of a second with a large mesh, which no connection has to wait for yet.
      System.gc();
      switch (config.mode()) {
        case Config.Mode.Shared _ -> startShared(Objects.requireNonNull(pods, "pods"));
        case Config.Mode.Dedicated(String namespace, String name, String serviceAccount) ->
            ownProxies.start(new WorkloadInfo(name, namespace, serviceAccount), workloadRole());
        case Config.Mode.Gateway(Config.OwnWorkload self, var _, var _, var _, var _, var _) ->
            startGateway(self, Objects.requireNonNull(gateway, "gateway"));
      }
    }
    // Now that nothing is left that could end the start.
    completeProxies();
  }

  private void completeProxies() {
    operations.readiness().complete(DNS);
    operations.readiness().complete(PROXY);
  }

  private PodProxy.Role workloadRole() {
    return config.listeners().proxy() ? PodProxy.Role.WORKLOAD : PodProxy.Role.DNS;
  }

  /** Any thread. */
  @SuppressWarnings("ThreadPriorityCheck") // a nice value, for latency; nothing relies on it
  private void onWarm() {
    // From now on connections go first; until now there were none.
    control.execute(() -> Thread.currentThread().setPriority(Thread.MIN_PRIORITY + 1));
    operations.readiness().complete(STATE);
    warmOrEnding.countDown();
  }

  /** Waits for the mesh, for as long as it takes; false if the process ends before. */
  private boolean awaitWarm() {
    try {
      warmOrEnding.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // as good as an order to end
      ending.countDown();
    }
    return ending.getCount() > 0;
  }

  private void loadLocalMesh() throws StartException {
    try {
      LocalConfig local = readLocalMesh();
      if (local != null) {
        inControl(() -> local.replace(mesh));
      }
    } catch (LocalConfigException e) {
      throw new StartException(e);
    }
  }

  private @Nullable LocalConfig readLocalMesh() throws LocalConfigException {
    return switch (config.localMesh()) {
      case Config.LocalMesh.None _ -> null;
      case Config.LocalMesh.YamlFile(Path path) -> LocalConfig.read(path);
      case Config.LocalMesh.Inline(String yaml) -> LocalConfig.parse(yaml);
    };
  }

  /** The local file as it is now, for the dump: it is read once for use, and again to be shown. */
  private @Nullable LocalConfig localMeshNow() {
    try {
      return readLocalMesh();
    } catch (LocalConfigException e) {
      APP.at(LogLevel.ERROR, "cannot show the local mesh").string("error", e.getMessage()).log();
      return null;
    }
  }

  /** Makes what serves pods, and shows it; {@link #startShared} begins. */
  private ZdsClient pods(Config.Mode.Shared shared) throws StartException {
    APP.info("shared proxy mode - in-pod mode enabled");
    try {
      Permissions.check();
    } catch (IOException e) {
      throw new StartException(e);
    }
    PodObserver observer =
        new PodObserver(
            new WorkloadManagerMetrics(operations.registry()),
            operations.readiness(),
            "the snapshot of the CNI agent on " + shared.agentSocket(),
            this::fail);
    WorkloadProxies proxies =
        new WorkloadProxies(
            control,
            (_, pod, namespace) ->
                new PodProxy(
                    control,
                    context,
                    new SocketFactory(transport, namespace, DataPathSettings.sockets(config)),
                    new WorkloadInfo(pod.name(), pod.namespace(), pod.serviceAccount()),
                    workloadRole()),
            observer);
    workloads = proxies;
    PodSection.add(operations.dump(), proxies::states, config.listeners().proxy());
    operations.readiness().watch("pods", () -> Problems.of(proxies.pending()));
    return new ZdsClient(shared.agentSocket(), proxies, new SplittableRandom());
  }

  private void startShared(ZdsClient pods) throws StartException {
    Config.@Nullable OwnWorkload self = config.node().self();
    if (self != null && config.listeners().proxy()) {
      ownProxies.start(info(self), PodProxy.Role.SELF);
    }
    pods.start();
    agent = pods;
  }

  /** The gateway in the daemon's own network namespace; it listens when it has its certificate. */
  private void startGateway(Config.OwnWorkload self, GatewayContext parts) throws StartException {
    SpiffeId identity = parts.identity();
    operations.readiness().require(CERTIFICATE, "a certificate for " + identity);
    if (!awaitCertificate(identity)) {
      return;
    }
    operations.readiness().complete(CERTIFICATE);
    ownProxies.startGateway(info(self), parts);
  }

  private static WorkloadInfo info(Config.OwnWorkload workload) {
    return new WorkloadInfo(workload.name(), workload.namespace(), workload.serviceAccount());
  }

  /** Waits for the first one, for as long as it takes; false if the process ends before. */
  private boolean awaitCertificate(SpiffeId identity) {
    certificates.prefetch(identity);
    try {
      while (!(certificates.states().get(identity.toString())
          instanceof CertificateState.Available)) {
        if (ending.await(CERTIFICATE_POLL_MILLIS, TimeUnit.MILLISECONDS)) {
          return false;
        }
      }
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // as good as an order to end
      ending.countDown();
      return false;
    }
  }

  private void inControl(Runnable action) throws StartException {
    Step.await(control.submit(action), "control thread: busy for");
  }

  /** The order to end: a signal, or the admin server. Any thread. */
  void end() {
    ending.countDown();
    warmOrEnding.countDown();
  }

  /** The process cannot go on. Any thread. */
  private void fail() {
    status.set(1);
    end();
  }

  private void awaitEnd() {
    try {
      ending.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // as good as an order to end
    }
  }

  private void drain() {
    LOG.info("shutting down");
    operations.beginDrain();
    // After a failure no pod can start here before the next process runs.
    long graceMillis =
        status.get() == 0
            ? config.engine().terminationDeadline().toMillis()
            : Math.min(FAILED_GRACE_MILLIS, config.engine().terminationDeadline().toMillis());
    long limitMillis = graceMillis + TimeUnit.SECONDS.toMillis(Step.SECONDS);
    List<Future<Void>> drains = new ArrayList<>();
    if (workloads != null) {
      drains.add(workloads.drain());
    }
    if (agent != null) {
      agent.close(); // it gives new pods to another daemon then, if there is one
    }
    drains.addAll(ownProxies.drain());
    long endNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(limitMillis);
    for (Future<Void> drain : drains) {
      if (!drain.awaitUninterruptibly(endNanos - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        LOG.warn("connections are left after " + limitMillis + " ms");
      }
    }
    LOG.info("shutdown complete");
  }

  @Override
  public void close() {
    if (agent != null) {
      agent.close();
    }
    feed.close();
    operations.close();
    resolver.close();
    certificateParts.close();
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS);
    control.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS);
    controlPlanes.close();
  }
}
