package io.ztunnel.explain;

import io.ztunnel.explain.Explanation.Outcome;
import io.ztunnel.explain.Explanation.Verdict;
import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.PolicyGroup;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.policy.Miss;
import io.ztunnel.policy.PolicyEngine;
import io.ztunnel.policy.PolicyNote;
import io.ztunnel.proxy.Failures;
import java.util.List;

/**
 * Tells which policies are asked about a connection, and what they say. Confined to the thread that
 * explains.
 */
final class PolicyNarrator {
  /** Of one kind of policy only so many are named. */
  private static final int MAX_POLICIES = 50;

  private final MeshView view;
  private final Steps steps;

  PolicyNarrator(MeshView view, Steps steps) {
    this.view = view;
    this.steps = steps;
  }

  /** Asks those that concern the workload. */
  Verdict ask(Workload local, Connection connection) {
    steps.add("policies of " + local.uid() + ":");
    group("namespace " + local.namespace(), view.namespacePolicies(local.namespace()));
    group("all namespaces", view.globalPolicies());
    for (String key : local.authorizationPolicies()) {
      PolicyGroup selected = view.policyGroup(key);
      if (selected != null) {
        group("selecting the workload", selected);
      }
    }
    Decision decision = PolicyEngine.decide(view, local, connection);
    for (PolicyNote note : decision.notes()) {
      steps.detail(
          note.kind().message()
              + (note.policy().isEmpty() ? "" : " " + note.policy())
              + (note.rule() == PolicyNote.NO_RULE ? "" : " rule " + note.rule()));
    }
    return switch (decision) {
      case Decision.Allow allow -> allowed(allow);
      case Decision.ExplicitlyDenied denied ->
          new Verdict(
              Outcome.DENIED,
              denied.detail(),
              Failures.denied(denied).reason(),
              denied.policy(),
              denied.rule());
      case Decision.NotAllowed denied -> {
        for (Miss miss : denied.misses()) {
          steps.detail("does not match: " + miss);
        }
        yield new Verdict(
            Outcome.DENIED, denied.detail(), Failures.denied(denied).reason(), "", -1);
      }
    };
  }

  private void group(String where, PolicyGroup group) {
    list(where, "deny", group.denies().policies());
    list(where, "allow", group.allows().policies());
    list(where, "deny, dry run", group.dryRunDenies().policies());
    list(where, "allow, dry run", group.dryRunAllows().policies());
  }

  private void list(String where, String action, List<Authorization> policies) {
    if (!policies.isEmpty()) {
      steps.detail(
          "%s (%s): %s%s"
              .formatted(
                  where,
                  action,
                  String.join(
                      ", ",
                      policies.stream().limit(MAX_POLICIES).map(Authorization::fullName).toList()),
                  policies.size() > MAX_POLICIES
                      ? " and %d more".formatted(policies.size() - MAX_POLICIES)
                      : ""));
    }
  }

  private static Verdict allowed(Decision.Allow allow) {
    for (PolicyNote note : allow.notes()) {
      if (note.kind() == PolicyNote.Kind.ALLOW_MATCH) {
        return new Verdict(
            Outcome.ALLOWED,
            "by %s rule %d".formatted(note.policy(), note.rule()),
            "",
            note.policy(),
            note.rule());
      }
    }
    return Verdict.of(Outcome.ALLOWED, "no policy that allows is there, and none denies");
  }
}
