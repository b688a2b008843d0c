package io.ztunnel.telemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.PolicyEngine;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

final class DenialsTest {
  private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
  private static final String CLIENT = "spiffe://td/ns/shop/sa/client";

  private final MeshView view =
      TestMesh.view(
          """
          workloads:
          - {uid: web, name: web, namespace: shop, workloadIps: [10.0.0.2], services: {}}
          - {uid: open, name: open, namespace: free, workloadIps: [10.0.0.3], services: {}}
          policies:
          - {name: only-80, namespace: shop, scope: Namespace, action: Allow, dryRun: false,
             rules: [[[{destinationPorts: [80]}]]]}
          - {name: no-99, namespace: shop, scope: Namespace, action: Deny, dryRun: false,
             rules: [[[{destinationPorts: [98]}]], [[{destinationPorts: [99]}]]]}
          - {name: trial, namespace: free, scope: Namespace, action: Deny, dryRun: true,
             rules: [[[{destinationPorts: [22]}]]]}
          """);
  private Instant now = START;
  private final Denials denials = new Denials(() -> now);

  private void call(Workload local, String source, int port, @Nullable String identity) {
    Connection connection =
        new Connection(
            TestMesh.socket(source),
            TestMesh.socket("10.0.0.2:" + port),
            identity == null ? null : SpiffeId.parse(identity).orElseThrow(),
            "");
    denials.onDecision(local, connection, PolicyEngine.decide(view, local, connection));
  }

  private void call(String uid, String source, int port, @Nullable String identity) {
    call(TestMesh.workload(view, uid), source, port, identity);
  }

  private static Denials.Entry entry(
      Denials.Effect effect, String destination, String policy, int rule, String detail) {
    return new Denials.Entry(
        new Denials.Cause(effect, "10.0.0.1", CLIENT, destination, policy, rule),
        detail,
        START,
        START,
        1);
  }

  @Test
  void aDenialHasThePolicyAndTheRuleOrWhatWasMissing() {
    call("web", "10.0.0.1:1000", 99, CLIENT);
    call("web", "10.0.0.1:1000", 81, CLIENT);
    call("web", "10.0.0.1:1000", 80, CLIENT);
    assertEquals(
        List.of(
            new Denials.OfWorkload(
                "web",
                "shop",
                "web",
                List.of(
                    entry(
                        Denials.Effect.DENIED,
                        "10.0.0.2:99",
                        "shop/no-99",
                        1,
                        "explicitly denied by: shop/no-99 rule 1"),
                    entry(
                        Denials.Effect.DENIED,
                        "10.0.0.2:81",
                        "",
                        -1,
                        "allow policies exist, but none allowed: shop/only-80 rule 0 clause 0: destination port")))),
        denials.latest());
  }

  @Test
  void aPolicyOnTrialIsToldApart() {
    call("open", "10.0.0.1:1000", 22, CLIENT);
    assertEquals(
        List.of(
            entry(
                Denials.Effect.WOULD_BE_DENIED,
                "10.0.0.2:22",
                "free/trial",
                0,
                "dry-run: deny policy match")),
        denials.latest().getFirst().entries());
  }

  @Test
  void aPeerThatTriesAgainIsCounted() {
    call("web", "10.0.0.1:1000", 99, null);
    call("web", "10.0.0.9:1000", 99, null);
    now = START.plusSeconds(5);
    call("web", "10.0.0.1:1001", 99, null);
    List<Denials.Entry> entries = denials.latest().getFirst().entries();
    assertEquals(2, entries.size());
    Denials.Entry latest = entries.getLast();
    assertEquals("10.0.0.1", latest.cause().peer());
    assertEquals("", latest.cause().identity());
    assertEquals(2, latest.count());
    assertEquals(START, latest.first());
    assertEquals(START.plusSeconds(5), latest.last());
  }

  @Test
  void theOldestEntryGoes() {
    for (int i = 1; i <= Denials.MAX_ENTRIES + 1; i++) {
      call("web", "10.0.1." + i + ":1000", 99, null);
    }
    List<Denials.Entry> entries = denials.latest().getFirst().entries();
    assertEquals(Denials.MAX_ENTRIES, entries.size());
    assertEquals("10.0.1.2", entries.getFirst().cause().peer());
  }

  @Test
  void theWorkloadThatWasLeftAloneForLongestGoes() {
    for (int i = 0; i < Denials.MAX_WORKLOADS; i++) {
      call(workload(i), "10.0.0.1:1000", 99, null);
    }
    call(workload(0), "10.0.0.1:1000", 99, null);
    call(workload(Denials.MAX_WORKLOADS), "10.0.0.1:1000", 99, null);
    List<String> uids = denials.latest().stream().map(Denials.OfWorkload::uid).toList();
    assertEquals(Denials.MAX_WORKLOADS, uids.size());
    assertEquals(List.of("pod-500", "pod-0", "pod-499"), uids.subList(0, 3));
    assertEquals("pod-2", uids.getLast());
  }

  private static Workload workload(int number) {
    return Workload.builder("pod-" + number).identity(new SpiffeId("td", "shop", "web")).build();
  }
}
