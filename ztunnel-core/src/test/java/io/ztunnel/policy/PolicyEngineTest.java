package io.ztunnel.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class PolicyEngineTest {
  private static final String POLICIES =
      """
      workloads:
      - {uid: w1, namespace: ns1, workloadIps: [], services: {}}
      - {uid: w2, namespace: ns2, workloadIps: [], services: {}}
      - {uid: picky, namespace: ns2, workloadIps: [], services: {}, authorizationPolicies: [ns2/only-a, ns2/lost]}
      policies:
      - {name: trial-allow, namespace: ns1, scope: Namespace, action: Allow, dryRun: true,
         rules: [[[{principals: [!Presence []]}]]]}
      - {name: trial-deny, namespace: ns1, scope: Namespace, action: Deny, dryRun: true,
         rules: [[[{principals: [!Presence []]}]]]}
      - {name: allow, namespace: ns1, scope: Namespace, action: Allow, dryRun: false,
         rules: [[[{principals: [!Exact td/ns/ns/sa/good]}]]]}
      - {name: deny, namespace: ns1, scope: Namespace, action: Deny, dryRun: false,
         rules: [[[{destinationPorts: [81]}]], [[{principals: [!Exact td/ns/ns/sa/bad]}]]]}
      - {name: only-a, namespace: ns2, scope: WorkloadSelector, action: Allow, dryRun: false,
         rules: [[[{principals: [!Exact td/ns/ns/sa/a]}], [{destinationPorts: [80]}]]]}
      """;

  @ParameterizedTest(name = "{1} to {0}: {4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          w1    | good | 80 | allowed | dry-run: deny policy match ns1/trial-deny; dry-run: allow policy match ns1/trial-allow; allow policy match ns1/allow
          w1    | some | 80 | allow policies exist, but none allowed: ns1/allow rule 0 clause 0: principal | dry-run: deny policy match ns1/trial-deny; dry-run: allow policy match ns1/trial-allow; no allow policies matched
          w1    | bad  | 80 | explicitly denied by: ns1/deny rule 1 | dry-run: deny policy match ns1/trial-deny; deny policy match ns1/deny
          w1    | good | 81 | explicitly denied by: ns1/deny rule 0 | dry-run: deny policy match ns1/trial-deny; deny policy match ns1/deny
          w1    | -    | 80 | allow policies exist, but none allowed: ns1/allow rule 0 clause 0: principal | no allow policies matched
          w2    | some | 80 | allowed | no allow policies, allow
          w2    | -    | 80 | allowed | no allow policies, allow
          picky | a    | 80 | allowed | skipping unknown policy ns2/lost; allow policy match ns2/only-a
          picky | a    | 79 | allow policies exist, but none allowed: ns2/only-a rule 0 clause 1: destination port | skipping unknown policy ns2/lost; no allow policies matched
          """)
  void decides(String uid, String account, int port, String outcome, String notes) {
    MeshView view = TestMesh.view(POLICIES);
    Decision decision =
        PolicyEngine.decide(view, TestMesh.workload(view, uid), connection(account, port));
    assertEquals(outcome, outcome(decision));
    assertEquals(notes, notes(decision));
  }

  @Test
  void theReasonIsTheReferences() {
    MeshView view = TestMesh.view(POLICIES);
    Workload w1 = TestMesh.workload(view, "w1");
    assertEquals(
        "explicitly denied by: ns1/deny",
        ((Decision.Deny) PolicyEngine.decide(view, w1, connection("bad", 80))).reason());
    assertEquals(
        "allow policies exist, but none allowed",
        ((Decision.Deny) PolicyEngine.decide(view, w1, connection("some", 80))).reason());
  }

  @Test
  void aPermitNamesWhatItIsFor() {
    MeshView view = TestMesh.view(POLICIES);
    Connection connection = connection("good", 80);
    if (PolicyEngine.decide(view, TestMesh.workload(view, "w1"), connection)
        instanceof Decision.Allow allow) {
      assertSame(connection, allow.permit().connection());
    } else {
      throw new AssertionError("it was denied");
    }
  }

  @ParameterizedTest(name = "{0}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          Global    | [[]] | explicitly denied by: sys/p rule 0
          Global    | []   | allowed
          Namespace | [[]] | allowed
          """)
  void globalPoliciesAreForEveryNamespace(String scope, String rules, String outcome) {
    MeshView view =
        TestMesh.view(
            """
            workloads: [{uid: w, namespace: ns, workloadIps: [], services: {}}]
            policies: [{name: p, namespace: sys, scope: %s, action: Deny, dryRun: false, rules: %s}]
            """
                .formatted(scope, rules));
    assertEquals(
        outcome,
        outcome(PolicyEngine.decide(view, TestMesh.workload(view, "w"), connection("-", 80))));
  }

  @Test
  void policiesOnTrialThatAllowNothingAreNoted() {
    MeshView view =
        TestMesh.view(
            """
            workloads: [{uid: w, namespace: ns, workloadIps: [], services: {}}]
            policies: [{name: p, namespace: ns, scope: Namespace, action: Allow, dryRun: true,
                        rules: [[[{destinationPorts: [81]}]]]}]
            """);
    Decision decision =
        PolicyEngine.decide(view, TestMesh.workload(view, "w"), connection("-", 80));
    assertEquals("allowed", outcome(decision));
    assertEquals("dry-run: no allow policies match; no allow policies, allow", notes(decision));
  }

  @Test
  void aDenialTellsOfAFewPoliciesOnly() {
    StringBuilder yaml =
        new StringBuilder("workloads: [{uid: w, namespace: ns, workloadIps: [], services: {}}]\n");
    yaml.append("policies:\n");
    for (int i = 0; i < 9; i++) {
      yaml.append(
          "- {name: p%d, namespace: ns, scope: Namespace, action: Allow, dryRun: false, rules: []}\n"
              .formatted(i));
    }
    MeshView view = TestMesh.view(yaml.toString());
    assertEquals(
        "allow policies exist, but none allowed:"
            + " ns/p0: no rules; ns/p1: no rules; ns/p2: no rules; ns/p3: no rules",
        outcome(PolicyEngine.decide(view, TestMesh.workload(view, "w"), connection("-", 80))));
  }

  private static Connection connection(String account, int port) {
    return new Connection(
        TestMesh.socket("10.0.0.1:1234"),
        TestMesh.socket("10.0.0.2:" + port),
        account.equals("-") ? null : new SpiffeId("td", "ns", account),
        "");
  }

  private static String outcome(Decision decision) {
    return switch (decision) {
      case Decision.Allow _ -> "allowed";
      case Decision.Deny deny -> deny.detail();
    };
  }

  private static String notes(Decision decision) {
    return decision.notes().stream()
        .map(note -> (note.kind().message() + " " + note.policy()).trim())
        .collect(Collectors.joining("; "));
  }
}
