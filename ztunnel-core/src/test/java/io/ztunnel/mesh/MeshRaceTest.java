package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.SpiffeId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Readers beside the writer: what they see is whole. */
final class MeshRaceTest {
  private static final int READERS = 2;
  private static final int UPDATES = 4000;
  private static final int PODS = 200;
  private static final NamespacedHostname CART = TestMesh.key("ns/cart");

  private final long seed = new Random().nextLong();
  private final MeshState state = TestMesh.state();
  private final AtomicBoolean isOver = new AtomicBoolean();

  /** Each update moves all pods it touches to a generation of their own, ports and all. */
  @Test
  void aReaderNeverSeesAnEndpointWithoutItsWorkloadOrHalfAnUpdate() throws Exception {
    System.out.println("mesh race: seed " + seed);
    state.update(
        update ->
            update.insertService(Service.builder(new ServiceName("cart", "ns", "cart")).build()));
    try (ExecutorService readers = Executors.newFixedThreadPool(READERS)) {
      List<Future<Long>> looks = new ArrayList<>();
      for (int i = 0; i < READERS; i++) {
        looks.add(readers.submit(this::read));
      }
      try {
        write();
      } finally {
        isOver.set(true);
      }
      for (Future<Long> look : looks) {
        assertTrue(found(look) > 0);
      }
    }
  }

  private static long found(Future<Long> look) throws Exception {
    try {
      return look.get(30, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause());
    }
  }

  private void write() {
    Random random = new Random(seed);
    for (int generation = 1; generation <= UPDATES; generation++) {
      int current = generation;
      state.update(
          update -> {
            for (int i = 0; i < 5; i++) {
              int pod = random.nextInt(PODS);
              if (random.nextInt(3) == 0) {
                update.removeWorkload("c//Pod/ns/cart-" + pod);
              } else {
                update.insertWorkload(pod(pod, current));
              }
            }
          });
    }
  }

  private long read() {
    long looks = 0;
    while (!isOver.get() || looks == 0) {
      MeshView view = state.view();
      Service service = view.service(CART);
      assertNotNull(service, "seed " + seed);
      int[] endpoints = {0};
      service
          .endpoints()
          .forEachWorkload(
              workload -> {
                assertEquals(workload, view.workload(workload.uid()), "seed " + seed);
                assertEquals(
                    workload,
                    view.workload(new NetworkAddress("n", workload.ips().getFirst())),
                    "seed " + seed);
                assertEquals(
                    workload.canonicalRevision(),
                    Integer.toString(service.endpoints().ports(workload).target(80)),
                    "seed " + seed);
                endpoints[0]++;
              });
      assertEquals(view.workloadCount(), endpoints[0], "seed " + seed);
      looks++;
    }
    return looks;
  }

  private static Workload pod(int number, int generation) {
    return Workload.builder("c//Pod/ns/cart-" + number)
        .name("cart-" + number)
        .clusterId("c")
        .identity(new SpiffeId("td", "ns", "sa"))
        .network("n")
        .labels(new WorkloadLabels("cart", "deployment", "cart", Integer.toString(generation)))
        .ips(List.of(TestMesh.ip("10.0.0." + number)))
        .services(Map.of(CART, PortMap.of(Map.of(80, generation))))
        .build();
  }
}
