package io.ztunnel.bench.load;

import java.util.List;
import java.util.Set;

/** What a call through the mesh has to pass. */
enum MeshPath {
  /** Two daemons, one on each node, and a tunnel between them. */
  SINGLE,
  /** To another network: a gateway between those two, and a tunnel within a tunnel. */
  DOUBLE;

  /** The head of an arrangement's column. */
  String title(Arrangement arrangement) {
    return switch (arrangement) {
      case DIRECT -> "direct";
      case TCP_HOP -> "one TCP hop";
      case MESH -> daemons();
      case BESIDE -> daemons() + " beside";
    };
  }

  private String daemons() {
    return switch (this) {
      case SINGLE -> "two daemons";
      case DOUBLE -> "three daemons";
    };
  }

  /** Whose CPU time counts. */
  String all() {
    return switch (this) {
      case SINGLE -> "both";
      case DOUBLE -> "all three";
    };
  }

  /** What each load is run over. */
  List<Arrangement> arrangements() {
    return switch (this) {
      case SINGLE -> List.of(Arrangement.DIRECT, Arrangement.TCP_HOP, Arrangement.MESH);
      case DOUBLE -> List.of(Arrangement.DIRECT, Arrangement.MESH);
    };
  }

  /** What can be measured of it, as {@code --only} knows it. */
  Set<String> groups() {
    return switch (this) {
      case SINGLE -> Set.of("bulk", "http", "conn", "memory", "start");
      case DOUBLE -> Set.of("bulk", "http", "conn", "echo", "spread", "stalled");
    };
  }
}
