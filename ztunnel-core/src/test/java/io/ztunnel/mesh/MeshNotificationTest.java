package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.hbone.SpiffeId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class MeshNotificationTest {
  private final MeshState state = TestMesh.state();
  private final List<String> told = new ArrayList<>();

  /** {@code +uid} inserts, {@code +uid'} inserts a changed one, {@code -uid} removes; ; updates. */
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          +a              | added a                       | new
          +a;+a           | added a                       | the same again
          +a;+a'          | added a, replaced a           | changed
          +a;-a           | added a, removed a UNUSED     | the last of its identity
          +a +b;-a        | added a, added b, removed a STILL_USED | not the last
          +a +b;-a -b     | added a, added b, removed a UNUSED, removed b UNUSED | both at once
          +r;-r           | added r, removed r NOT_LOCAL  | of another node
          +a -a           |                               | there and gone in one update
          -x              |                               | never known
          """)
  void tellsWhatBecameOfWorkloads(String script, String expected, String why) {
    state.observe(change -> change.workloads().forEach(this::note));
    for (String update : script.split(";", -1)) {
      state.update(
          changes -> {
            for (String event : update.trim().split(" ", -1)) {
              String uid = event.substring(1).replace("'", "");
              if (event.startsWith("-")) {
                changes.removeWorkload(uid);
              } else {
                changes.insertWorkload(workload(uid).capacity(event.endsWith("'") ? 2 : 1).build());
              }
            }
          });
    }
    assertEquals(expected == null ? "" : expected, String.join(", ", told), why);
  }

  @Test
  void tellsAfterTheChangeIsVisible() {
    state.observe(change -> assertSame(change.after(), state.view()));
    state.observe(change -> told.add("" + state.view().workloadCount()));
    state.update(update -> update.insertWorkload(workload("a").build()));
    assertEquals(List.of("1"), told);
  }

  @Test
  void stepsOfALargeUpdateBecomeVisibleTogether() {
    state.observe(change -> change.workloads().forEach(this::note));
    state.update(update -> update.insertWorkload(workload("a").build()));
    told.clear();
    MeshView before = state.view();
    state.hold(0);
    state.update(update -> update.insertWorkload(workload("b").build()));
    state.update(update -> update.removeWorkload("a"));
    state.update(update -> update.insertWorkload(workload("c").build()));
    assertSame(before, state.view());
    assertEquals(List.of(), told);

    state.show();
    assertEquals(List.of("added b", "removed a STILL_USED", "added c"), told);
    assertEquals(2, state.view().workloadCount());
    state.update(update -> update.removeWorkload("b"));
    assertEquals(1, state.view().workloadCount(), "the next is shown at once");
  }

  @Test
  void aLargeUpdateThatIsDroppedLeavesNothing() {
    state.observe(change -> change.workloads().forEach(this::note));
    state.hold(0);
    state.update(update -> update.insertWorkload(workload("a").build()));
    state.drop();
    state.show();
    assertEquals(0, state.view().workloadCount());
    state.update(update -> update.insertWorkload(workload("b").build()));
    assertEquals(List.of("added b"), told);
  }

  @Test
  void tellsWhenPoliciesChangeAndOnlyThen() {
    state.observe(change -> told.add("" + change.policies()));
    Authorization policy = policy(Authorization.Action.DENY);
    state.update(update -> update.insertPolicy("ns/p", policy));
    state.update(update -> update.insertPolicy("ns/p", policy));
    state.update(update -> update.insertPolicy("ns/p", policy(Authorization.Action.ALLOW)));
    state.update(update -> update.removePolicy("ns/p"));
    state.update(update -> update.removePolicy("ns/p"));
    assertEquals(List.of("true", "false", "true", "true", "false"), told);
  }

  @Test
  void clearingTellsOfAllThatGoes() {
    state.update(
        update -> {
          update.insertWorkload(workload("a").build());
          update.insertPolicy("ns/p", policy(Authorization.Action.DENY));
        });
    state.observe(
        change -> {
          change.workloads().forEach(this::note);
          told.add("policies " + change.policies());
        });
    state.update(MeshUpdate::clear);
    assertEquals(List.of("removed a UNUSED", "policies true"), told);
  }

  @Test
  void tellsTheOthersWhenAnObserverFails() {
    state.observe(
        change -> {
          throw new IllegalStateException("deliberate");
        });
    state.observe(change -> told.add("told"));
    state.update(update -> update.insertWorkload(workload("a").build()));
    assertEquals(List.of("told"), told);
  }

  @Test
  void tellsNobodyWhoCancelled() {
    Registration registration = state.observe(change -> told.add("told"));
    registration.cancel();
    registration.cancel();
    state.update(update -> update.insertWorkload(workload("a").build()));
    assertEquals(List.of(), told);
  }

  @Test
  void findsALocalWorkloadThatIsThereAlready() {
    state.update(update -> update.insertWorkload(workload("a").build()));
    Queue<Runnable> executor = new ArrayDeque<>();
    state.awaitLocalWorkload(info("a"), executor::add, this::noteFound);
    assertEquals(List.of(), told, "never within the call");
    executor.remove().run();
    assertEquals(List.of("found a"), told);
  }

  @Test
  void findsALocalWorkloadThatComesLater() {
    state.awaitLocalWorkload(info("a"), Runnable::run, this::noteFound);
    state.update(update -> update.insertWorkload(workload("b").build()));
    state.update(update -> update.insertWorkload(workload("r").name("a").build()));
    assertEquals(List.of(), told, "others do not count");
    state.update(update -> update.insertWorkload(workload("a").build()));
    state.update(update -> update.insertWorkload(workload("a").capacity(7).build()));
    assertEquals(List.of("found a"), told, "once");
  }

  @Test
  void doesNotFindWhatNobodyWaitsForAnyMore() {
    Registration waiting = state.awaitLocalWorkload(info("a"), Runnable::run, this::noteFound);
    waiting.cancel();
    waiting.cancel();
    state.update(update -> update.insertWorkload(workload("a").build()));
    assertEquals(List.of(), told);
  }

  @Test
  void doesNotCallAfterACancellationOnTheExecutor() {
    Queue<Runnable> executor = new ArrayDeque<>();
    Registration waiting = state.awaitLocalWorkload(info("a"), executor::add, this::noteFound);
    state.update(update -> update.insertWorkload(workload("a").build()));
    waiting.cancel();
    executor.remove().run();
    assertEquals(List.of(), told);
  }

  @Test
  void onlyTheControlThreadMayWrite() throws Exception {
    EventExecutor control = new DefaultEventExecutor();
    try {
      MeshState owned = new MeshState(control, null);
      assertThrows(AssertionError.class, () -> owned.update(update -> {}));
      control
          .submit(() -> owned.update(update -> update.insertWorkload(workload("a").build())))
          .get();
      assertEquals(1, owned.view().workloadCount());
    } finally {
      assertTrue(control.shutdownGracefully(0, 1, TimeUnit.SECONDS).await(10, TimeUnit.SECONDS));
    }
  }

  private void noteFound(Workload workload) {
    told.add("found " + workload.uid());
  }

  private void note(WorkloadChange change) {
    told.add(
        switch (change) {
          case WorkloadChange.Added added -> "added " + added.workload().uid();
          case WorkloadChange.Replaced replaced -> "replaced " + replaced.after().uid();
          case WorkloadChange.Removed removed ->
              "removed " + removed.workload().uid() + " " + removed.identity();
        });
  }

  private static WorkloadInfo info(String name) {
    return new WorkloadInfo(name, "ns", "sa");
  }

  /** Of this node, but for r. */
  private static Workload.Builder workload(String uid) {
    return Workload.builder(uid)
        .name(uid)
        .identity(new SpiffeId("td", "ns", "sa"))
        .node(uid.equals("r") ? "node-b" : "node-a");
  }

  private static Authorization policy(Authorization.Action action) {
    return new Authorization("p", "ns", Authorization.Scope.NAMESPACE, action, false, List.of());
  }
}
