package io.ztunnel.mesh;

import java.util.List;

/**
 * A policy on connections: it matches when any rule matches; a rule when all its clauses match; a
 * clause when any of its matches does. Without rules it never matches. Immutable.
 *
 * @param dryRun whether it is only reported
 */
public record Authorization(
    String name, String namespace, Scope scope, Action action, boolean dryRun, List<Rule> rules) {
  public Authorization {
    rules = List.copyOf(rules);
  }

  /** {@code namespace/name}: how logs and errors name it. */
  public String fullName() {
    return namespace + "/" + name;
  }

  /** Which workloads it is for. */
  public enum Scope implements Spelled {
    GLOBAL("Global"),
    NAMESPACE("Namespace"),
    /** Those that name it in {@link Workload#authorizationPolicies}. */
    WORKLOAD_SELECTOR("WorkloadSelector");

    private final String text;

    Scope(String text) {
      this.text = text;
    }

    @Override
    public String text() {
      return text;
    }
  }

  /** What follows from a match. */
  public enum Action implements Spelled {
    ALLOW("Allow"),
    DENY("Deny");

    private final String text;

    Action(String text) {
      this.text = text;
    }

    @Override
    public String text() {
      return text;
    }
  }

  /** All clauses must match; none always do. Immutable. */
  public record Rule(List<Clause> clauses) {
    public Rule {
      clauses = List.copyOf(clauses);
    }
  }

  /** Any match will do; without one it always matches. Immutable. */
  public record Clause(List<Match> matches) {
    public Clause {
      matches = List.copyOf(matches);
    }
  }

  /**
   * All attributes must fit; a match that constrains none never matches. Immutable.
   *
   * @param namespaces of the peer's identity; "" when it has none
   * @param principals the peer's identity without {@code spiffe://}
   * @param serviceAccounts the peer's, of any trust domain
   */
  public record Match(
      Constraint<StringMatch> namespaces,
      Constraint<ServiceAccountMatch> serviceAccounts,
      Constraint<StringMatch> principals,
      Constraint<Cidr> sourceIps,
      Constraint<Cidr> destinationIps,
      Constraint<Integer> destinationPorts) {
    /** Whether nothing is constrained. */
    public boolean isEmpty() {
      return namespaces.isEmpty()
          && serviceAccounts.isEmpty()
          && principals.isEmpty()
          && sourceIps.isEmpty()
          && destinationIps.isEmpty()
          && destinationPorts.isEmpty();
    }
  }

  /** At least one of the first list, if it has any, and none of the second. Immutable. */
  public record Constraint<T>(List<T> anyOf, List<T> noneOf) {
    private static final Constraint<?> NONE = new Constraint<>(List.of(), List.of());

    public Constraint {
      anyOf = List.copyOf(anyOf);
      noneOf = List.copyOf(noneOf);
    }

    @SuppressWarnings("unchecked") // it has no elements
    public static <T> Constraint<T> none() {
      return (Constraint<T>) NONE;
    }

    public boolean isEmpty() {
      return anyOf.isEmpty() && noneOf.isEmpty();
    }
  }

  /** One service account. Immutable. */
  public record ServiceAccountMatch(String namespace, String serviceAccount) {}
}
