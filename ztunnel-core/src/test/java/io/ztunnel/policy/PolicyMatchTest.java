package io.ztunnel.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.PolicySubject;
import io.ztunnel.mesh.RuleSet;
import io.ztunnel.mesh.TestMesh;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rules as the local file writes them, tried on connections. */
final class PolicyMatchTest {
  private static final Connection PLAIN =
      new Connection(
          TestMesh.socket("127.0.0.1:1234"), TestMesh.socket("127.0.0.2:8080"), null, "");
  private static final Connection MTLS =
      new Connection(
          TestMesh.socket("127.0.0.1:1234"),
          TestMesh.socket("127.0.0.2:8080"),
          new SpiffeId("td", "namespace", "account"),
          "");
  private static final Connection OTHER =
      new Connection(
          TestMesh.socket("127.0.0.3:1234"),
          TestMesh.socket("127.0.0.4:9090"),
          new SpiffeId("td-alt", "ns-alt", "sa-alt"),
          "");

  @ParameterizedTest(name = "{0}: {4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          [[[{}]]]           | no  | no  | no  | a match without fields
          [[[]]]             | yes | yes | yes | a clause without matches
          [[]]               | yes | yes | yes | a rule without clauses
          []                 | no  | no  | no  | a policy without rules
          [[[{namespaces: [!Exact namespace]}]]]         | no  | yes | no  | namespace
          [[[{notNamespaces: [!Exact namespace]}]]]      | yes | no  | yes | not namespace
          [[[{namespaces: [!Exact '']}]]]                | yes | no  | no  | no identity has the empty namespace
          [[[{namespaces: [!Presence []]}]]]             | no  | yes | yes | any namespace
          [[[{notNamespaces: [!Presence []]}]]]          | yes | no  | no  | no namespace
          [[[{namespaces: [!Prefix n]}]]]                | no  | yes | yes | namespace prefix
          [[[{namespaces: [!Suffix alt]}]]]              | no  | no  | yes | namespace suffix
          [[[{serviceAccounts: [{namespace: namespace, serviceAccount: account}]}]]]    | no  | yes | no  | service account
          [[[{notServiceAccounts: [{namespace: namespace, serviceAccount: account}]}]]] | yes | no  | yes | not service account
          [[[{serviceAccounts: [{namespace: other, serviceAccount: account}]}]]]        | no  | no  | no  | of another namespace
          [[[{serviceAccounts: [{namespace: namespace, serviceAccount: other}]}]]]      | no  | no  | no  | another of its namespace
          [[[{principals: [!Exact td/ns/namespace/sa/account]}]]]          | no  | yes | no  | principal
          [[[{notPrincipals: [!Exact td/ns/namespace/sa/account]}]]]       | yes | no  | yes | not principal
          [[[{principals: [!Exact 'spiffe://td/ns/namespace/sa/account']}]]] | no | no | no | the scheme is not part of it
          [[[{principals: [!Suffix sa/account]}]]]       | no  | yes | no  | principal suffix
          [[[{principals: [!Presence []]}]]]             | no  | yes | yes | any principal
          [[[{notPrincipals: [!Presence []]}]]]          | yes | no  | no  | no principal
          [[[{sourceIps: [127.0.0.1/32]}]]]              | yes | yes | no  | source
          [[[{notSourceIps: [127.0.0.1/32]}]]]           | no  | no  | yes | not source
          [[[{destinationIps: [127.0.0.2/32]}]]]         | yes | yes | no  | destination
          [[[{notDestinationIps: [127.0.0.2/32]}]]]      | no  | no  | yes | not destination
          [[[{destinationIps: [127.0.0.1/24]}]]]         | yes | yes | yes | a range with host bits
          [[[{destinationIps: ['::/0']}]]]               | no  | no  | no  | the other family
          [[[{notDestinationIps: ['::/0']}]]]            | yes | yes | yes | not the other family
          [[[{destinationPorts: [8080]}]]]               | yes | yes | no  | port
          [[[{notDestinationPorts: [8080]}]]]            | no  | no  | yes | not port
          [[[{destinationPorts: [1234]}]]]               | no  | no  | no  | not the source's port
          [[[{destinationPorts: [80, 8080]}]]]           | yes | yes | no  | any of a list
          [[[{notDestinationPorts: [80, 8080]}]]]        | no  | no  | yes | none of a list
          [[[{destinationPorts: [8080, 9090], notDestinationPorts: [9090]}]]] | yes | yes | no | both lists
          [[[{destinationPorts: [8080], namespaces: [!Exact namespace]}]]]    | no  | yes | no | all fields of a match
          [[[{destinationPorts: [9090]}, {namespaces: [!Exact namespace]}]]]  | no  | yes | yes | any match of a clause
          [[[{destinationPorts: [8080]}], [{namespaces: [!Exact namespace]}]]] | no | yes | no | all clauses of a rule
          [[[{destinationPorts: [9090]}]], [[{namespaces: [!Exact namespace]}]]] | no | yes | yes | any rule of a policy
          [[[{}, {destinationPorts: [8080]}]]]           | yes | yes | no  | an empty match is passed over
          [[[{destinationPorts: [8080]}], []]]           | yes | yes | no  | an empty clause changes nothing
          """)
  void matches(String rules, String plain, String mtls, String other, String why) {
    Authorization policy =
        TestMesh.config(
                "policies: [{name: p, namespace: n, scope: Global, action: Allow, dryRun: false,"
                    + " rules: %s}]".formatted(rules))
            .policies()
            .getFirst();
    assertEquals(plain, verdict(policy, PLAIN), "plaintext: " + why);
    assertEquals(mtls, verdict(policy, MTLS), "mTLS: " + why);
    assertEquals(other, verdict(policy, OTHER), "another identity: " + why);
  }

  private static String verdict(Authorization policy, Connection connection) {
    PolicySubject subject =
        new PolicySubject(connection.source(), connection.destination(), connection.identity());
    return RuleSet.of(List.of(policy)).firstMatch(subject) != null ? "yes" : "no";
  }
}
