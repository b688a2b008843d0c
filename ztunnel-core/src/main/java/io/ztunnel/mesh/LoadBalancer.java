package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.List;

/** How a service wants its endpoints chosen. Immutable. */
public record LoadBalancer(List<Scope> routingPreferences, Mode mode, HealthPolicy healthPolicy) {
  public LoadBalancer {
    routingPreferences = List.copyOf(routingPreferences);
  }

  /** Where a workload is: one text for each preference. */
  public List<String> place(Workload workload) {
    return place(routingPreferences, workload);
  }

  static List<String> place(List<Scope> preferences, Workload workload) {
    List<String> place = new ArrayList<>(preferences.size());
    for (Scope preference : preferences) {
      place.add(preference.of(workload));
    }
    return place;
  }

  /** What the source and an endpoint can have in common. */
  public enum Scope implements Spelled {
    REGION("Region"),
    ZONE("Zone"),
    SUBZONE("Subzone"),
    NODE("Node"),
    CLUSTER("Cluster"),
    NETWORK("Network");

    private final String text;

    Scope(String text) {
      this.text = text;
    }

    @Override
    public String text() {
      return text;
    }

    /** Where a workload is; the empty text if that is not known. */
    public String of(Workload workload) {
      return switch (this) {
        case REGION -> workload.locality().region();
        case ZONE -> workload.locality().zone();
        case SUBZONE -> workload.locality().subzone();
        case NODE -> workload.node();
        case CLUSTER -> workload.clusterId();
        case NETWORK -> workload.network();
      };
    }
  }

  /** What the preferences mean. */
  public enum Mode implements Spelled {
    /** Nothing: all endpoints are equal. */
    STANDARD("Standard"),
    /** Only endpoints that have all of them. */
    STRICT("Strict"),
    /** The endpoints that have the most of them. */
    FAILOVER("Failover"),
    /** No choice: the connection goes where the application sent it. */
    PASSTHROUGH("Passthrough");

    private final String text;

    Mode(String text) {
      this.text = text;
    }

    @Override
    public String text() {
      return text;
    }
  }

  /** Which endpoints may be chosen. */
  public enum HealthPolicy implements Spelled {
    ONLY_HEALTHY("OnlyHealthy"),
    ALLOW_ALL("AllowAll");

    private final String text;

    HealthPolicy(String text) {
      this.text = text;
    }

    @Override
    public String text() {
      return text;
    }
  }
}
