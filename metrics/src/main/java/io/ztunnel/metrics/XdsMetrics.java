package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.util.List;

/** {@code istio_xds_*}: what the control plane sent. Any thread records. */
public final class XdsMetrics {
  private final FamilySeries terminations;
  private final FamilySeries messages;
  private final FamilySeries bytes;
  private final FamilySeries rejected;

  /** Declares the families. */
  public XdsMetrics(MeshRegistry registry) {
    terminations =
        registry.declare(
            MetricFamily.counter(
                Section.ISTIO,
                "istio_xds_connection_terminations",
                "The total number of completed connections to xds server (unstable).",
                "reason"));
    messages =
        registry.declare(
            MetricFamily.counter(
                Section.ISTIO,
                "istio_xds_message",
                "Total number of messages received (unstable).",
                "url"));
    bytes =
        registry.declare(
            new MetricFamily(
                Section.ISTIO,
                "istio_xds_message_bytes",
                MetricFamily.Type.COUNTER,
                "Total number of bytes received (unstable).",
                "bytes",
                List.of("url")));
    rejected =
        registry.declare(
            MetricFamily.counter(
                Section.ISTIO,
                "istio_xds_resources_rejected",
                "Total number of resources that were not taken (unstable).",
                "url"));
  }

  /**
   * A stream, or the attempt to open it, ended.
   *
   * @param reason one of a fixed list
   */
  public void terminated(String reason) {
    terminations.counter(terminations.labels(reason)).increment();
  }

  /**
   * A response came.
   *
   * @param typeUrl one of those subscribed
   * @param payloadBytes the size of its resources
   */
  public void received(String typeUrl, long payloadBytes) {
    messages.counter(messages.labels(typeUrl)).increment();
    bytes.counter(bytes.labels(typeUrl)).increment((double) payloadBytes);
  }

  /** Resources of a response were not taken. */
  public void rejected(String typeUrl, int count) {
    rejected.counter(rejected.labels(typeUrl)).increment(count);
  }
}
