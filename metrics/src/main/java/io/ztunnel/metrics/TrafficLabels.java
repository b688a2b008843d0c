package io.ztunnel.metrics;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Who talked to whom: the labels of one connection's {@code istio_tcp_*} series, as plain strings.
 * Empty strings stand for what is not known. Immutable; made once per connection.
 *
 * @param locality null if no workload of the connection is known: then the four labels are absent
 */
public record TrafficLabels(
    Reporter reporter,
    Peer source,
    ServiceName destinationService,
    Peer destination,
    SecurityPolicy securityPolicy,
    @Nullable Locality locality) {
  /**
   * The labels of one end.
   *
   * @param workload the workload name (a deployment's, not a pod's)
   * @param principal the identity, only where mutual TLS or the mesh state vouches for it
   */
  public record Peer(
      String workload,
      String canonicalService,
      String canonicalRevision,
      String namespace,
      String principal,
      String app,
      String version,
      String cluster) {
    /** An end of which nothing is known. */
    public static final Peer UNKNOWN = new Peer("", "", "", "", "", "", "", "");

    /** What is printed alike is alike. */
    public Peer {
      workload = known(workload);
      canonicalService = known(canonicalService);
      canonicalRevision = known(canonicalRevision);
      namespace = known(namespace);
      principal = known(principal);
      app = known(app);
      version = known(version);
      cluster = known(cluster);
    }

    void addTo(List<String> values) {
      values.add(workload);
      values.add(canonicalService);
      values.add(canonicalRevision);
      values.add(namespace);
      values.add(principal);
      values.add(app);
      values.add(version);
      values.add(cluster);
    }
  }

  /** The service the client meant. */
  public record ServiceName(String hostname, String namespace, String name) {
    /** No service was meant. */
    public static final ServiceName UNKNOWN = new ServiceName("", "", "");

    /** What is printed alike is alike. */
    public ServiceName {
      hostname = known(hostname);
      namespace = known(namespace);
      name = known(name);
    }
  }

  /** Where the two ends are. */
  public record Locality(
      String sourceRegion, String sourceZone, String destinationRegion, String destinationZone) {
    /** What is printed alike is alike. */
    public Locality {
      sourceRegion = known(sourceRegion);
      sourceZone = known(sourceZone);
      destinationRegion = known(destinationRegion);
      destinationZone = known(destinationZone);
    }
  }

  /** The value of {@code connection_security_policy}. */
  public enum SecurityPolicy {
    MUTUAL_TLS("mutual_tls"),
    UNKNOWN("unknown");

    private final String label;

    SecurityPolicy(String label) {
      this.label = label;
    }
  }

  static final List<String> NAMES =
      List.of(
          "reporter",
          "source_workload",
          "source_canonical_service",
          "source_canonical_revision",
          "source_workload_namespace",
          "source_principal",
          "source_app",
          "source_version",
          "source_cluster",
          "destination_service",
          "destination_service_namespace",
          "destination_service_name",
          "destination_workload",
          "destination_canonical_service",
          "destination_canonical_revision",
          "destination_workload_namespace",
          "destination_principal",
          "destination_app",
          "destination_version",
          "destination_cluster",
          "request_protocol",
          "response_flags",
          "connection_security_policy",
          "source_region",
          "source_zone",
          "destination_region",
          "destination_zone");

  private static String known(String value) {
    return value.equals(LabelSet.UNKNOWN) ? "" : value;
  }

  /** These labels with the given flag; the protocol is always tcp. */
  LabelSet withResponseFlag(String responseFlag) {
    var values = new ArrayList<String>(NAMES.size());
    values.add(reporter.label());
    source.addTo(values);
    values.add(destinationService.hostname());
    values.add(destinationService.namespace());
    values.add(destinationService.name());
    destination.addTo(values);
    values.add("tcp");
    values.add(responseFlag);
    values.add(securityPolicy.label);
    Locality where = locality;
    if (where != null) {
      values.add(where.sourceRegion());
      values.add(where.sourceZone());
      values.add(where.destinationRegion());
      values.add(where.destinationZone());
    }
    return new LabelSet(NAMES, values);
  }

  /** What is reported instead when there are too many different labels. */
  static TrafficLabels overflow(Reporter reporter) {
    return new TrafficLabels(
        reporter, Peer.UNKNOWN, ServiceName.UNKNOWN, Peer.UNKNOWN, SecurityPolicy.UNKNOWN, null);
  }
}
