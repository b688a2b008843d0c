package io.ztunnel.metrics;

import io.micrometer.core.instrument.Counter;
import io.ztunnel.metrics.MetricFamily.Section;
import java.util.function.IntSupplier;

/** What a gateway between networks carries, and how evenly. Any thread records. */
public final class GatewayMetrics {
  /** What a gateway has open; read by scrapes, so callable from any thread. */
  public interface Open {
    /** Tunnels, and TLS connections, that are passed on to an endpoint. */
    int tunnels();

    /** Endpoints that have one of these. */
    int endpoints();

    /** The tunnels of the endpoint that has the most of them; 0 without any. */
    int mostTunnels();

    /** The tunnels of the one that has the fewest, of those that have any; 0 without any. */
    int fewestTunnels();

    /** Clients, by identity or by address, that are connected. */
    int sources();
  }

  private final Counter retries;

  /** Declares the families, with samples from the start. */
  public GatewayMetrics(MeshRegistry registry, Open open) {
    gauge(
        registry,
        "ztunnel_gateway_tunnels_open",
        "Tunnels and TLS connections that the gateway passes on (unstable)",
        open::tunnels);
    gauge(
        registry,
        "ztunnel_gateway_endpoints_open",
        "Endpoints that have a tunnel or a TLS connection of the gateway (unstable)",
        open::endpoints);
    FamilySeries spread =
        registry.declare(
            MetricFamily.gauge(
                Section.RUNTIME,
                "ztunnel_gateway_endpoint_tunnels",
                "Tunnels of the endpoint that has the most and of the one that has the fewest of"
                    + " those that have any (unstable)",
                "rank"));
    spread.readGauge(spread.labels("most"), open::mostTunnels);
    spread.readGauge(spread.labels("fewest"), open::fewestTunnels);
    gauge(
        registry,
        "ztunnel_gateway_sources_open",
        "Client identities and addresses that are connected to the gateway (unstable)",
        open::sources);
    retries =
        registry
            .declare(
                MetricFamily.counter(
                    Section.RUNTIME,
                    "ztunnel_gateway_retries",
                    "Tunnels for which another endpoint was tried (unstable)"))
            .counter(LabelSet.NONE);
  }

  private static void gauge(MeshRegistry registry, String name, String help, IntSupplier value) {
    registry
        .declare(MetricFamily.gauge(Section.RUNTIME, name, help))
        .readGauge(LabelSet.NONE, value::getAsInt);
  }

  /** An endpoint could not be reached, and another one is tried. */
  public void retried() {
    retries.increment();
  }
}
