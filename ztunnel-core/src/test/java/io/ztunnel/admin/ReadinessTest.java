package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.log.LogCapture;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReadinessTest {
  @RegisterExtension static final ServerLoops LOOPS = new ServerLoops();

  private long nanos = 5;
  private final Readiness readiness = new Readiness(() -> nanos);

  @Test
  void eachTaskIsLoggedWithTheTimeAndWhatIsLeft() {
    try (var log = LogCapture.plain("info")) {
      readiness.require("dns proxy");
      readiness.require("state manager");
      readiness.require("state manager");
      nanos += 2_613_835;
      readiness.complete("dns proxy");
      nanos += 40_000_000;
      readiness.complete("state manager");
      readiness.complete("state manager");
      assertEquals(
          List.of(
              "info\treadiness\tTask 'dns proxy' complete (2.613835ms), still awaiting 1 tasks\t\n",
              "info\treadiness\tTask 'state manager' complete (42.613835ms), marking server ready\t\n"),
          log.withoutTime());
    }
  }

  @ParameterizedTest
  @CsvSource({"7, 7ns", "1500, 1.5µs", "40087053, 40.087053ms", "1000000, 1ms", "2500000000, 2.5s"})
  void durationsHaveOneUnit(long nanos, String text) {
    assertEquals(text, Readiness.duration(nanos));
  }

  @Test
  void theServerNamesWhatIsPendingAndMayBecomeUnreadyAgain() throws Exception {
    var server = new ReadinessServer(readiness, LOOPS.group, LOOPS.transport);
    int port = server.start(ServerLoops.anyPort()).getFirst().getPort();
    readiness.require("workload proxy manager");
    readiness.require("proxy");
    TestClient.Reply waiting = TestClient.request(port, "GET", "/healthz/ready");
    assertEquals(500, waiting.status());
    assertEquals("not ready, pending: proxy, workload proxy manager\n", waiting.text());

    readiness.complete("proxy");
    readiness.complete("workload proxy manager");
    TestClient.Reply ready = TestClient.request(port, "GET", "/healthz/ready");
    assertEquals(200, ready.status());
    assertEquals("text/plain", ready.header("content-type"));
    assertEquals("ready\n", ready.text());
    assertEquals(200, TestClient.request(port, "GET", "/healthz/ready?at=100%").status());

    readiness.require("workload proxy manager");
    assertEquals(500, TestClient.request(port, "GET", "/healthz/ready").status());
    assertEquals(405, TestClient.request(port, "POST", "/healthz/ready").status());
    assertEquals(404, TestClient.request(port, "GET", "/healthz").status());
    assertTrue(server.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
  }

  @Test
  void aDaemonThatDrainsIsNotReadyWhateverIsDone() throws Exception {
    var server = new ReadinessServer(readiness, LOOPS.group, LOOPS.transport);
    int port = server.start(ServerLoops.anyPort()).getFirst().getPort();
    readiness.require("workload proxy manager");
    readiness.complete("workload proxy manager");
    readiness.drain();
    nanos += 3_000_000;
    readiness.drain(); // it began before
    TestClient.Reply draining = TestClient.request(port, "GET", "/healthz/ready");
    assertEquals(503, draining.status());
    assertEquals("draining\n", draining.text());
    readiness.require("workload proxy manager"); // the CNI agent has been left
    TestClient.Reply verbose = TestClient.request(port, "GET", "/readyz?verbose");
    assertEquals(503, verbose.status());
    assertEquals(
        """
        [-] drain: for 3ms
        [-] workload proxy manager: pending for 0ns
        draining
        """,
        verbose.text());
    assertTrue(server.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
  }

  @Test
  void whoLooksCloserIsToldWhatIsMissingSinceWhenAndWhatIsIll() throws Exception {
    var server = new ReadinessServer(readiness, LOOPS.group, LOOPS.transport);
    int port = server.start(ServerLoops.anyPort()).getFirst().getPort();
    var problem = new AtomicReference<>("");
    readiness.watch("certificates", problem::get);
    readiness.require("state manager");
    readiness.require("workload proxy manager", "the CNI agent");
    nanos += 2_000_000;
    readiness.complete("state manager");
    nanos += 3_000_000_000L;
    readiness.require("workload proxy manager", "the CNI agent"); // it was pending all the time
    for (String path : List.of("/healthz/ready?verbose", "/readyz?verbose=1")) {
      TestClient.Reply reply = TestClient.request(port, "GET", path);
      assertEquals(500, reply.status());
      assertEquals(
          """
          [+] state manager: done after 2ms
          [-] workload proxy manager: pending for 3.002s, waits for the CNI agent
          [+] certificates: well
          not ready, pending: workload proxy manager
          """,
          reply.text());
    }
    readiness.complete("workload proxy manager");
    problem.set("the CA is silent");
    TestClient.Reply ready = TestClient.request(port, "GET", "/readyz?verbose");
    assertEquals(200, ready.status()); // ill, and ready all the same
    assertEquals(
        """
        [+] state manager: done after 2ms
        [+] workload proxy manager: done after 3.002s
        [-] certificates: the CA is silent
        ready
        """,
        ready.text());
    assertEquals("ready\n", TestClient.request(port, "GET", "/readyz").text());
    assertTrue(server.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
  }
}
