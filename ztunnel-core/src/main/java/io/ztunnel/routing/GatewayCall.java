package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.Workload;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A tunnel that a client of another network wants a gateway to pass on. Immutable.
 *
 * @param authority the service and port that it asks for
 * @param caller what kind of proxy asks
 * @param clientNamespace the namespace of the client's identity; null: not known
 * @param gateway the mesh's record of the gateway itself, if it has one
 * @param failed uids of workloads that failed for this tunnel
 */
public record GatewayCall(
    Authority authority,
    Caller caller,
    @Nullable String clientNamespace,
    @Nullable Workload gateway,
    Set<String> failed) {
  /** What kind of proxy asks, as far as it matters (Istio: {@code x-istio-source}). */
  public enum Caller {
    /** That of a node, a sidecar, or one that does not say. */
    NODE("node"),
    /** A waypoint, which has done what the service's own waypoint would do. */
    WAYPOINT("waypoint"),
    /** An ingress gateway. */
    INGRESS("gateway");

    private final String text;

    Caller(String text) {
      this.text = text;
    }

    /** For people; as the header has it, where it has it. */
    public String text() {
      return text;
    }

    /** Of the header's value; null without one. */
    public static Caller of(@Nullable String istioSource) {
      return switch (istioSource) {
        case "waypoint" -> WAYPOINT;
        case "gateway" -> INGRESS;
        case null, default -> NODE;
      };
    }
  }

  public GatewayCall {
    failed = Set.copyOf(failed);
  }
}
