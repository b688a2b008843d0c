package io.ztunnel.bench.micro;

import io.netty.util.concurrent.ImmediateEventExecutor;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.Authorization.Clause;
import io.ztunnel.mesh.Authorization.Constraint;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.Rule;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.StringMatch;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.policy.PolicyEngine;
import io.ztunnel.policy.PolicyNote;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long is a connection's decision when many rules have to be looked at, and none but the last
 * fits?
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class PolicyDecisionBenchmark {
  private static final String NAMESPACE = "shop";

  @Param({"1", "100", "10000"})
  int rules;

  private final Connection connection =
      new Connection(
          new InetSocketAddress(InetAddress.ofLiteral("10.1.0.7"), 40_000),
          new InetSocketAddress(InetAddress.ofLiteral("10.1.0.8"), 8080),
          new SpiffeId("cluster.local", NAMESPACE, "web"),
          "");
  private final Workload destination =
      Workload.builder("c//Pod/shop/cart")
          .identity(new SpiffeId("cluster.local", NAMESPACE, "cart"))
          .build();
  private MeshView view = new MeshState(ImmediateEventExecutor.INSTANCE, null).view();

  /**
   * A namespace with one policy that forbids by that many rules, and one that allows this caller.
   */
  @Setup(Level.Trial)
  public void fill() {
    MeshState state = new MeshState(ImmediateEventExecutor.INSTANCE, null);
    state.update(
        update -> {
          update.insertPolicy(
              NAMESPACE + "/deny", policy("deny", Authorization.Action.DENY, rules));
          update.insertPolicy(NAMESPACE + "/allow", policy("allow", Authorization.Action.ALLOW, 0));
        });
    view = state.view();
    List<PolicyNote> notes = PolicyEngine.decide(view, destination, connection).notes();
    PolicyNote expected = new PolicyNote(PolicyNote.Kind.ALLOW_MATCH, NAMESPACE + "/allow", 0);
    if (!notes.equals(List.of(expected))) {
      throw new IllegalStateException(notes + " (expected: the last policy allows)");
    }
  }

  private static Authorization policy(String name, Authorization.Action action, int strangers) {
    List<Rule> rules =
        strangers == 0
            ? List.of(rule("cluster.local/ns/shop/sa/web"))
            : IntStream.range(0, strangers)
                .mapToObj(i -> rule("cluster.local/ns/shop/sa/stranger-" + i))
                .toList();
    return new Authorization(name, NAMESPACE, Authorization.Scope.NAMESPACE, action, false, rules);
  }

  private static Rule rule(String principal) {
    Match match =
        new Match(
            Constraint.none(),
            Constraint.none(),
            new Constraint<>(List.of(new StringMatch.Exact(principal)), List.of()),
            Constraint.none(),
            Constraint.none(),
            Constraint.none());
    return new Rule(List.of(new Clause(List.of(match))));
  }

  @Benchmark
  public Decision decide() {
    return PolicyEngine.decide(view, destination, connection);
  }
}
