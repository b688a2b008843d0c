package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.ECHO_PORT;
import static io.ztunnel.bench.faults.FaultMesh.SERVICE;
import static io.ztunnel.bench.faults.FaultMesh.assertEchoes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/**
 * Backends of a service that go one by one under load, each application a moment before its
 * namespace, while the mesh's state goes on to name them.
 */
@TestInstance(Lifecycle.PER_CLASS)
class RollingUpdateIT {
  private static final String[] PODS = {"a", "b", "c", "d", "e", "f"};
  private static final List<String> GOING = List.of("a", "b", "c");
  private static final int PER_SECOND = 200;
  private static final int WARM_UP = 400;
  private static final Duration BETWEEN = Duration.ofMillis(900);
  private static final Duration APPLICATION_BEFORE_NAMESPACE = Duration.ofMillis(300);

  private FaultMesh mesh;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    // Lost buffers are looked for in the other tests; here the pace matters.
    mesh =
        FaultMesh.start(
            "rolling",
            Map.of(
                "JDK_JAVA_OPTIONS",
                "-Dio.netty.leakDetection.level=simple",
                "ZTUNNEL_HANDSHAKE_TIMEOUT",
                "10s",
                "ZTUNNEL_CONNECT_TIMEOUT",
                "10s",
                "ZTUNNEL_HBONE_ANSWER_TIMEOUT",
                "20s"),
            PODS);
    warmUp();
  }

  /** Daemons that have just started need a moment for each kind of work. */
  private void warmUp() throws IOException {
    for (int i = 0; i < WARM_UP; i++) {
      try (Socket connection = Peer.connect(mesh.client(), SERVICE, ECHO_PORT)) {
        assertEchoes(connection);
      }
    }
  }

  @AfterAll
  void stop() throws IOException {
    if (mesh != null) {
      mesh.close();
    }
  }

  @Test
  void noConnectionToTheServiceFails() throws Exception {
    Queue<String> failures = new ConcurrentLinkedQueue<>();
    AtomicInteger begun = new AtomicInteger();
    AtomicInteger done = new AtomicInteger();
    try (ExecutorService clients = Executors.newCachedThreadPool()) {
      Thread load =
          Thread.ofPlatform()
              .start(
                  () -> {
                    long next = System.nanoTime();
                    while (!Thread.currentThread().isInterrupted()) {
                      int _ = begun.incrementAndGet();
                      clients.execute(() -> callService(done, failures));
                      next += TimeUnit.SECONDS.toNanos(1) / PER_SECOND;
                      LockSupport.parkNanos(next - System.nanoTime());
                    }
                  });
      for (String name : GOING) {
        Pause.of(BETWEEN);
        Lab.Pod pod = mesh.extra(name);
        mesh.refuseEcho(pod);
        Pause.of(APPLICATION_BEFORE_NAMESPACE);
        mesh.awaitEchoesDone(pod);
        pod.delete();
        mesh.far().delete(pod);
      }
      Pause.of(BETWEEN);
      load.interrupt();
      load.join();
    }
    System.out.printf("%d connections, %d failed%n", begun.get(), failures.size());
    assertEquals(List.of(), List.copyOf(failures));
    assertEquals(begun.get(), done.get());
    assertTrue(done.get() > 500, () -> "only " + done + " connections were made");
    mesh.assertRecovered();
  }

  private void callService(AtomicInteger done, Queue<String> failures) {
    long begin = System.nanoTime();
    try (Socket connection = Peer.connect(mesh.client(), SERVICE, ECHO_PORT)) {
      connection.setSoTimeout(10_000);
      assertEchoes(connection);
      int _ = done.incrementAndGet();
    } catch (IOException | AssertionError e) {
      failures.add("%s after %d ms".formatted(e, (System.nanoTime() - begin) / 1_000_000));
    }
  }
}
