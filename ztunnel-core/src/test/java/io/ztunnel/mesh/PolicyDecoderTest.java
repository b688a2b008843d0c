package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.TextFormat;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Authorization.Action;
import io.ztunnel.mesh.Authorization.Clause;
import io.ztunnel.mesh.Authorization.Constraint;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.Rule;
import io.ztunnel.mesh.Authorization.Scope;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against messages that protoc's code has written. */
final class PolicyDecoderTest {
  private static final String V4 = "\"\\n\\000\\000\\001\""; // 10.0.0.1
  private static final String V6 = "\"\\375" + "\\000".repeat(14) + "\\001\""; // fd00::1

  private final ResourceDecoder decoder = new ResourceDecoder();

  @Test
  void everyFieldIsRead() throws ResourceException {
    Match match =
        new Match(
            new Constraint<>(
                List.of(new StringMatch.Exact("a"), new StringMatch.Prefix("b")),
                List.of(new StringMatch.Suffix("c"))),
            new Constraint<>(
                List.of(new ServiceAccountMatch("ns", "sa")),
                List.of(new ServiceAccountMatch("", ""))),
            new Constraint<>(
                List.of(new StringMatch.Presence()), List.of(new StringMatch.Exact(""))),
            new Constraint<>(List.of(cidr("10.0.0.1/32")), List.of(cidr("fd00::1/64"))),
            new Constraint<>(List.of(cidr("fd00::1/128")), List.of(cidr("10.0.0.1/0"))),
            new Constraint<>(List.of(80, 443), List.of(8080)));
    assertEquals(
        new Authorization(
            "p",
            "shop",
            Scope.WORKLOAD_SELECTOR,
            Action.DENY,
            true,
            List.of(
                new Rule(List.of(new Clause(List.of(match)), new Clause(List.of()))),
                new Rule(List.of()))),
        policy(
            """
            name: "p" namespace: "shop" scope: WORKLOAD_SELECTOR action: DENY dry_run: true
            rules { clauses { matches {
              namespaces { exact: "a" } namespaces { prefix: "b" } not_namespaces { suffix: "c" }
              principals { presence {} } not_principals { exact: "" }
              source_ips { address: %1$s length: 32 } not_source_ips { address: %2$s length: 64 }
              destination_ips { address: %2$s length: 128 } not_destination_ips { address: %1$s }
              destination_ports: [80, 65979] not_destination_ports: 8080
              service_accounts { namespace: "ns" serviceAccount: "sa" } not_service_accounts {}
            } } clauses {} } rules {}
            """
                .formatted(V4, V6)));
  }

  @Test
  void anEmptyOneIsAGlobalAllowThatNeverMatches() throws ResourceException {
    assertEquals(
        new Authorization("", "", Scope.GLOBAL, Action.ALLOW, false, List.of()), policy(""));
  }

  @ParameterizedTest
  @CsvSource({
    "scope: 3,   decode error: scope: 3 (expected: 0-2)",
    "action: 2,  decode error: action: 2 (expected: 0-1)",
    "action: -1, decode error: action: -1 (expected: 0-1)",
  })
  void aScopeOrActionThatIsNotKnownIsRefused(String fields, String reason) {
    assertEquals(reason, assertThrows(ResourceException.class, () -> policy(fields)).getMessage());
  }

  /** Peers are {@code namespace@source}; "-" has no identity. The destination is 10.9.0.1:80. */
  @ParameterizedTest(name = "{0} {1} from {2}: {3}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ALLOW | source_ips { address: "abc" }                                          | -@10.0.0.1 | false | it would allow all
          ALLOW | source_ips { address: %1$s length: 33 }                                | -@10.0.0.1 | false | a length beyond the family
          ALLOW | source_ips { address: "abc" } source_ips { address: %1$s length: 32 }  | -@10.0.0.1 | false | beside a good one
          ALLOW | not_source_ips { address: "abc" }                                      | -@10.0.0.1 | false | all but nobody knows whom
          ALLOW | destination_ports: 80 source_ips { address: "" }                       | -@10.0.0.1 | false | with another constraint
          ALLOW | namespaces {}                                                          | a@10.0.0.1 | false | a text match of no kind
          ALLOW | source_ips { address: %1$s length: 32 }                                | -@10.0.0.1 | true  | nothing is wrong
          DENY  | source_ips { address: "abc" }                                          | -@10.0.0.1 | true  | it may be meant
          DENY  | source_ips { address: "abc" } source_ips { address: %1$s length: 32 }  | -@10.0.0.2 | true  | it may be meant
          DENY  | source_ips { address: "abc" } destination_ports: 81                    | -@10.0.0.1 | false | what can be read still limits
          DENY  | source_ips { address: "abc" } destination_ports: 80                    | -@10.0.0.1 | true  | what can be read still limits
          DENY  | not_source_ips { address: "abc" }                                      | -@10.0.0.1 | true  | nobody is spared
          DENY  | not_source_ips { address: "abc" } not_source_ips { address: %1$s length: 32 } | -@10.0.0.1 | false | but who is known
          DENY  | principals {}                                                          | -@10.0.0.1 | true  | a text match of no kind
          DENY  | not_principals {}                                                      | a@10.0.0.1 | true  | a text match of no kind
          DENY  | source_ips { address: %1$s length: 32 }                                | -@10.0.0.2 | false | nothing is wrong
          """)
  void whatCannotBeReadFailsClosed(
      Action action, String match, String peer, boolean matches, String why)
      throws ResourceException {
    Authorization policy =
        policy(
            "action: %s rules { clauses { matches { %s } } }"
                .formatted(action, match.formatted(V4)));
    String[] parts = peer.split("@", -1);
    PolicySubject subject =
        new PolicySubject(
            TestMesh.socket(parts[1] + ":40000"),
            TestMesh.socket("10.9.0.1:80"),
            parts[0].equals("-") ? null : new SpiffeId("td", parts[0], "sa"));
    assertEquals(matches, RuleSet.of(List.of(policy)).firstMatch(subject) != null, why);
  }

  private static Cidr cidr(String text) {
    return Objects.requireNonNull(Cidr.parse(text));
  }

  private Authorization policy(@Nullable String text) throws ResourceException {
    try {
      return decoder.authorization(
          TextFormat.parse(
                  text == null ? "" : text, io.ztunnel.mesh.proto.security.Authorization.class)
              .toByteArray());
    } catch (TextFormat.ParseException e) {
      throw new IllegalArgumentException(text, e);
    }
  }
}
