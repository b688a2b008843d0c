package io.ztunnel.mesh;

import java.util.List;

/**
 * The policies of one namespace, or the global ones, by what follows from them. Immutable.
 *
 * @param dryRunDenies reported only
 * @param dryRunAllows reported only
 */
public record PolicyGroup(
    RuleSet denies, RuleSet allows, RuleSet dryRunDenies, RuleSet dryRunAllows) {
  public static final PolicyGroup EMPTY =
      new PolicyGroup(RuleSet.EMPTY, RuleSet.EMPTY, RuleSet.EMPTY, RuleSet.EMPTY);

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

  private static RuleSet select(
      List<Authorization> policies, Authorization.Action action, boolean dryRun) {
    return RuleSet.of(
        policies.stream()
            .filter(policy -> policy.action() == action && policy.dryRun() == dryRun)
            .toList());
  }
}
