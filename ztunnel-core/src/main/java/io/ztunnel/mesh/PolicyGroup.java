package io.ztunnel.mesh;

import java.util.List;

/**
 * The policies of one namespace, or the global ones, by what follows from them; each list in the
 * order of the policies' keys. Immutable.
 */
public record PolicyGroup(
    List<Authorization> denies,
    List<Authorization> allows,
    List<Authorization> dryRunDenies,
    List<Authorization> dryRunAllows) {
  public static final PolicyGroup EMPTY =
      new PolicyGroup(List.of(), List.of(), List.of(), List.of());

  public PolicyGroup {
    denies = List.copyOf(denies);
    allows = List.copyOf(allows);
    dryRunDenies = List.copyOf(dryRunDenies);
    dryRunAllows = List.copyOf(dryRunAllows);
  }

  /** Groups policies, keeping their order. */
  public static PolicyGroup of(List<Authorization> policies) {
    return policies.isEmpty()
        ? EMPTY
        : new PolicyGroup(
            select(policies, Authorization.Action.DENY, false),
            select(policies, Authorization.Action.ALLOW, false),
            select(policies, Authorization.Action.DENY, true),
            select(policies, Authorization.Action.ALLOW, true));
  }

  private static List<Authorization> select(
      List<Authorization> policies, Authorization.Action action, boolean dryRun) {
    return policies.stream()
        .filter(policy -> policy.action() == action && policy.dryRun() == dryRun)
        .toList();
  }
}
