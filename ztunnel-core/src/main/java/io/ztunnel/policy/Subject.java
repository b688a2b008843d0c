package io.ztunnel.policy;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.Authorization.Constraint;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.Rule;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import io.ztunnel.mesh.Cidr;
import io.ztunnel.mesh.IpBits;
import io.ztunnel.mesh.StringMatch;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A connection in the form that rules compare with: made once, then tried on any number of rules
 * without making more. Immutable.
 */
final class Subject {
  /** What {@link #matchingRule} answers when none does. */
  static final int NO_RULE = -1;

  /** What {@link #failingClause} answers when none does. */
  private static final int NO_CLAUSE = -1;

  private final @Nullable SpiffeId identity;
  private final Test<Integer> hasPort;
  private final Test<Cidr> isFrom;
  private final Test<Cidr> isTo;
  private final Test<StringMatch> hasNamespace;
  private final Test<StringMatch> hasPrincipal;
  private final Test<ServiceAccountMatch> hasServiceAccount;

  Subject(Connection connection) {
    identity = connection.identity();
    int port = connection.destination().getPort();
    hasPort = candidate -> candidate == port;
    IpBits source = IpBits.of(connection.source().getAddress());
    isFrom = range -> range.contains(source);
    IpBits destination = IpBits.of(connection.destination().getAddress());
    isTo = range -> range.contains(destination);
    String namespace = identity == null ? "" : identity.namespace();
    hasNamespace = match -> match.matches(namespace);
    String principal = principal(identity);
    hasPrincipal = match -> principal != null && match.matches(principal);
    hasServiceAccount = this::hasAccount;
  }

  /** The identity without its scheme; null when there is none. */
  private static @Nullable String principal(@Nullable SpiffeId identity) {
    return identity == null
        ? null
        : identity.trustDomain()
            + "/ns/"
            + identity.namespace()
            + "/sa/"
            + identity.serviceAccount();
  }

  boolean matches(Authorization policy) {
    return matchingRule(policy) != NO_RULE;
  }

  /** The index of the first rule that matches, or {@link #NO_RULE}. */
  int matchingRule(Authorization policy) {
    List<Rule> rules = policy.rules();
    for (int i = 0; i < rules.size(); i++) {
      if (failingClause(rules.get(i)) == NO_CLAUSE) {
        return i;
      }
    }
    return NO_RULE;
  }

  /** Why a policy that does not match does not: the clause of its rules that was got to last. */
  Miss miss(Authorization policy) {
    List<Rule> rules = policy.rules();
    if (rules.isEmpty()) {
      return new Miss.NoRules(policy.fullName());
    }
    int rule = 0;
    int clause = NO_CLAUSE;
    for (int i = 0; i < rules.size(); i++) {
      int failing = failingClause(rules.get(i));
      if (failing > clause) {
        rule = i;
        clause = failing;
      }
    }
    Match last = rules.get(rule).clauses().get(clause).matches().getLast();
    Attribute attribute = failingAttribute(last);
    return new Miss.Clause(
        policy.fullName(), rule, clause, attribute == null ? Attribute.NONE : attribute);
  }

  private int failingClause(Rule rule) {
    List<Authorization.Clause> clauses = rule.clauses();
    for (int i = 0; i < clauses.size(); i++) {
      if (!matchesAny(clauses.get(i).matches())) {
        return i;
      }
    }
    return NO_CLAUSE;
  }

  private boolean matchesAny(List<Match> matches) {
    for (int i = 0; i < matches.size(); i++) {
      if (failingAttribute(matches.get(i)) == null) {
        return true;
      }
    }
    return matches.isEmpty();
  }

  /** The first attribute that does not fit; null when all do. */
  private @Nullable Attribute failingAttribute(Match match) {
    if (match.isEmpty()) {
      return Attribute.NONE;
    }
    if (!fits(match.destinationPorts(), hasPort)) {
      return Attribute.DESTINATION_PORT;
    }
    if (!fits(match.sourceIps(), isFrom)) {
      return Attribute.SOURCE_IP;
    }
    if (!fits(match.destinationIps(), isTo)) {
      return Attribute.DESTINATION_IP;
    }
    if (!fits(match.namespaces(), hasNamespace)) {
      return Attribute.NAMESPACE;
    }
    if (!fits(match.serviceAccounts(), hasServiceAccount)) {
      return Attribute.SERVICE_ACCOUNT;
    }
    return fits(match.principals(), hasPrincipal) ? null : Attribute.PRINCIPAL;
  }

  private boolean hasAccount(ServiceAccountMatch account) {
    return identity != null
        && identity.serviceAccount().equals(account.serviceAccount())
        && identity.namespace().equals(account.namespace());
  }

  private static <T> boolean fits(Constraint<T> constraint, Test<T> test) {
    return constraint.isEmpty()
        || ((constraint.anyOf().isEmpty() || any(constraint.anyOf(), test))
            && !any(constraint.noneOf(), test));
  }

  private static <T> boolean any(List<T> candidates, Test<T> test) {
    for (int i = 0; i < candidates.size(); i++) {
      if (test.hits(candidates.get(i))) {
        return true;
      }
    }
    return false;
  }

  /** Whether one entry of a list hits. */
  private interface Test<T> {
    boolean hits(T candidate);
  }
}
