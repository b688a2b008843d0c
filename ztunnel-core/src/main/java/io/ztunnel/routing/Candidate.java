package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.util.List;

/** Who was chosen to be dialled, its address known or not. Immutable. */
public sealed interface Candidate permits Hop, UnresolvedRoute {
  /** Who is there: the destination, or its waypoint or gateway. */
  Workload workload();

  /**
   * How many others could be tried in its place, should it fail: those of the service, without the
   * ones that have failed for this connection already. None when the application named a pod by its
   * address: it means that pod.
   */
  int otherEndpoints();

  /**
   * By what it is avoided for a while should it fail; empty for a pod that the application named by
   * its address.
   */
  List<String> keys();
}
