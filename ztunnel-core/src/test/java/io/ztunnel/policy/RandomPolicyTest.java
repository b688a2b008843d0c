package io.ztunnel.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.Authorization.Clause;
import io.ztunnel.mesh.Authorization.Constraint;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.Rule;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import io.ztunnel.mesh.Cidr;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.StringMatch;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** The engine against the specification written down again, as plainly as can be. */
final class RandomPolicyTest {
  private static final List<String> NAMES = List.of("", "a", "ab", "b", "td/ns/a/sa/b", "td/");
  private static final List<String> IPS = List.of("10.0.0.1", "10.0.1.1", "11.0.0.1", "fd00::1");

  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);

  @Test
  void decidesAsTheSpecificationSays() {
    System.out.println("policies: seed " + seed);
    int denied = 0;
    int rounds = 4000;
    for (int i = 0; i < rounds; i++) {
      List<Authorization> policies = list(4, this::policy);
      Workload workload =
          Workload.builder("w")
              .identity(new SpiffeId("td", "ns", "sa"))
              .authorizationPolicies(List.of("p0", "p1", "lost"))
              .build();
      MeshState state = TestMesh.state();
      state.update(
          update -> {
            for (int k = 0; k < policies.size(); k++) {
              update.insertPolicy("p" + k, policies.get(k));
            }
          });
      Connection connection = connection();
      Decision decision = PolicyEngine.decide(state.view(), workload, connection);
      assertEquals(
          expected(policies, connection),
          decision instanceof Decision.Allow,
          () -> "seed " + seed + "\n" + connection + "\n" + policies + "\n" + decision);
      if (decision instanceof Decision.ExplicitlyDenied deny) {
        assertTrue(
            policies.stream()
                .filter(policy -> policy.fullName().equals(deny.policy()))
                .filter(policy -> policy.rules().size() > deny.rule())
                .anyMatch(policy -> holds(policy.rules().get(deny.rule()), connection)),
            () -> "seed " + seed + " the rule reported does not match: " + deny);
      }
      denied += decision instanceof Decision.Deny ? 1 : 0;
    }
    // Both happen often enough for the comparison to mean something.
    assertTrue(denied > rounds / 20 && denied < rounds * 19 / 20, "denied " + denied);
  }

  private static boolean expected(List<Authorization> policies, Connection connection) {
    boolean allowExists = false;
    boolean allowMatches = false;
    for (int i = 0; i < policies.size(); i++) {
      Authorization policy = policies.get(i);
      boolean applies =
          switch (policy.scope()) {
            case GLOBAL -> true;
            case NAMESPACE -> policy.namespace().equals("ns");
            case WORKLOAD_SELECTOR -> i < 2;
          };
      // Those that the workload names apply in any scope.
      if ((!applies && i >= 2) || policy.dryRun()) {
        continue;
      }
      boolean matches = policy.rules().stream().anyMatch(rule -> holds(rule, connection));
      if (policy.action() == Authorization.Action.DENY) {
        if (matches) {
          return false;
        }
      } else {
        allowExists = true;
        allowMatches |= matches;
      }
    }
    return !allowExists || allowMatches;
  }

  private static boolean holds(Rule rule, Connection connection) {
    return rule.clauses().stream().allMatch(clause -> holds(clause, connection));
  }

  private static boolean holds(Clause clause, Connection connection) {
    return clause.matches().isEmpty()
        || clause.matches().stream().anyMatch(match -> holds(match, connection));
  }

  private static boolean holds(Match match, Connection c) {
    SpiffeId id = c.identity();
    if (match.isEmpty()) {
      return false;
    }
    return fits(match.namespaces(), it -> holds(it, id == null ? "" : id.namespace()))
        && fits(
            match.serviceAccounts(),
            it ->
                id != null
                    && it.equals(new ServiceAccountMatch(id.namespace(), id.serviceAccount())))
        && fits(match.principals(), it -> id != null && holds(it, id.toString().substring(9)))
        && fits(match.sourceIps(), it -> holds(it, c.source().getAddress()))
        && fits(match.destinationIps(), it -> holds(it, c.destination().getAddress()))
        && fits(match.destinationPorts(), it -> it == c.destination().getPort());
  }

  private static <T> boolean fits(Constraint<T> constraint, Predicate<T> hit) {
    return (constraint.anyOf().isEmpty() || constraint.anyOf().stream().anyMatch(hit))
        && constraint.noneOf().stream().noneMatch(hit);
  }

  private static boolean holds(StringMatch match, String text) {
    return switch (match) {
      case StringMatch.Exact exact -> exact.value().equals(text);
      case StringMatch.Prefix prefix -> text.indexOf(prefix.value()) == 0;
      case StringMatch.Suffix suffix ->
          text.length() >= suffix.value().length()
              && text.substring(text.length() - suffix.value().length()).equals(suffix.value());
      case StringMatch.Presence _ -> text.length() > 0;
    };
  }

  private static boolean holds(Cidr range, InetAddress ip) {
    byte[] one = range.address().getAddress();
    byte[] other = ip.getAddress();
    int dropped = one.length * 8 - range.length();
    return one.length == other.length
        && new BigInteger(1, one)
            .shiftRight(dropped)
            .equals(new BigInteger(1, other).shiftRight(dropped));
  }

  private Authorization policy() {
    return new Authorization(
        "p",
        random.nextBoolean() ? "ns" : "other",
        pick(List.of(Authorization.Scope.values())),
        random.nextInt(3) == 0 ? Authorization.Action.DENY : Authorization.Action.ALLOW,
        random.nextInt(4) == 0,
        list(3, () -> new Rule(list(3, () -> new Clause(list(3, this::match))))));
  }

  private Match match() {
    return new Match(
        constraint(this::stringMatch),
        constraint(() -> new ServiceAccountMatch(name(), name())),
        constraint(this::stringMatch),
        constraint(this::cidr),
        constraint(this::cidr),
        constraint(this::port));
  }

  private StringMatch stringMatch() {
    return switch (random.nextInt(4)) {
      case 0 -> new StringMatch.Exact(name());
      case 1 -> new StringMatch.Prefix(name());
      case 2 -> new StringMatch.Suffix(name());
      default -> new StringMatch.Presence();
    };
  }

  private Cidr cidr() {
    InetAddress ip = ip();
    return new Cidr(ip, random.nextInt(ip.getAddress().length * 8 + 1));
  }

  private Connection connection() {
    SpiffeId identity =
        random.nextInt(4) == 0
            ? null
            : new SpiffeId(
                "td", random.nextBoolean() ? "a" : "ab", random.nextBoolean() ? "b" : "a");
    return new Connection(
        new InetSocketAddress(ip(), 1), new InetSocketAddress(ip(), port()), identity, "");
  }

  private InetAddress ip() {
    return TestMesh.ip(pick(IPS));
  }

  private Integer port() {
    return 80 + random.nextInt(3);
  }

  private String name() {
    return pick(NAMES);
  }

  private <T> T pick(List<T> all) {
    return all.get(random.nextInt(all.size()));
  }

  private <T> Constraint<T> constraint(Supplier<T> element) {
    return random.nextInt(3) > 0
        ? Constraint.none()
        : new Constraint<>(
            list(random.nextInt(4) == 0 ? 20 : 2, element),
            random.nextBoolean() ? List.of() : list(1, element));
  }

  private <T> List<T> list(int max, Supplier<T> element) {
    List<T> list = new ArrayList<>();
    int size = random.nextInt(max + 1);
    for (int i = 0; i < size; i++) {
      list.add(element.get());
    }
    return list;
  }
}
