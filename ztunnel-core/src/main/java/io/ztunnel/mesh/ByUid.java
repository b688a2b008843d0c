package io.ztunnel.mesh;

/** Workloads as elements of a set, by uid. */
enum ByUid implements Trie.Kind<Workload> {
  /** Each weighs 1. */
  COUNTED {
    @Override
    public long weight(Workload workload) {
      return 1;
    }
  },
  /** Each weighs as much as its capacity. */
  WEIGHED {
    @Override
    public long weight(Workload workload) {
      return workload.capacity();
    }
  };

  @Override
  public int hash(Workload workload) {
    return workload.uidHash();
  }

  @Override
  public boolean sameKey(Workload one, Workload other) {
    return one.hasUidOf(other);
  }
}
