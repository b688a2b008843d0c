package io.ztunnel.routing;

import io.ztunnel.mesh.EndpointGroup;
import io.ztunnel.mesh.EndpointSet;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * The groups of a service's endpoints that are nearest to a source. Confined to the thread that
 * chooses.
 */
final class NearestGroups {
  private final List<EndpointGroup> groups = new ArrayList<>(1);
  private int rank;
  private long capacity;

  private NearestGroups() {}

  static NearestGroups of(EndpointSet endpoints, Nearness nearness) {
    NearestGroups nearest = new NearestGroups();
    endpoints.forEachGroup(group -> nearest.offer(group, nearness.of(group.place())));
    return nearest;
  }

  private void offer(EndpointGroup group, int itsRank) {
    if (itsRank < rank || group.capacity() == 0) {
      return;
    }
    if (itsRank > rank) {
      rank = itsRank;
      groups.clear();
      capacity = 0;
    }
    groups.add(group);
    capacity += group.capacity();
  }

  boolean isEmpty() {
    return capacity == 0;
  }

  /** One of them in proportion to its capacity; there is one. */
  Workload draw(RandomGenerator random) {
    long place = random.nextLong(capacity);
    int i = 0;
    while (place >= groups.get(i).capacity()) {
      place -= groups.get(i).capacity();
      i++;
    }
    return groups.get(i).at(place);
  }
}
