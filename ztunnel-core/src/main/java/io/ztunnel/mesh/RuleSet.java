package io.ztunnel.mesh;

import io.ztunnel.mesh.Authorization.Clause;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.Rule;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Policies of one kind, whose rules are found by what they ask for: a decision looks at the rules
 * that can match the connection, not at all there are. A rule is listed under the values of one
 * attribute that one of its clauses demands, the most telling there is; a rule that demands none is
 * looked at always. Immutable.
 */
public final class RuleSet {
  public static final RuleSet EMPTY = new RuleSet(List.of());

  /** A denial is explained by so many rules of a policy; a peer may cause many denials. */
  private static final int MAX_EXPLAINED_RULES = 64;

  private final List<Authorization> policies;

  /** The place of each policy's first rule. */
  private final List<Integer> firstRules = new ArrayList<>();

  /** All rules, in order. */
  private final List<CompiledRule> rules = new ArrayList<>();

  private final Map<String, List<Integer>> byPrincipal = new HashMap<>();
  private final Map<ServiceAccountMatch, List<Integer>> byServiceAccount = new HashMap<>();
  private final CidrTable<List<Integer>> bySource = new CidrTable<>();
  private final Map<String, List<Integer>> byNamespace = new HashMap<>();
  private final Map<Integer, List<Integer>> byPort = new HashMap<>();
  private final List<Integer> always = new ArrayList<>();

  private RuleSet(List<Authorization> policies) {
    this.policies = List.copyOf(policies);
    for (Authorization policy : policies) {
      firstRules.add(rules.size());
      for (int i = 0; i < policy.rules().size(); i++) {
        file(policy.rules().get(i), rules.size());
        rules.add(CompiledRule.of(policy, i));
      }
    }
  }

  /** The policies given, in their order. */
  public static RuleSet of(List<Authorization> policies) {
    return policies.isEmpty() ? EMPTY : new RuleSet(policies);
  }

  public List<Authorization> policies() {
    return policies;
  }

  public boolean isEmpty() {
    return policies.isEmpty();
  }

  /** The first rule that matches; null when none does. */
  public @Nullable Hit firstMatch(PolicySubject subject) {
    int first = rules.size();
    for (List<Integer> listed : listed(subject)) {
      for (int i = 0; i < listed.size() && listed.get(i) < first; i++) {
        if (rules.get(listed.get(i)).matches(subject)) {
          first = listed.get(i);
        }
      }
    }
    return first == rules.size()
        ? null
        : new Hit(rules.get(first).policy(), rules.get(first).index());
  }

  /** All policies that match, in order, each with the first of its rules that does. */
  public List<Hit> allMatches(PolicySubject subject) {
    if (rules.isEmpty()) {
      return List.of();
    }
    TreeSet<Integer> matching = new TreeSet<>();
    for (List<Integer> listed : listed(subject)) {
      for (int rule : listed) {
        if (rules.get(rule).matches(subject)) {
          matching.add(rule);
        }
      }
    }
    List<Hit> hits = new ArrayList<>(matching.size());
    for (int rule : matching) {
      Hit hit = new Hit(rules.get(rule).policy(), rules.get(rule).index());
      if (hits.isEmpty() || !hits.getLast().policy().fullName().equals(hit.policy().fullName())) {
        hits.add(hit); // the rules of one policy follow each other
      }
    }
    return hits;
  }

  /**
   * Why a policy of this set does not match, as far as its first rules tell: of those the one that
   * comes nearest. Null when it has no rules.
   *
   * @param policy its place among {@link #policies}
   */
  public @Nullable Miss miss(int policy, PolicySubject subject) {
    int first = firstRules.get(policy);
    int count = Math.min(policies.get(policy).rules().size(), MAX_EXPLAINED_RULES);
    Miss nearest = null;
    for (CompiledRule rule : rules.subList(first, first + count)) {
      Miss miss = rule.miss(subject);
      if (miss != null && (nearest == null || miss.clause() > nearest.clause())) {
        nearest = miss;
      }
    }
    return nearest;
  }

  /** The rules that can match, in lists that are each in order. */
  private List<List<Integer>> listed(PolicySubject subject) {
    List<List<Integer>> listed = new ArrayList<>();
    listed.add(always);
    listed.add(byPort.getOrDefault(subject.port(), List.of()));
    listed.add(byNamespace.getOrDefault(subject.namespace(), List.of()));
    bySource.forEach(subject.source(), listed::add);
    if (subject.principal() != null && subject.serviceAccount() != null) {
      listed.add(byPrincipal.getOrDefault(subject.principal(), List.of()));
      listed.add(byServiceAccount.getOrDefault(subject.serviceAccount(), List.of()));
    }
    return listed;
  }

  private void file(Rule rule, int number) {
    if (!file(rule, number, match -> exact(match.principals().anyOf()), into(byPrincipal))
        && !file(rule, number, match -> match.serviceAccounts().anyOf(), into(byServiceAccount))
        && !file(
            rule,
            number,
            match -> match.sourceIps().anyOf(),
            range -> bySource.computeIfAbsent(range, ArrayList::new))
        && !file(rule, number, match -> exact(match.namespaces().anyOf()), into(byNamespace))
        && !file(rule, number, match -> match.destinationPorts().anyOf(), into(byPort))) {
      always.add(number);
    }
  }

  /**
   * Files a rule under the values of an attribute, if it has a clause all matches of which demand
   * some.
   *
   * @return whether it has
   */
  private static <K> boolean file(
      Rule rule, int number, Function<Match, List<K>> demanded, Function<K, List<Integer>> drawer) {
    for (Clause clause : rule.clauses()) {
      // A match that asks nothing does not match, and so lets nothing by.
      List<Match> matches = clause.matches().stream().filter(match -> !match.isEmpty()).toList();
      if (!clause.matches().isEmpty()
          && matches.stream().noneMatch(match -> demanded.apply(match).isEmpty())) {
        Set<List<Integer>> drawers = Collections.newSetFromMap(new IdentityHashMap<>());
        matches.forEach(
            match -> demanded.apply(match).forEach(key -> drawers.add(drawer.apply(key))));
        drawers.forEach(listed -> listed.add(number));
        return true;
      }
    }
    return false;
  }

  private static <K> Function<K, List<Integer>> into(Map<K, List<Integer>> map) {
    return key -> map.computeIfAbsent(key, _ -> new ArrayList<>());
  }

  /** The texts that are demanded, if nothing but certain texts will do; otherwise none. */
  private static List<String> exact(List<StringMatch> matches) {
    List<String> texts = new ArrayList<>(matches.size());
    for (StringMatch match : matches) {
      if (!(match instanceof StringMatch.Exact(String value))) {
        return List.of();
      }
      texts.add(value);
    }
    return texts;
  }

  /**
   * A rule that matches.
   *
   * @param rule its index in the policy
   */
  public record Hit(Authorization policy, int rule) {}

  /**
   * A clause that does not match.
   *
   * @param rule the index of its rule in the policy
   * @param clause its index in the rule
   * @param attribute what the last match of the clause does not like
   */
  public record Miss(int rule, int clause, PolicyAttribute attribute) {}
}
