package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.assertEchoes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Flood;
import io.ztunnel.bench.lab.Requirements;
import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** Many ends between the same two pods that never read must not slow the others. */
@TestInstance(Lifecycle.PER_CLASS)
class SlowReadersIT {
  private static final int PORT = 9000;
  private static final int SLOW = 8;
  private static final int REQUESTS = 50;
  private static final int BULK_BYTES = 8 << 20;

  /** A connection that shares a window with those that use it up takes for ever. */
  private static final Duration LIMIT = Duration.ofSeconds(3);

  private FaultMesh mesh;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh = FaultMesh.start("slow", Map.of());
  }

  @AfterEach
  void othersGoOnAndNothingIsLeft() throws IOException {
    mesh.assertRecovered();
  }

  @AfterAll
  void stop() throws IOException {
    if (mesh != null) {
      mesh.close();
    }
  }

  /** What the ninth client does: an open connection, new ones, and a bulk transfer. */
  private void assertNinthIsNotSlowed(Socket open) throws IOException {
    long begin = System.nanoTime();
    for (int i = 0; i < REQUESTS; i++) {
      assertEchoes(open);
    }
    assertWithinLimit(begin, "requests on an open connection");
    begin = System.nanoTime();
    for (int i = 0; i < REQUESTS; i++) {
      assertEchoes(mesh.client(), mesh.server());
    }
    assertWithinLimit(begin, "new connections");
    begin = System.nanoTime();
    try (Socket bulk = mesh.connectToServer(FaultMesh.ECHO_PORT)) {
      Thread.ofVirtual()
          .start(
              () -> {
                try {
                  bulk.getOutputStream().write(new byte[BULK_BYTES]);
                  bulk.shutdownOutput();
                } catch (IOException e) {
                  // the reader misses the bytes
                }
              });
      assertEquals(BULK_BYTES, bulk.getInputStream().readAllBytes().length);
    }
    assertWithinLimit(begin, "a bulk transfer");
  }

  private static void assertWithinLimit(long begin, String what) {
    Duration took = Duration.ofNanos(System.nanoTime() - begin);
    assertTrue(took.compareTo(LIMIT) < 0, () -> what + " took " + took);
  }

  @Test
  void clientsThatNeverRead() throws IOException {
    Flood flood = new Flood();
    List<Socket> slow = new ArrayList<>();
    try (Application _ = Application.start(mesh.server(), PORT, flood::pour);
        Socket ninth = mesh.connectToServer(FaultMesh.ECHO_PORT)) {
      assertEchoes(ninth);
      for (int i = 0; i < SLOW; i++) {
        slow.add(mesh.connectToServer(PORT));
      }
      flood.awaitStall();
      assertNinthIsNotSlowed(ninth);
      // Once they do read, nothing is lost.
      assertEquals(BULK_BYTES, slow.getFirst().getInputStream().readNBytes(BULK_BYTES).length);
    } finally {
      for (Socket socket : slow) {
        Application.reset(socket);
      }
    }
  }

  @Test
  void serversThatNeverRead() throws Exception {
    Flood flood = new Flood();
    CountDownLatch over = new CountDownLatch(1);
    List<Socket> slow = new ArrayList<>();
    try (Application _ =
            Application.start(
                mesh.server(),
                PORT,
                _ -> {
                  boolean _ = over.await(30, TimeUnit.SECONDS);
                });
        Socket ninth = mesh.connectToServer(FaultMesh.ECHO_PORT)) {
      assertEchoes(ninth);
      for (int i = 0; i < SLOW; i++) {
        Socket connection = mesh.connectToServer(PORT);
        slow.add(connection);
        flood.pourMeanwhile(connection);
      }
      flood.awaitStall();
      assertNinthIsNotSlowed(ninth);
    } finally {
      for (Socket socket : slow) {
        Application.reset(socket);
      }
      over.countDown();
    }
  }
}
