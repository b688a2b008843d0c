package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@SuppressWarnings("try") // closing early is the point of some tests
class ZdsReconnectTest {
  private static final Duration DEADLINE = Duration.ofSeconds(5);

  @TempDir private Path directory;
  private final RecordingZdsHandler handler = new RecordingZdsHandler();
  private final Pauses pauses = new Pauses();
  private final Random random = new Random(7);

  /** Time that stands still in a pause until the test lets it go on. */
  private static final class Pauses implements ZdsClient.Sleeper {
    private final BlockingQueue<Duration> asked = new LinkedBlockingQueue<>();
    private final Semaphore over = new Semaphore(0);

    @Override
    public boolean sleep(Duration pause, CountDownLatch stopping) throws InterruptedException {
      asked.add(pause);
      while (!over.tryAcquire(10, TimeUnit.MILLISECONDS)) {
        if (stopping.getCount() == 0) {
          return true;
        }
      }
      return stopping.getCount() == 0;
    }

    /** The pause that is asked for now. */
    Duration next() throws InterruptedException {
      Duration pause = asked.poll(DEADLINE.toMillis(), TimeUnit.MILLISECONDS);
      if (pause == null) {
        throw new AssertionError("no pause was asked for");
      }
      return pause;
    }

    void end() {
      over.release();
    }
  }

  @Test
  void missingAgentIsTriedWithGrowingPausesUpToFifteenSeconds() throws Exception {
    try (ZdsClient client = client()) {
      client.start();
      List<Long> millis = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        millis.add(pauses.next().toMillis());
        pauses.end();
      }
      assertEquals(
          List.of(20L, 40L, 80L, 160L, 320L, 640L, 1280L, 2560L, 5120L, 10240L, 15000L, 15000L),
          millis);
      client.close();
      assertTrue(client.awaitStopped(DEADLINE));
    }
  }

  @Test
  void agentThatComesLateIsFound() throws Exception {
    try (ZdsClient client = client()) {
      client.start();
      pauses.next();
      try (CniAgent agent = new CniAgent(path())) {
        pauses.end();
        agent.accept(DEADLINE).close();
        assertEquals("connected", handler.next());
      }
    }
  }

  @Test
  void connectionsThatBringNothingAreSpacedOut() throws Exception {
    try (CniAgent agent = new CniAgent(path());
        ZdsClient client = client()) {
      client.start();
      for (long expected : List.of(500, 1000, 2000, 4000, 8000, 15000, 15000)) {
        agent.acceptSilently(DEADLINE).close();
        long millis = pauses.next().toMillis();
        pauses.end();
        assertTrue(
            millis >= expected * 8 / 10 && millis <= expected * 12 / 10,
            () -> "pause %d ms, expected %d ms give or take a fifth".formatted(millis, expected));
      }
    }
  }

  @Test
  void usefulConnectionIsReplacedAtOnceAndShortensLaterPauses() throws Exception {
    try (CniAgent agent = new CniAgent(path());
        ZdsClient client = client()) {
      client.start();
      try (CniAgent.Session session = agent.accept(DEADLINE)) {
        assertEquals("", session.snapshotSent());
      }
      agent.acceptSilently(DEADLINE).close(); // came without a pause
      long millis = pauses.next().toMillis();
      assertTrue(millis >= 4 && millis <= 6, () -> "pause of " + millis + " ms");
    }
  }

  @Test
  void closeEndsAPause() throws Exception {
    try (ZdsClient client = new ZdsClient(path(), handler, random)) {
      client.start();
      client.close();
      assertTrue(client.awaitStopped(DEADLINE));
    }
  }

  @Test
  void clientThatWasClosedBeforeItsStartDoesNothing() throws Exception {
    try (CniAgent _ = new CniAgent(path());
        ZdsClient client = client()) {
      client.close();
      assertTrue(client.awaitStopped(DEADLINE));
      client.start();
      assertTrue(client.awaitStopped(DEADLINE));
      assertTrue(handler.isQuiet(Duration.ofMillis(20)));
    }
  }

  private Path path() {
    return directory.resolve("ztunnel.sock");
  }

  private ZdsClient client() {
    return new ZdsClient(path(), handler, random, pauses);
  }
}
