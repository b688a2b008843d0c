package io.ztunnel.mesh;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Who has an address, as elements of a set; and changes to such sets. */
enum ByAddress implements Trie.Kind<Resident> {
  KIND;

  @Override
  public int hash(Resident resident) {
    return switch (resident) {
      case Workload workload -> hash(workload.network(), workload.onlyV4());
      case Resident.Several several -> hash(several.address());
    };
  }

  @Override
  public boolean sameKey(Resident one, Resident other) {
    return switch (one) {
      case Workload workload ->
          switch (other) {
            case Workload more ->
                workload.onlyV4() == more.onlyV4() && workload.network().equals(more.network());
            case Resident.Several several -> isAt(one, several.address());
          };
      case Resident.Several several -> isAt(other, several.address());
    };
  }

  @Override
  public long weight(Resident resident) {
    return 1;
  }

  /** The workloads of an address, in order of insertion. */
  static List<Workload> at(Trie<Resident> set, NetworkAddress address) {
    return workloads(set.find(hash(address), resident -> isAt(resident, address)));
  }

  /** Who has the only address of this workload; null also if that is not of IPv4. */
  static @Nullable Resident like(Trie.Editor<Resident> set, Workload workload) {
    return workload.onlyV4() == 0
        ? null
        : set.find(KIND.hash(workload), resident -> KIND.sameKey(resident, workload));
  }

  static void add(Trie.Editor<Resident> set, NetworkAddress address, Workload workload) {
    List<Workload> more = new ArrayList<>(present(set, address));
    more.add(workload);
    set.put(resident(address, more));
  }

  static void remove(Trie.Editor<Resident> set, NetworkAddress address, Workload workload) {
    List<Workload> present = present(set, address);
    List<Workload> kept = present.stream().filter(other -> !other.hasUidOf(workload)).toList();
    if (kept.size() == present.size()) {
      return;
    }
    if (kept.isEmpty()) {
      set.remove(resident(address, present));
    } else {
      set.put(resident(address, kept));
    }
  }

  private static List<Workload> present(Trie.Editor<Resident> set, NetworkAddress address) {
    return workloads(set.find(hash(address), resident -> isAt(resident, address)));
  }

  private static List<Workload> workloads(@Nullable Resident resident) {
    return switch (resident) {
      case null -> List.of();
      case Workload workload -> List.of(workload);
      case Resident.Several several -> several.workloads();
    };
  }

  private static Resident resident(NetworkAddress address, List<Workload> workloads) {
    Workload first = workloads.getFirst();
    return workloads.size() == 1 && isAt(first, address)
        ? first
        : new Resident.Several(address, workloads);
  }

  private static boolean isAt(Resident resident, NetworkAddress address) {
    return switch (resident) {
      case Workload workload ->
          workload.onlyV4() != 0
              && address.ip() instanceof Inet4Address v4
              && workload.onlyV4() == number(v4)
              && workload.network().equals(address.network());
      case Resident.Several several -> several.address().equals(address);
    };
  }

  private static int hash(NetworkAddress address) {
    return hash(
        address.network(),
        address.ip() instanceof Inet4Address v4 ? number(v4) : address.ip().hashCode());
  }

  private static int hash(String network, int ip) {
    return network.hashCode() * 31 + ip;
  }

  static int number(InetAddress v4) {
    return ByteBuffer.wrap(v4.getAddress()).getInt();
  }
}
