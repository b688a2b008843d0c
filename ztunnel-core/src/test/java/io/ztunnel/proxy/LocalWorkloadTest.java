package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.Future;
import io.ztunnel.VirtualTime;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadInfo;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

class LocalWorkloadTest {
  private static final String WEB =
      """
      workloads:
      - {uid: w, name: web-0, namespace: shop, serviceAccount: web, node: node-a, services: {}, workloadIps: [10.0.0.1]}
      """;

  private final VirtualTime time = new VirtualTime(Instant.parse("2030-01-01T00:00:00Z"));
  private final MeshState mesh = TestMesh.state();
  private final LocalWorkload local =
      new LocalWorkload(mesh, new WorkloadInfo("web-0", "shop", "web"));

  private Future<Workload> await() {
    Future<Workload> future = local.await(time.loop());
    time.settle();
    return future;
  }

  @Test
  void aRecordThatIsThereIsGivenAtOnce() {
    TestMesh.config(WEB).replace(mesh);
    Future<Workload> future = local.await(time.loop());
    assertSame(local.now(), future.getNow());
    assertEquals("w", future.getNow().uid());
    assertFalse(time.hasTimers());
  }

  @Test
  void aRecordThatComesLaterIsGivenToAllWhoWait() {
    assertNull(local.now());
    Future<Workload> one = await();
    Future<Workload> other = await();
    time.pass(Duration.ofMillis(4_999));
    assertFalse(one.isDone());
    TestMesh.config(WEB).replace(mesh);
    time.settle();
    assertEquals("w", one.getNow().uid());
    assertSame(one.getNow(), other.getNow());
    assertFalse(time.hasTimers(), "the limit of a wait that is over");
  }

  @Test
  void aRecordThatDoesNotComeIsWaitedForFiveSeconds() {
    Future<Workload> future = await();
    time.pass(Duration.ofMillis(4_999));
    assertFalse(future.isDone());
    time.pass(Duration.ofMillis(1));
    assertTrue(future.cause() instanceof TimeoutException, String.valueOf(future.cause()));
    assertEquals("workload unknown", future.cause().getMessage());
    TestMesh.config(WEB).replace(mesh); // too late, and harmless
    time.settle();
    assertFalse(future.isSuccess());
    assertEquals("w", await().getNow().uid());
  }

  @Test
  void theRecordOfAnotherWorkloadIsNoAnswer() {
    Future<Workload> future = await();
    TestMesh.config(WEB.replace("serviceAccount: web", "serviceAccount: other")).replace(mesh);
    time.settle();
    assertFalse(future.isDone());
  }

  @Test
  void aRecordOfAnotherNodeIsNoAnswer() {
    Future<Workload> future = await();
    TestMesh.config(WEB.replace("node-a", "node-b")).replace(mesh);
    time.settle();
    assertFalse(future.isDone());
  }

  @Test
  void whoeverStopsWaitingIsForgotten() {
    Future<Workload> future = await();
    assertTrue(future.cancel(false));
    TestMesh.config(WEB).replace(mesh);
    time.settle();
    assertTrue(future.isCancelled());
    assertFalse(time.hasTimers());
  }
}
