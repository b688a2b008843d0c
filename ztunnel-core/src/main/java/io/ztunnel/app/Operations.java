package io.ztunnel.app;

import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ReflectiveChannelFactory;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.admin.AdminServer;
import io.ztunnel.admin.BindFailedException;
import io.ztunnel.admin.ConfigDump;
import io.ztunnel.admin.Readiness;
import io.ztunnel.admin.ReadinessServer;
import io.ztunnel.admin.StatsServer;
import io.ztunnel.log.Logging;
import io.ztunnel.metrics.BuildMetrics;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.ProcessMetrics;
import io.ztunnel.metrics.RuntimeMetrics;
import io.ztunnel.redirection.Transport;
import io.ztunnel.telemetry.EventLoopLag;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * What operators talk to: metrics, readiness, the state dump, and the three servers that show them.
 *
 * <p>Belongs to the main thread. The readiness server runs on the loops of the data path, so that
 * one that hangs shows; admin and stats have a loop of their own, because a dump may take long.
 */
final class Operations implements AutoCloseable {
  private static final long DRAIN_SECONDS = 2;

  private final EventLoopGroup ownLoop;
  private final MeshRegistry registry = new MeshRegistry();
  private final Readiness readiness = new Readiness(System::nanoTime);
  private final ConfigDump dump = new ConfigDump();
  private final List<EventLoopLag> lags = new ArrayList<>();
  private final ReadinessServer readinessServer;
  private final StatsServer statsServer;
  private final AdminServer adminServer;
  private final Config.Listeners listeners;

  /**
   * @param end starts the end of the process
   */
  Operations(
      Config config,
      Version version,
      Logging.Session log,
      Transport transport,
      EventLoopGroup loops,
      Runnable end) {
    this.listeners = config.listeners();
    this.ownLoop =
        new MultiThreadIoEventLoopGroup(
            1, new NamedThreads("main-io"), transport.ioHandlerFactory());
    ChannelFactory<? extends ServerChannel> channels =
        new ReflectiveChannelFactory<>(transport.serverChannelClass());
    this.readinessServer = new ReadinessServer(readiness, loops, channels);
    this.statsServer = new StatsServer(registry, ownLoop, channels);
    this.adminServer = new AdminServer(dump, log.initialFilter(), end, ownLoop, channels);
    ProcessMetrics.register(registry);
    BuildMetrics.register(registry, version.istioVersion());
    RuntimeMetrics runtime =
        new RuntimeMetrics(
            registry, () -> PooledByteBufAllocator.DEFAULT.metric().usedDirectMemory());
    int number = 0;
    for (EventExecutor loop : loops) {
      EventLoopLag lag = new EventLoopLag(loop);
      lags.add(lag);
      runtime.eventLoop(
          String.valueOf(number++),
          () -> loop instanceof io.netty.channel.SingleThreadEventLoop one ? one.pendingTasks() : 0,
          lag::seconds);
    }
    dump.section("config", () -> ConfigDescription.of(config));
    dump.section("version", version::fields);
  }

  MeshRegistry registry() {
    return registry;
  }

  Readiness readiness() {
    return readiness;
  }

  ConfigDump dump() {
    return dump;
  }

  /** First of all: whoever waits for the daemon can ask from now on. */
  void startReadiness() throws StartException {
    try {
      readinessServer.start(listeners.readiness().addresses(Host.local()));
    } catch (BindFailedException e) {
      throw new StartException(e);
    }
  }

  void startAdminAndStats() throws StartException {
    try {
      adminServer.start(listeners.admin().addresses(Host.local()));
      statsServer.start(listeners.stats().addresses(Host.local()));
    } catch (BindFailedException e) {
      throw new StartException(e);
    }
  }

  @Override
  public void close() {
    for (Future<Void> drain :
        List.of(adminServer.drain(), statsServer.drain(), readinessServer.drain())) {
      drain.awaitUninterruptibly(DRAIN_SECONDS, TimeUnit.SECONDS);
    }
    lags.forEach(EventLoopLag::close);
    ownLoop
        .shutdownGracefully(0, 1, TimeUnit.SECONDS)
        .awaitUninterruptibly(DRAIN_SECONDS, TimeUnit.SECONDS);
    registry.close();
  }
}
