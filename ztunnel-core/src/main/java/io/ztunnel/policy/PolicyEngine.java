package io.ztunnel.policy;

import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.PolicyGroup;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;

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
    List<PolicyGroup> groups =
        List.of(
            view.namespacePolicies(destination.namespace()),
            view.globalPolicies(),
            selected(view, destination, notes));
    return new Evaluation(groups, connection, notes).decide();
  }

  private static PolicyGroup selected(MeshView view, Workload destination, List<PolicyNote> notes) {
    List<Authorization> selected = new ArrayList<>(destination.authorizationPolicies().size());
    for (String key : destination.authorizationPolicies()) {
      Authorization policy = view.policy(key);
      if (policy == null) {
        notes.add(new PolicyNote(PolicyNote.Kind.UNKNOWN_POLICY, key));
      } else {
        selected.add(policy);
      }
    }
    return PolicyGroup.of(selected);
  }

  /** One decision in the making. Confined to the thread that decides. */
  private static final class Evaluation {
    private final List<PolicyGroup> groups;
    private final Connection connection;
    private final Subject subject;
    private final List<PolicyNote> notes;

    Evaluation(List<PolicyGroup> groups, Connection connection, List<PolicyNote> notes) {
      this.groups = groups;
      this.connection = connection;
      this.subject = new Subject(connection);
      this.notes = notes;
    }

    Decision decide() {
      noteDryRuns(PolicyGroup::dryRunDenies, PolicyNote.Kind.DRY_RUN_DENY_MATCH);
      for (PolicyGroup group : groups) {
        for (Authorization policy : group.denies()) {
          int rule = subject.matchingRule(policy);
          if (rule != Subject.NO_RULE) {
            note(PolicyNote.Kind.DENY_MATCH, policy);
            return new Decision.ExplicitlyDenied(policy.fullName(), rule, notes);
          }
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
        for (Authorization policy : group.allows()) {
          if (subject.matches(policy)) {
            note(PolicyNote.Kind.ALLOW_MATCH, policy);
            return new Decision.Allow(new Permit(connection), notes);
          }
        }
      }
      notes.add(NO_ALLOW_MATCH);
      return new Decision.NotAllowed(misses(), notes);
    }

    /** Notes the policies on trial that match; whether any did. */
    private boolean noteDryRuns(Part part, PolicyNote.Kind kind) {
      boolean matched = false;
      for (PolicyGroup group : groups) {
        for (Authorization policy : part.of(group)) {
          if (subject.matches(policy)) {
            note(kind, policy);
            matched = true;
          }
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
        for (Authorization policy : group.allows()) {
          if (misses.size() == MAX_MISSES) {
            return misses;
          }
          misses.add(subject.miss(policy));
        }
      }
      return misses;
    }

    private void note(PolicyNote.Kind kind, Authorization policy) {
      notes.add(new PolicyNote(kind, policy.fullName()));
    }
  }

  /** One of the lists of a group. */
  private interface Part {
    List<Authorization> of(PolicyGroup group);
  }
}
