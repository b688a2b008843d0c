package io.ztunnel.mesh;

import io.ztunnel.mesh.Authorization.Action;
import io.ztunnel.mesh.Authorization.Clause;
import io.ztunnel.mesh.Authorization.Constraint;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.Rule;
import io.ztunnel.mesh.Authorization.Scope;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code istio.security.Authorization} as it is read. Confined to the thread that uses it.
 *
 * <p>An entry of a list that cannot be read (an address of 3 bytes, a text match without a kind)
 * fails closed: a match of an ALLOW policy that has one never matches; in a DENY policy the list
 * that has it does not limit what is denied.
 */
final class PolicyProto {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::xds");

  private String name = "";
  private String namespace = "";
  private int scope;
  private int action;
  private final List<RuleProto> rules = new ArrayList<>(1);
  private boolean dryRun;

  void read(ProtoReader in, int tag) throws IOException {
    switch (ProtoReader.field(tag)) {
      case 1 -> name = in.string(tag);
      case 2 -> namespace = in.string(tag);
      case 3 -> scope = in.number(tag);
      case 4 -> action = in.number(tag);
      case 5 -> {
        RuleProto rule = new RuleProto();
        in.message(tag, rule::read);
        rules.add(rule);
      }
      case 6 -> dryRun = in.flag(tag);
      default -> in.skip(tag);
    }
  }

  Authorization build() throws ResourceException {
    Scope builtScope =
        ProtoChoice.of(
            "scope", scope, List.of(Scope.GLOBAL, Scope.NAMESPACE, Scope.WORKLOAD_SELECTOR));
    Action builtAction = ProtoChoice.of("action", action, List.of(Action.ALLOW, Action.DENY));
    if (rules.stream().anyMatch(RuleProto::isBroken)) {
      LOG.warn(
          "policy {}/{}: entries that cannot be read; {}",
          namespace,
          name,
          switch (builtAction) {
            case ALLOW -> "what they are in allows nothing";
            case DENY -> "what they are in denies more";
          });
    }
    return new Authorization(
        name,
        namespace,
        builtScope,
        builtAction,
        dryRun,
        rules.stream().map(rule -> rule.build(builtAction)).toList());
  }

  /** {@code Rule}. */
  private static final class RuleProto {
    private final List<ClauseProto> clauses = new ArrayList<>(1);

    void read(ProtoReader in, int tag) throws IOException {
      if (ProtoReader.field(tag) == 1) {
        ClauseProto clause = new ClauseProto();
        in.message(tag, clause::read);
        clauses.add(clause);
      } else {
        in.skip(tag);
      }
    }

    boolean isBroken() {
      return clauses.stream()
          .flatMap(clause -> clause.matches.stream())
          .anyMatch(MatchProto::isBroken);
    }

    Rule build(Action action) {
      return new Rule(clauses.stream().map(clause -> clause.build(action)).toList());
    }
  }

  /** {@code Clause}. */
  private static final class ClauseProto {
    private final List<MatchProto> matches = new ArrayList<>(1);

    void read(ProtoReader in, int tag) throws IOException {
      if (ProtoReader.field(tag) == 2) {
        MatchProto match = new MatchProto();
        in.message(tag, match::read);
        matches.add(match);
      } else {
        in.skip(tag);
      }
    }

    Clause build(Action action) {
      return new Clause(matches.stream().map(match -> match.build(action)).toList());
    }
  }

  /** {@code Match}. */
  private static final class MatchProto {
    /** Of every address. */
    private static final Constraint<Cidr> ANYWHERE =
        new Constraint<>(
            List.of(new Cidr(IpText.ANY_V4, 0), new Cidr(IpText.ANY_V6, 0)), List.of());

    private static final Match NEVER =
        new Match(
            Constraint.none(),
            Constraint.none(),
            Constraint.none(),
            Constraint.none(),
            Constraint.none(),
            Constraint.none());

