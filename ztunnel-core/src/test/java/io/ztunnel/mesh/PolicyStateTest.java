package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.List;
import org.junit.jupiter.api.Test;

final class PolicyStateTest {
  private final MeshState state = TestMesh.state();

  @Test
  void aPolicyThatChangesItsScopeMoves() {
    insert("ns/p", Authorization.Scope.NAMESPACE);
    assertEquals(1, state.view().namespacePolicies("ns").allows().policies().size());
    insert("ns/p", Authorization.Scope.GLOBAL);
    assertSame(PolicyGroup.EMPTY, state.view().namespacePolicies("ns"));
    assertEquals(1, state.view().globalPolicies().allows().policies().size());
    insert("ns/p", Authorization.Scope.WORKLOAD_SELECTOR);
    assertSame(PolicyGroup.EMPTY, state.view().globalPolicies());
    assertNotNull(state.view().policy("ns/p"));
    state.update(update -> update.removePolicy("ns/p"));
    assertNull(state.view().policy("ns/p"));
  }

  @Test
  void aNamespaceHasItsOwnPoliciesInTheOrderOfTheirKeys() {
    insert("ns/b", Authorization.Scope.NAMESPACE);
    insert("ns/a", Authorization.Scope.NAMESPACE);
    insert("other/c", Authorization.Scope.NAMESPACE);
    assertEquals(
        List.of("ns/a", "ns/b"),
        state.view().namespacePolicies("ns").allows().policies().stream()
            .map(Authorization::fullName)
            .toList());
    state.update(update -> update.removePolicy("ns/a"));
    assertEquals(1, state.view().namespacePolicies("ns").allows().policies().size());
    assertEquals(List.of("ns/b", "other/c"), List.copyOf(state.view().sortedPolicies().keySet()));
  }

  private void insert(String key, Authorization.Scope scope) {
    NamespacedHostname name = TestMesh.key(key);
    state.update(
        update ->
            update.insertPolicy(
                key,
                new Authorization(
                    name.hostname(),
                    name.namespace(),
                    scope,
                    Authorization.Action.ALLOW,
                    false,
                    List.of())));
  }
}
