package io.ztunnel.mesh;

import io.ztunnel.mesh.Authorization.Constraint;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A match of a policy, made ready to be compared with many connections. Immutable. */
final class CompiledMatch {
  /** Up to so many ranges are faster looked through one by one. */
  private static final int FEW_RANGES = 8;

  private final boolean empty;
  private final Test<Integer> ports;
  private final Test<IpBits> sources;
  private final Test<IpBits> destinations;
  private final Test<String> namespaces;
  private final Test<ServiceAccountMatch> serviceAccounts;
  private final Test<String> principals;

  CompiledMatch(Match match) {
    empty = match.isEmpty();
    ports = test(match.destinationPorts(), CompiledMatch::anyEqual);
    sources = test(match.sourceIps(), CompiledMatch::anyRange);
    destinations = test(match.destinationIps(), CompiledMatch::anyRange);
    namespaces = test(match.namespaces(), CompiledMatch::anyString);
    serviceAccounts = test(match.serviceAccounts(), CompiledMatch::anyEqual);
    principals = test(match.principals(), CompiledMatch::anyString);
  }

  /** The first attribute of the connection that does not fit; null when all do. */
  @Nullable PolicyAttribute mismatch(PolicySubject subject) {
    if (empty) {
      return PolicyAttribute.NONE;
    }
    if (!ports.fits(subject.port())) {
      return PolicyAttribute.DESTINATION_PORT;
    }
    if (!sources.fits(subject.source())) {
      return PolicyAttribute.SOURCE_IP;
    }
    if (!destinations.fits(subject.destination())) {
      return PolicyAttribute.DESTINATION_IP;
    }
    if (!namespaces.fits(subject.namespace())) {
      return PolicyAttribute.NAMESPACE;
    }
    if (!serviceAccounts.fits(subject.serviceAccount())) {
      return PolicyAttribute.SERVICE_ACCOUNT;
    }
    return principals.fits(subject.principal()) ? null : PolicyAttribute.PRINCIPAL;
  }

  private static <E, V> Test<V> test(Constraint<E> constraint, Function<List<E>, Hit<V>> compile) {
    Hit<V> anyOf = constraint.anyOf().isEmpty() ? null : compile.apply(constraint.anyOf());
    Hit<V> noneOf = constraint.noneOf().isEmpty() ? null : compile.apply(constraint.noneOf());
    return new Test<>(anyOf, noneOf);
  }

  private static <V> Hit<V> anyEqual(List<V> values) {
    Set<V> set = Set.copyOf(values);
    return set::contains;
  }

  private static Hit<IpBits> anyRange(List<Cidr> ranges) {
    if (ranges.size() <= FEW_RANGES) {
      return ip -> {
        for (int i = 0; i < ranges.size(); i++) {
          if (ranges.get(i).contains(ip)) {
            return true;
          }
        }
        return false;
      };
    }
    CidrTable<Cidr> table = new CidrTable<>();
    ranges.forEach(range -> table.computeIfAbsent(range, () -> range));
    return table::contains;
  }

  private static Hit<String> anyString(List<StringMatch> matches) {
    Set<String> exact = new HashSet<>();
    matches.forEach(
        match -> {
          if (match instanceof StringMatch.Exact(String value)) {
            exact.add(value);
          }
        });
    List<StringMatch> others =
        matches.stream().filter(match -> !(match instanceof StringMatch.Exact)).toList();
    return text -> {
      for (int i = 0; i < others.size(); i++) {
        if (others.get(i).matches(text)) {
          return true;
        }
      }
      return exact.contains(text);
    };
  }

  /** Whether a value is in a list. */
  private interface Hit<V> {
    boolean test(V value);
  }

  /** A constraint; null for a list that is empty. Immutable. */
  private record Test<V>(@Nullable Hit<V> anyOf, @Nullable Hit<V> noneOf) {
    /** Whether a value satisfies it; a value that is missing is in no list. */
    boolean fits(@Nullable V value) {
      return value == null
          ? anyOf == null
          : (anyOf == null || anyOf.test(value)) && (noneOf == null || !noneOf.test(value));
    }
  }
}
