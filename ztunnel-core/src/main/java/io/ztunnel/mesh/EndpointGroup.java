package io.ztunnel.mesh;

import java.util.List;

/** Endpoints of a service that are equally near to any source. Immutable. */
public final class EndpointGroup {
  private final List<String> place;
  private final Trie<Workload> workloads;

  EndpointGroup(List<String> place, Trie<Workload> workloads) {
    this.place = place;
    this.workloads = workloads;
  }

  /**
   * Where they are: one text for each of the service's routing preferences; none if the service has
   * no use for it.
   */
  public List<String> place() {
    return place;
  }

  /** The capacity of all of them. */
  public long capacity() {
    return workloads.weight();
  }

  /**
   * The one at a place in a row in which each has as many places as its capacity.
   *
   * @param index from 0 up to, but not including, {@link #capacity}
   */
  public Workload at(long index) {
    return workloads.at(index);
  }
}
