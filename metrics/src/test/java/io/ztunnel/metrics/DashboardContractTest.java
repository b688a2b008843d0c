package io.ztunnel.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.metrics.TrafficLabels.Locality;
import io.ztunnel.metrics.TrafficLabels.Peer;
import io.ztunnel.metrics.TrafficLabels.SecurityPolicy;
import io.ztunnel.metrics.TrafficLabels.ServiceName;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The samples and labels that the queries of the ztunnel dashboard and of Kiali name. */
class DashboardContractTest {
  private final MeshRegistry registry = new MeshRegistry();

  @BeforeEach
  void record() {
    BuildMetrics.register(registry, "1.32.0");
    var traffic = new TrafficMetrics(registry, SeriesBounds.DEFAULT, () -> 0, () -> {});
    Peer peer = new Peer("w", "c", "v1", "ns", "spiffe://td/ns/ns/sa/w", "w", "v1", "k");
    TrafficSeries series =
        traffic.series(
            new TrafficLabels(
                Reporter.SOURCE,
                peer,
                new ServiceName("w.ns.svc", "ns", "w"),
                peer,
                SecurityPolicy.MUTUAL_TLS,
                new Locality("r", "z", "r", "z")));
    series.opened();
    series.received(1);
    series.sent(1);
    series.closed("CONNECT");
    traffic.sockets(Reporter.SOURCE).opened();
    new WorkloadManagerMetrics(registry).active(1);
    ProcessMetrics.register(registry);
    XdsMetrics xds = new XdsMetrics(registry);
    xds.received("type.googleapis.com/istio.workload.Address", 1);
    xds.terminated("Complete");
    DnsMetrics dns = new DnsMetrics(registry, SeriesBounds.DEFAULT.idle(), () -> 0);
    DnsMetrics.Labels question = new DnsMetrics.Labels("a", "udp", "c", "v1");
    dns.request(question);
    dns.upstreamRequest(question);
    dns.upstreamFailure(question);
    dns.upstreamDuration(question, 0.001);
  }

  @AfterEach
  void close() {
    registry.close();
  }

  @ParameterizedTest(name = "{0} by {1}, for {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          istio_build                          | component tag | dashboard: versions
          istio_tcp_connections_opened_total   | reporter source_workload source_workload_namespace destination_workload destination_workload_namespace destination_service | dashboard: connections
          istio_tcp_connections_closed_total   | reporter response_flags | dashboard: connections
          istio_tcp_connections_failed_total   | reporter response_flags | dashboard: failures
          istio_tcp_sent_bytes_total           | reporter source_workload destination_workload | dashboard: bytes
          istio_tcp_received_bytes_total       | reporter source_workload destination_workload | dashboard: bytes
          workload_manager_active_proxy_count  | '' | dashboard: workload manager
          workload_manager_pending_proxy_count | '' | dashboard: workload manager
          istio_xds_connection_terminations_total | reason | dashboard: xds
          istio_xds_message_total              | url | dashboard: xds
          istio_xds_message_bytes_total        | url | dashboard: xds
          istio_dns_requests_total             | request_query_type request_protocol source_canonical_service | dashboard: dns
          istio_dns_upstream_requests_total    | request_query_type request_protocol source_canonical_service | dashboard: dns
          istio_dns_upstream_failures_total    | request_query_type request_protocol source_canonical_service | dashboard: dns
          istio_dns_upstream_request_duration_seconds_sum | request_query_type | dashboard: dns
          istio_tcp_sockets_open               | reporter | operators: sockets
          process_open_fds                     | '' | operators: descriptors
          process_max_fds                      | '' | operators: descriptors
          istio_tcp_sent_bytes_total           | source_cluster source_workload_namespace source_workload source_canonical_service source_canonical_revision source_principal | Kiali: edges, source
          istio_tcp_sent_bytes_total           | destination_cluster destination_service_namespace destination_service destination_service_name destination_workload_namespace destination_workload destination_canonical_service destination_canonical_revision destination_principal | Kiali: edges, destination
          istio_tcp_received_bytes_total       | request_protocol response_flags connection_security_policy | Kiali: protocols and padlocks
          istio_tcp_connections_opened_total   | source_canonical_service destination_canonical_service request_protocol connection_security_policy | Kiali: health
          """)
  void theQueriesFindTheirSamples(String sample, String labels, String reader) throws Exception {
    List<Scrape.Sample> found =
        Scrape.of(registry).families().values().stream()
            .flatMap(family -> family.samples().stream())
            .filter(one -> one.name().equals(sample))
            .toList();
    assertEquals(1, found.size(), reader);
    List<String> wanted = labels.isEmpty() ? List.of() : List.of(labels.split(" "));
    assertTrue(
        found.getFirst().labels().keySet().containsAll(wanted),
        () -> reader + " misses one of " + wanted + " among " + found.getFirst().labels());
  }
}
