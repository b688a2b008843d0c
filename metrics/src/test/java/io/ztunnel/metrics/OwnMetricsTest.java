package io.ztunnel.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OwnMetricsTest {
  private final MeshRegistry registry = new MeshRegistry();

  @AfterEach
  void close() {
    registry.close();
  }

  @ParameterizedTest
  @CsvSource({"20000, 20000", "unlimited, Infinity"})
  void descriptorsAreCountedAndTheirLimitRead(String limit, double expected, @TempDir Path proc)
      throws Exception {
    Files.createDirectory(proc.resolve("fd"));
    for (int i = 0; i < 5; i++) {
      Files.createFile(proc.resolve("fd").resolve(Integer.toString(i)));
    }
    Files.writeString(
        proc.resolve("limits"),
        "Limit  Soft Limit  Hard Limit  Units\nMax open files            "
            + limit
            + "                1048576              files\n");
    ProcessMetrics.register(registry, proc);
    Scrape scrape = Scrape.of(registry);
    assertEquals(4, scrape.value("process_open_fds", Map.of()));
    assertEquals(expected, scrape.value("process_max_fds", Map.of()));
  }

  @Test
  void descriptorsThatCannotBeReadAreZero(@TempDir Path empty) throws Exception {
    ProcessMetrics.register(registry, empty.resolve("absent"));
    Scrape scrape = Scrape.of(registry);
    assertEquals(0, scrape.value("process_open_fds", Map.of()));
    assertEquals(0, scrape.value("process_max_fds", Map.of()));
  }

  @Test
  void openTunnelsAndConnectionsGoUpAndDownByRole() throws Exception {
    var tunnels = new TunnelMetrics(registry);
    tunnels.connectionOpened(TunnelMetrics.Role.CLIENT);
    tunnels.tunnelOpened(TunnelMetrics.Role.CLIENT);
    tunnels.tunnelOpened(TunnelMetrics.Role.SERVER);
    tunnels.tunnelClosed(TunnelMetrics.Role.CLIENT);
    Scrape scrape = Scrape.of(registry);
    Map<String, String> client = Map.of("role", "client");
    assertEquals(1, scrape.value("ztunnel_hbone_connections_open", client));
    assertEquals(0, scrape.value("ztunnel_tunnels_open", client));
    assertEquals(1, scrape.value("ztunnel_tunnels_open", Map.of("role", "server")));
    tunnels.connectionClosed(TunnelMetrics.Role.CLIENT);
    assertEquals(0, Scrape.of(registry).value("ztunnel_hbone_connections_open", client));
  }

  @Test
  void revokedPeersAreCountedByTheReportersSide() throws Exception {
    var tunnels = new TunnelMetrics(registry);
    tunnels.peerRevoked(TunnelMetrics.Role.CLIENT);
    tunnels.peerRevoked(TunnelMetrics.Role.SERVER);
    tunnels.peerRevoked(TunnelMetrics.Role.SERVER);
    Scrape scrape = Scrape.of(registry);
    String family = "istio_crl_policy_rejections_total";
    assertEquals(1, scrape.value(family, Map.of("reporter", "source")));
    assertEquals(2, scrape.value(family, Map.of("reporter", "destination")));
  }

  @Test
  void workloadManagerFamiliesAreThereFromTheStart() throws Exception {
    var pods = new WorkloadManagerMetrics(registry);
    assertEquals(4, Scrape.of(registry).families().size());
    pods.active(2);
    pods.pending(1);
    pods.proxyStarted();
    pods.proxyStopped();
    pods.proxyStopped();
    Scrape scrape = Scrape.of(registry);
    assertEquals(2, scrape.value("workload_manager_active_proxy_count", Map.of()));
    assertEquals(1, scrape.value("workload_manager_pending_proxy_count", Map.of()));
    assertEquals(1, scrape.value("workload_manager_proxies_started_total", Map.of()));
    assertEquals(2, scrape.value("workload_manager_proxies_stopped_total", Map.of()));
  }

  @Test
  void loopsAndMemoryAreAskedForAtEveryScrape() throws Exception {
    var pending = new AtomicInteger(3);
    var runtime = new RuntimeMetrics(registry, () -> 4096);
    runtime.eventLoop("ztunnel-0", pending::get, () -> 0.25);
    Map<String, String> loop = Map.of("loop", "ztunnel-0");
    assertEquals(3, Scrape.of(registry).value("ztunnel_event_loop_pending_tasks", loop));
    pending.set(9);
    Scrape scrape = Scrape.of(registry);
    assertEquals(9, scrape.value("ztunnel_event_loop_pending_tasks", loop));
    assertEquals(0.25, scrape.value("ztunnel_event_loop_lag_seconds", loop));
    assertEquals(4096, scrape.value("ztunnel_direct_memory_bytes", Map.of()));
    assertTrue(scrape.value("jvm_memory_heap_used_bytes", Map.of()) > 0);
    assertTrue(scrape.families().containsKey("jvm_gc_collections"));
  }
}
