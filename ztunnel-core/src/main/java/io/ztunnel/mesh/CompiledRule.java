package io.ztunnel.mesh;

import io.ztunnel.mesh.Authorization.Clause;
import io.ztunnel.mesh.Authorization.Rule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A rule of a policy, made ready to be compared with many connections. Immutable.
 *
 * @param policy whose rule it is
 * @param index which of its rules
 */
record CompiledRule(Authorization policy, int index, List<List<CompiledMatch>> clauses) {
  static CompiledRule of(Authorization policy, int index) {
    Rule rule = policy.rules().get(index);
    return new CompiledRule(
        policy, index, rule.clauses().stream().map(CompiledRule::compile).toList());
  }

  private static List<CompiledMatch> compile(Clause clause) {
    return clause.matches().stream().map(CompiledMatch::new).toList();
  }

  boolean matches(PolicySubject subject) {
    return miss(subject) == null;
  }

  /** The first clause that does not match; null when all do. */
  RuleSet.@Nullable Miss miss(PolicySubject subject) {
    for (int i = 0; i < clauses.size(); i++) {
      PolicyAttribute mismatch = mismatch(clauses.get(i), subject);
      if (mismatch != null) {
        return new RuleSet.Miss(index, i, mismatch);
      }
    }
    return null;
  }

  /** What the last match of a clause does not like; null when any of its matches fits. */
  private static @Nullable PolicyAttribute mismatch(
      List<CompiledMatch> matches, PolicySubject subject) {
    PolicyAttribute mismatch = null;
    for (int i = 0; i < matches.size(); i++) {
      mismatch = matches.get(i).mismatch(subject);
      if (mismatch == null) {
        return null;
      }
    }
    return mismatch;
  }
}
