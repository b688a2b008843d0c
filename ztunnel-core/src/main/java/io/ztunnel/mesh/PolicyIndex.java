package io.ztunnel.mesh;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The policies, by key and by the namespace that they are for. Immutable. */
final class PolicyIndex {
  /** The namespace of policies that are for all of them. */
  static final String GLOBAL = "";

  private final PersistentMap<String, Authorization> byKey;
  private final PersistentMap<String, PersistentMap<String, Authorization>> byNamespace;
  private final PersistentMap<String, PolicyGroup> groups;

  /** Each policy on its own, ready for the workloads that name it. */
  private final PersistentMap<String, PolicyGroup> alone;

  private PolicyIndex(
      PersistentMap<String, Authorization> byKey,
      PersistentMap<String, PersistentMap<String, Authorization>> byNamespace,
      PersistentMap<String, PolicyGroup> groups,
      PersistentMap<String, PolicyGroup> alone) {
    this.byKey = byKey;
    this.byNamespace = byNamespace;
    this.groups = groups;
    this.alone = alone;
  }

  static PolicyIndex empty() {
    return new PolicyIndex(
        PersistentMap.empty(), PersistentMap.empty(), PersistentMap.empty(), PersistentMap.empty());
  }

  PersistentMap<String, Authorization> byKey() {
    return byKey;
  }

  PolicyGroup group(String namespace) {
    PolicyGroup group = groups.get(namespace);
    return group == null ? PolicyGroup.EMPTY : group;
  }

  @Nullable PolicyGroup alone(String key) {
    return alone.get(key);
  }

  /** Changes the policies. Confined to the control thread. */
  static final class Editor {
    private final PersistentMap.Editor<String, Authorization> byKey;
    private final PersistentMap.Editor<String, PersistentMap<String, Authorization>> byNamespace;
    private final PersistentMap.Editor<String, PolicyGroup> groups;
    private final PersistentMap.Editor<String, PolicyGroup> alone;
    private final Set<String> touched = new HashSet<>();

    Editor(PolicyIndex index) {
      byKey = index.byKey.edit();
      byNamespace = index.byNamespace.edit();
      groups = index.groups.edit();
      alone = index.alone.edit();
    }

    /** Adds a policy in place of one with the same key, whatever scope that had. */
    void insert(String key, Authorization policy) {
      if (policy.equals(byKey.get(key))) {
        return; // all come again with each stream
      }
      remove(key);
      byKey.put(key, policy);
      alone.put(key, PolicyGroup.of(List.of(policy)));
      String namespace = namespace(policy);
      if (namespace != null) {
        touched.add(namespace);
        byNamespace.put(namespace, inNamespace(namespace).with(key, policy));
      }
    }

    void remove(String key) {
      Authorization old = byKey.get(key);
      if (old == null) {
        return;
      }
      byKey.remove(key);
      alone.remove(key);
      String namespace = namespace(old);
      if (namespace != null) {
        touched.add(namespace);
        byNamespace.put(namespace, inNamespace(namespace).without(key));
      }
    }

    PolicyIndex index() {
      for (String namespace : touched) {
        TreeMap<String, Authorization> sorted = new TreeMap<>();
        inNamespace(namespace).forEach(sorted::put);
        if (sorted.isEmpty()) {
          byNamespace.remove(namespace);
          groups.remove(namespace);
        } else {
          groups.put(namespace, PolicyGroup.of(sorted.values().stream().toList()));
        }
      }
      return new PolicyIndex(byKey.map(), byNamespace.map(), groups.map(), alone.map());
    }

    private PersistentMap<String, Authorization> inNamespace(String namespace) {
      PersistentMap<String, Authorization> policies = byNamespace.get(namespace);
      return policies == null ? PersistentMap.empty() : policies;
    }

    /** Where it is listed; null when workloads name it. */
    private static @Nullable String namespace(Authorization policy) {
      return switch (policy.scope()) {
        case GLOBAL -> GLOBAL;
        case NAMESPACE -> policy.namespace();
        case WORKLOAD_SELECTOR -> null;
      };
    }
  }
}