    private final Lists<StringMatch> namespaces = new Lists<>();
    private final Lists<StringMatch> principals = new Lists<>();
    private final Lists<Cidr> sourceIps = new Lists<>();
    private final Lists<Cidr> destinationIps = new Lists<>();
    private final Lists<Integer> destinationPorts = new Lists<>();
    private final Lists<ServiceAccountMatch> serviceAccounts = new Lists<>();

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> namespaces.anyOf.add(text(in, tag));
        case 2 -> namespaces.noneOf.add(text(in, tag));
        case 3 -> principals.anyOf.add(text(in, tag));
        case 4 -> principals.noneOf.add(text(in, tag));
        case 5 -> sourceIps.anyOf.add(range(in, tag));
        case 6 -> sourceIps.noneOf.add(range(in, tag));
        case 7 -> destinationIps.anyOf.add(range(in, tag));
        case 8 -> destinationIps.noneOf.add(range(in, tag));
        case 9 -> in.numbers(tag, port -> destinationPorts.anyOf.add(port & Ports.MAX));
        case 10 -> in.numbers(tag, port -> destinationPorts.noneOf.add(port & Ports.MAX));
        case 11 -> serviceAccounts.anyOf.add(serviceAccount(in, tag));
        case 12 -> serviceAccounts.noneOf.add(serviceAccount(in, tag));
        default -> in.skip(tag);
      }
    }

    boolean isBroken() {
      return namespaces.isBroken()
          || principals.isBroken()
          || sourceIps.isBroken()
          || destinationIps.isBroken();
    }

    Match build(Action action) {
      if (isBroken() && action == Action.ALLOW) {
        return NEVER;
      }
      Match match =
          new Match(
              namespaces.build(),
              serviceAccounts.build(),
              principals.build(),
              sourceIps.build(),
              destinationIps.build(),
              destinationPorts.build());
      // Without any constraint left it would never match.
      return isBroken() && match.isEmpty()
          ? new Match(
              match.namespaces(),
              match.serviceAccounts(),
              match.principals(),
              match.sourceIps(),
              ANYWHERE,
              match.destinationPorts())
          : match;
    }

    private static @Nullable StringMatch text(ProtoReader in, int tag) throws IOException {
      TextProto text = new TextProto();
      in.message(tag, text::read);
      return text.match;
    }

    private static @Nullable Cidr range(ProtoReader in, int tag) throws IOException {
      RangeProto range = new RangeProto();
      in.message(tag, range::read);
      return range.build();
    }

    private static ServiceAccountMatch serviceAccount(ProtoReader in, int tag) throws IOException {
      ServiceAccountProto account = new ServiceAccountProto();
      in.message(tag, account::read);
      return new ServiceAccountMatch(account.namespace, account.name);
    }
  }

  /** The two lists of a constraint; null stands for an entry that cannot be read. */
  private static final class Lists<T> {
    private final List<@Nullable T> anyOf = new ArrayList<>(0);
    private final List<@Nullable T> noneOf = new ArrayList<>(0);

    boolean isBroken() {
      return anyOf.contains(null) || noneOf.contains(null);
    }

    /** The constraint, as wide as what cannot be read in it might make it. */
    Constraint<T> build() {
      List<T> any = anyOf.contains(null) ? List.of() : readable(anyOf);
      List<T> none = readable(noneOf);
      return any.isEmpty() && none.isEmpty() ? Constraint.none() : new Constraint<>(any, none);
    }

    private static <T> List<T> readable(List<@Nullable T> entries) {
      List<T> readable = new ArrayList<>(entries.size());
      for (T entry : entries) {
        if (entry != null) {
          readable.add(entry);
        }
      }
      return readable;
    }
  }

  /** {@code StringMatch}: of several kinds the last one counts. */
  private static final class TextProto {
    private @Nullable StringMatch match;

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> match = new StringMatch.Exact(in.string(tag));
        case 2 -> match = new StringMatch.Prefix(in.string(tag));
        case 3 -> match = new StringMatch.Suffix(in.string(tag));
        case 4 -> {
          in.message(tag, ProtoReader::skip);
          match = new StringMatch.Presence();
        }
        default -> in.skip(tag);
      }
    }
  }

  /** {@code Address}: bytes and a prefix length. */
  private static final class RangeProto {
    private byte[] bytes = {};
    private long length;

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> bytes = in.bytes(tag);
        case 2 -> length = Integer.toUnsignedLong(in.number(tag));
        default -> in.skip(tag);
      }
    }

    @Nullable Cidr build() {
      try {
        return GatewayProto.Address.cidr(bytes, length);
      } catch (ResourceException _) {
        return null;
      }
    }
  }

  /** {@code ServiceAccountMatch}. */
  private static final class ServiceAccountProto {
    private String namespace = "";
    private String name = "";

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> namespace = in.string(tag);
        case 2 -> name = in.string(tag);
        default -> in.skip(tag);
      }
    }
  }
}
