package io.ztunnel.mesh;

import java.util.List;

/** How a service wants its endpoints chosen. Immutable. */
public record LoadBalancer(List<Scope> routingPreferences, Mode mode, HealthPolicy healthPolicy) {
  public LoadBalancer {
    routingPreferences = List.copyOf(routingPreferences);
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

    /** Whether both are in the same place; unknown is the same as unknown (Istio). */
    public boolean same(Workload one, Workload other) {
      return switch (this) {
        case REGION -> one.locality().region().equals(other.locality().region());
        case ZONE -> one.locality().zone().equals(other.locality().zone());
        case SUBZONE -> one.locality().subzone().equals(other.locality().subzone());
        case NODE -> one.node().equals(other.node());
        case CLUSTER -> one.clusterId().equals(other.clusterId());
        case NETWORK -> one.network().equals(other.network());
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
