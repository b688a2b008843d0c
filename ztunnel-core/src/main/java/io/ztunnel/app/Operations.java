package io.ztunnel.app;

import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ReflectiveChannelFactory;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.RejectedExecutionHandlers;
import io.ztunnel.admin.AdminPages;
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
import io.ztunnel.profile.Profiler;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.Transport;
import io.ztunnel.telemetry.EventLoopLag;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * What operators talk to: metrics, readiness, the state dump, and the three servers that show them.
 *
 * <p>Belongs to the main thread. The readiness server runs on the loops of the data path, so that
 * one that hangs shows; admin and stats have a loop of their own, because a scrape passes over all
 * series, and answers that pass over the whole state are made on a thread beside it.
 */
final class Operations implements AutoCloseable {
  private static final long DRAIN_SECONDS = 2;

  /** Operators are few; who sends more than this wants something else. */
  private static final int MAX_WAITING_WORK = 64;

  private final EventLoopGroup ownLoop;
  private final EventExecutor worker;

  /** Its thread starts with the first profile. */
  private final EventExecutor profiling = new DefaultEventExecutor(new NamedThreads("profiling"));

  private final Profiler profiler = new Profiler(profiling, Clock.systemUTC());
  private final MeshRegistry registry = new MeshRegistry();
  private final Readiness readiness = new Readiness(System::nanoTime);
  private final ConfigDump dump = new ConfigDump();
  private final List<EventLoopLag> lags = new ArrayList<>();
  private final ReadinessServer readinessServer;
  private final StatsServer statsServer;
  private final AdminPages pages;
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
    this.ownLoop = new EventLoops(transport, 1, new NamedThreads("main-io"));
    this.worker =
        new DefaultEventExecutor(
            null,
            new NamedThreads("admin-work"),
            MAX_WAITING_WORK,
            RejectedExecutionHandlers.reject());
    ChannelFactory<? extends ServerChannel> channels =
        new ReflectiveChannelFactory<>(transport.serverChannelClass());
    this.readinessServer = new ReadinessServer(readiness, loops, channels);
    this.statsServer = new StatsServer(registry, ownLoop, channels);
    this.pages =
        new AdminPages(worker)
            .dump(dump)
            .logging(log.initialFilter())
            .shutdown(end)
            .profiles(profiler);
    this.adminServer = new AdminServer(pages, ownLoop, channels);
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

  AdminPages pages() {
    return pages;
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

  /**
   * The process is not ready any more. The servers go on, because a drain is to be watched, but
   * keep no connection alive: it may be a tunnel that the drain waits for.
   */
  void beginDrain() {
    readiness.drain();
    adminServer.leaveConnections();
    statsServer.leaveConnections();
  }

  @Override
  public void close() {
    for (Future<Void> drain :
        List.of(adminServer.drain(), statsServer.drain(), readinessServer.drain())) {
      drain.awaitUninterruptibly(DRAIN_SECONDS, TimeUnit.SECONDS);
    }
    profiler.close();
    for (EventExecutor thread : List.of(profiling, worker)) {
      thread
          .shutdownGracefully(0, 1, TimeUnit.SECONDS)
          .awaitUninterruptibly(DRAIN_SECONDS, TimeUnit.SECONDS);
    }
    lags.forEach(EventLoopLag::close);
    ownLoop
        .shutdownGracefully(0, 1, TimeUnit.SECONDS)
        .awaitUninterruptibly(DRAIN_SECONDS, TimeUnit.SECONDS);
    registry.close();
  }
}
