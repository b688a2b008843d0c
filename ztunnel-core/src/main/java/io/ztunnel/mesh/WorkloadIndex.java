package io.ztunnel.mesh;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The workloads, found by uid, address, hostname, on this node by name, and those that are gateways
 * by their network. Immutable.
 */
final class WorkloadIndex {
  private final Trie<Workload> byUid;
  private final Trie<Resident> byAddress;
  private final PersistentMap<NamespacedHostname, List<Workload>> byHostname;
  private final PersistentMap<String, List<Workload>> gateways;
  private final PersistentMap<WorkloadInfo, List<Workload>> localByInfo;
  private final PersistentMap<LocalIdentity, Integer> localIdentities;

  private WorkloadIndex(
      Trie<Workload> byUid,
      Trie<Resident> byAddress,
      PersistentMap<NamespacedHostname, List<Workload>> byHostname,
      PersistentMap<String, List<Workload>> gateways,
      PersistentMap<WorkloadInfo, List<Workload>> localByInfo,
      PersistentMap<LocalIdentity, Integer> localIdentities) {
    this.byUid = byUid;
    this.byAddress = byAddress;
    this.byHostname = byHostname;
    this.gateways = gateways;
    this.localByInfo = localByInfo;
    this.localIdentities = localIdentities;
  }

  static WorkloadIndex empty() {
    return new WorkloadIndex(
        Trie.empty(ByUid.COUNTED),
        Trie.empty(ByAddress.KIND),
        PersistentMap.empty(),
        PersistentMap.empty(),
        PersistentMap.empty(),
        PersistentMap.empty());
  }

  @Nullable Workload get(String uid) {
    return byUid.find(uid.hashCode(), workload -> workload.hasUid(uid));
  }

  int size() {
    return byUid.size();
  }

  void forEach(Consumer<? super Workload> action) {
    byUid.forEach(action);
  }

  /**
   * The workload of an address: a pod before anything else, then one that speaks HBONE, then the
   * one inserted last (Istio: pods and the entries that stand for them may share an address).
   */
  @Nullable Workload byAddress(NetworkAddress address) {
    Workload best = null;
    for (Workload candidate : ByAddress.at(byAddress, address)) {
      if (best == null || rank(candidate) >= rank(best)) {
        best = candidate;
      }
    }
    return best;
  }

  private static int rank(Workload workload) {
    return (workload.isPod() ? 2 : 0) + (workload.protocol() == Protocol.HBONE ? 1 : 0);
  }

  /** The workload of a hostname; of several the one inserted last. */
  @Nullable Workload byHostname(NamespacedHostname hostname) {
    return last(Buckets.in(byHostname, hostname));
  }

  /** The gateways into a network that the control plane tells of, in order of insertion. */
  List<Workload> gateways(String network) {
    return Buckets.in(gateways, network);
  }

  /** The workload on this node of that name; of several the one inserted last. */
  @Nullable Workload local(WorkloadInfo info) {
    return last(Buckets.in(localByInfo, info));
  }

  private static @Nullable Workload last(List<Workload> workloads) {
    return workloads.isEmpty() ? null : workloads.getLast();
  }

  /** Trust domains do not count: a node has certificates of one (Istio). */
  private record LocalIdentity(String namespace, String serviceAccount) {
    static LocalIdentity of(Workload workload) {
      return new LocalIdentity(workload.namespace(), workload.serviceAccount());
    }
  }

  /** Changes the workloads. Confined to the control thread. */
  static final class Editor {
    private final @Nullable String localNode;
    private final Trie.Editor<Workload> byUid;
    private final Trie.Editor<Resident> byAddress;
    private final PersistentMap.Editor<NamespacedHostname, List<Workload>> byHostname;
    private final PersistentMap.Editor<String, List<Workload>> gateways;
    private final PersistentMap.Editor<WorkloadInfo, List<Workload>> localByInfo;
    private final PersistentMap.Editor<LocalIdentity, Integer> localIdentities;

    /**
     * Starts a change.
     *
     * @param localNode the name of this node; null: every workload is local
     */
    Editor(WorkloadIndex index, @Nullable String localNode) {
      this.localNode = localNode;
      byUid = index.byUid.edit();
      byAddress = index.byAddress.edit();
      byHostname = index.byHostname.edit();
      gateways = index.gateways.edit();
      localByInfo = index.localByInfo.edit();
      localIdentities = index.localIdentities.edit();
    }

