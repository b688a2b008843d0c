package io.ztunnel.policy;

import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.PolicyGroup;
import io.ztunnel.mesh.PolicySubject;
import io.ztunnel.mesh.RuleSet;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Decides whether a connection to a workload is allowed (Istio authorization, layer 4). Pure.
 *
 * <p>The policies of the workload's namespace, the global ones and those that the workload names
 * take part. A policy that forbids wins; where any allows, one must match; policies on trial are
 * only reported.
 */
public final class PolicyEngine {
  /** How many policies a denial tells the near miss of. */
  public static final int MAX_MISSES = 4;

  private static final PolicyNote NO_ALLOW_POLICIES =
      new PolicyNote(PolicyNote.Kind.NO_ALLOW_POLICIES, "");
  private static final PolicyNote DRY_RUN_NO_ALLOW_MATCH =
      new PolicyNote(PolicyNote.Kind.DRY_RUN_NO_ALLOW_MATCH, "");
  private static final PolicyNote NO_ALLOW_MATCH =
      new PolicyNote(PolicyNote.Kind.NO_ALLOW_MATCH, "");

  private PolicyEngine() {}

  /** Decides, by the policies of this view. Any thread. */
  public static Decision decide(MeshView view, Workload destination, Connection connection) {
    List<PolicyNote> notes = new ArrayList<>();
    List<PolicyGroup> groups = new ArrayList<>(2 + destination.authorizationPolicies().size());
    groups.add(view.namespacePolicies(destination.namespace()));
    groups.add(view.globalPolicies());
    for (String key : destination.authorizationPolicies()) {
      PolicyGroup selected = view.policyGroup(key);
      if (selected == null) {
        notes.add(new PolicyNote(PolicyNote.Kind.UNKNOWN_POLICY, key));
      } else {
        groups.add(selected);
      }
    }
    return new Evaluation(groups, connection, notes).decide();
  }

  /** One decision in the making. Confined to the thread that decides. */
  private static final class Evaluation {
    private final List<PolicyGroup> groups;
    private final Connection connection;
    private final PolicySubject subject;
    private final List<PolicyNote> notes;

    Evaluation(List<PolicyGroup> groups, Connection connection, List<PolicyNote> notes) {
      this.groups = groups;
      this.connection = connection;
      this.subject =
          new PolicySubject(connection.source(), connection.destination(), connection.identity());
      this.notes = notes;
    }

    Decision decide() {
      noteDryRuns(PolicyGroup::dryRunDenies, PolicyNote.Kind.DRY_RUN_DENY_MATCH);
      for (PolicyGroup group : groups) {
        RuleSet.Hit hit = group.denies().firstMatch(subject);
        if (hit != null) {
          note(PolicyNote.Kind.DENY_MATCH, hit);
          return new Decision.ExplicitlyDenied(hit.policy().fullName(), hit.rule(), notes);
        }
      }
      boolean dryRunAllowed =
          noteDryRuns(PolicyGroup::dryRunAllows, PolicyNote.Kind.DRY_RUN_ALLOW_MATCH);
      if (!any(PolicyGroup::allows)) {
        if (any(PolicyGroup::dryRunAllows) && !dryRunAllowed) {
          notes.add(DRY_RUN_NO_ALLOW_MATCH);
        }
        notes.add(NO_ALLOW_POLICIES);
        return new Decision.Allow(new Permit(connection), notes);
      }
      for (PolicyGroup group : groups) {
        RuleSet.Hit hit = group.allows().firstMatch(subject);
        if (hit != null) {
          note(PolicyNote.Kind.ALLOW_MATCH, hit);
          return new Decision.Allow(new Permit(connection), notes);
        }
      }
      notes.add(NO_ALLOW_MATCH);
      return new Decision.NotAllowed(misses(), notes);
    }

    /** Notes the policies on trial that match; whether any did. */
    private boolean noteDryRuns(Part part, PolicyNote.Kind kind) {
      boolean matched = false;
      for (PolicyGroup group : groups) {
        for (RuleSet.Hit hit : part.of(group).allMatches(subject)) {
          note(kind, hit);
          matched = true;
        }
      }
      return matched;
    }

    private boolean any(Part part) {
      for (PolicyGroup group : groups) {
        if (!part.of(group).isEmpty()) {
          return true;
        }
      }
      return false;
    }

    private List<Miss> misses() {
      List<Miss> misses = new ArrayList<>(MAX_MISSES);
      for (PolicyGroup group : groups) {
        List<Authorization> policies = group.allows().policies();
        for (int i = 0; i < policies.size() && misses.size() < MAX_MISSES; i++) {
          misses.add(miss(policies.get(i), group.allows().miss(i, subject)));
        }
      }
      return misses;
    }

    private static Miss miss(Authorization policy, RuleSet.@Nullable Miss miss) {
      return miss == null
          ? new Miss.NoRules(policy.fullName())
          : new Miss.Clause(policy.fullName(), miss.rule(), miss.clause(), miss.attribute());
    }

    private void note(PolicyNote.Kind kind, RuleSet.Hit hit) {
      notes.add(new PolicyNote(kind, hit.policy().fullName(), hit.rule()));
    }
  }

  /** The policies of a group that have one consequence. */
  private interface Part {
    RuleSet of(PolicyGroup group);
  }
}
