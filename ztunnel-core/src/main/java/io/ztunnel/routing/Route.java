package io.ztunnel.routing;

import io.ztunnel.mesh.ServiceName;
import java.net.InetSocketAddress;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where an outbound connection goes. Decided before anything is dialled. Immutable. */
public sealed interface Route extends RouteResult {
  /** Not in the mesh: plain TCP to where the application wants to go. */
  record Passthrough(InetSocketAddress target) implements Route {}

  /**
   * A workload that does not speak HBONE: plain TCP to it.
   *
   * @param service the service through which it was reached, for reports; null: by its own address
   */
  record DirectTcp(Hop hop, @Nullable ServiceName service) implements Route {}

  /**
   * A tunnel, to the destination or to its waypoint.
   *
   * @param authority of the CONNECT
   * @param service the service that was meant, for reports; null: none
   */
  record Hbone(Hop hop, String authority, @Nullable ServiceName service) implements Route {}

  /**
   * A tunnel to a gateway of another network and a second one within it, to whoever serves there.
   *
   * @param endpoint uid of the endpoint that was chosen, which stands for those behind the gateway
   * @param authority of both CONNECTs: the service's hostname and port
   * @param innerIdentities the identities accepted from the inner peer; empty accepts nobody
   * @param service the service that was meant, for reports
   */
  record DoubleHbone(
      Hop gateway,
      String endpoint,
      String authority,
      List<String> innerIdentities,
      ServiceName service)
      implements Route {
    public DoubleHbone {
      innerIdentities = List.copyOf(innerIdentities);
    }
  }
}
