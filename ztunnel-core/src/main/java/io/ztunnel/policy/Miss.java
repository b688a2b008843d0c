package io.ztunnel.policy;

import io.ztunnel.mesh.PolicyAttribute;

/** Why a rule did not match. Immutable. */
public sealed interface Miss {
  /**
   * The clause of a rule that had no match.
   *
   * @param policy {@code namespace/name} of the policy
   * @param attribute what the last match of the clause did not like
   */
  record Clause(String policy, int rule, int clause, PolicyAttribute attribute) implements Miss {
    @Override
    public String toString() {
      return "%s rule %d clause %d: %s".formatted(policy, rule, clause, attribute.text());
    }
  }

  /**
   * The policy has no rules and never matches.
   *
   * @param policy {@code namespace/name} of the policy
   */
  record NoRules(String policy) implements Miss {
    @Override
    public String toString() {
      return policy + ": no rules";
    }
  }
}
