package io.ztunnel.routing;

import io.ztunnel.mesh.Endpoint;
import io.ztunnel.mesh.PortMap;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where an inbound connection ends. Immutable.
 *
 * @param local the workload
 * @param destination its address and the port of the application: what policies judge
 * @param dial what is dialled: the destination, or its port on loopback
 * @param announced the destination of the PROXY header that the application is sent first; null: no
 *     header
 * @param candidates the services that may have been meant
 */
public record InboundRoute(
    Workload local,
    InetSocketAddress destination,
    InetSocketAddress dial,
    @Nullable InetSocketAddress announced,
    List<Service> candidates)
    implements InboundResult {
  public InboundRoute {
    candidates = List.copyOf(candidates);
  }

  /** Whether the application is dialled on loopback, and so never from the client's address. */
  public boolean isLoopback() {
    return !dial.equals(destination);
  }

  /**
   * The service that was meant, for reports: the one the client says, else the first that has this
   * port. Null: none.
   *
   * @param forwardedHost the host of the {@code forwarded} header
   */
  public @Nullable ServiceName destinationService(@Nullable String forwardedHost) {
    for (Service service : candidates) {
      if (service.hostname().equals(forwardedHost)) {
        return service.name();
      }
    }
    for (Service service : candidates) {
      Endpoint endpoint = service.endpoints().get(local.uid());
      if (service.ports().serviceOf(destination.getPort()) != PortMap.ABSENT
          || (endpoint != null
              && endpoint.ports().serviceOf(destination.getPort()) != PortMap.ABSENT)) {
        return service.name();
      }
    }
    return null;
  }
}