    /** Tells how many workloads are about to come, if there are none yet. */
    void expect(int count) {
      byUid.expect(count);
      byAddress.expect(count);
    }

    @Nullable Workload get(String uid) {
      return byUid.find(uid.hashCode(), workload -> workload.hasUid(uid));
    }

    /** The one with the uid of this. */
    @Nullable Workload get(Workload like) {
      return byUid.find(like.uidHash(), like::hasUidOf);
    }

    /** Whether nothing would change if one that is here were inserted once more. */
    @SuppressWarnings("ReferenceEquality") // it stands for its address by itself
    boolean isSettled(Workload present) {
      return (!hasOwnAddress(present) || ByAddress.like(byAddress, present) == present)
          && present.hostname().isEmpty()
          && !present.isNetworkGateway()
          && !isLocal(present);
    }

    /**
     * Adds a workload. Its order of insertion is new.
     *
     * @param before the one with the same uid, in whose place it is
     */
    @SuppressWarnings("ReferenceEquality") // the one before stands for its address by itself
    void insert(Workload workload, @Nullable Workload before) {
      byUid.put(workload);
      if (hasOwnAddress(workload)
          && workload.onlyV4() != 0
          && ByAddress.like(byAddress, workload) == before) {
        byAddress.put(workload); // as with nearly all: the address is its own, now and before
      } else {
        if (before != null) {
          removeAddresses(before);
        }
        for (NetworkAddress address : addresses(workload)) {
          ByAddress.add(byAddress, address, workload);
        }
      }
      if (before != null) {
        removeFromLists(before);
      }
      addToLists(workload);
    }

    private void addToLists(Workload workload) {
      if (!workload.hostname().isEmpty()) {
        Buckets.append(byHostname, hostname(workload), workload);
      }
      if (workload.isNetworkGateway()) {
        Buckets.append(gateways, workload.network(), workload);
      }
      if (isLocal(workload)) {
        Buckets.append(localByInfo, workload.info(), workload);
        count(LocalIdentity.of(workload), 1);
      }
    }

    @Nullable Workload remove(String uid) {
      Workload workload = get(uid);
      if (workload == null) {
        return null;
      }
      byUid.remove(workload);
      removeAddresses(workload);
      removeFromLists(workload);
      return workload;
    }

    private void removeAddresses(Workload workload) {
      for (NetworkAddress address : addresses(workload)) {
        ByAddress.remove(byAddress, address, workload);
      }
    }

    private void removeFromLists(Workload workload) {
      Predicate<Workload> same = workload::hasUidOf;
      if (!workload.hostname().isEmpty()) {
        Buckets.remove(byHostname, hostname(workload), same);
      }
      if (workload.isNetworkGateway()) {
        Buckets.remove(gateways, workload.network(), same);
      }
      if (isLocal(workload)) {
        Buckets.remove(localByInfo, workload.info(), same);
        count(LocalIdentity.of(workload), -1);
      }
    }

    boolean isLocal(Workload workload) {
      return localNode == null || localNode.equals(workload.node());
    }

    boolean hasLocalIdentity(Workload workload) {
      return localIdentities.get(LocalIdentity.of(workload)) != null;
    }

    WorkloadIndex index() {
      return new WorkloadIndex(
          byUid.set(),
          byAddress.set(),
          byHostname.map(),
          gateways.map(),
          localByInfo.map(),
          localIdentities.map());
    }

    private void count(LocalIdentity identity, int change) {
      Integer before = localIdentities.get(identity);
      int after = (before == null ? 0 : before) + change;
      if (after == 0) {
        localIdentities.remove(identity);
      } else {
        localIdentities.put(identity, after);
      }
    }

    /** A workload on its node's network does not own its addresses and is not found by them. */
    private static boolean hasOwnAddress(Workload workload) {
      return workload.networkMode() == NetworkMode.STANDARD && workload.hasIps();
    }

    private static Set<NetworkAddress> addresses(Workload workload) {
      Set<NetworkAddress> addresses = new LinkedHashSet<>();
      if (hasOwnAddress(workload)) {
        workload.ips().forEach(ip -> addresses.add(new NetworkAddress(workload.network(), ip)));
      }
      return addresses;
    }

    private static NamespacedHostname hostname(Workload workload) {
      return new NamespacedHostname(workload.namespace(), workload.hostname());
    }
  }
}
