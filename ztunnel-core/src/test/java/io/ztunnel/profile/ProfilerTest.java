package io.ztunnel.profile;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The real flight recorder of this JVM. */
final class ProfilerTest {
  private final EventExecutor executor = new DefaultEventExecutor();
  private final Profiler profiler = new Profiler(executor, InstantSource.system());

  @AfterEach
  void close() {
    profiler.close();
    executor.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(10, TimeUnit.SECONDS);
  }

  private static <T> T result(Future<T> future) {
    assertTrue(future.awaitUninterruptibly(30, TimeUnit.SECONDS));
    assertTrue(future.isSuccess(), () -> String.valueOf(future.cause()));
    return future.getNow();
  }

  /** So that the compiler cannot do without what adds to it. */
  private static final AtomicLong SINK = new AtomicLong();

  /** Something to find: costs time and memory. */
  private static void spend(AtomicBoolean stop) {
    while (!stop.get()) {
      byte[] wasted = new byte[1 << 16];
      long sum = 0;
      for (int i = 0; i < wasted.length; i++) {
        sum += wasted[i] * (long) i + SINK.get();
      }
      SINK.addAndGet(sum);
    }
  }

  private interface Profiling<T> {
    T take() throws Exception;
  }

  private static <T> T whileSpending(Profiling<T> profiling) throws Exception {
    var stop = new AtomicBoolean();
    Thread spender = Thread.ofPlatform().name("spender").start(() -> spend(stop));
    try {
      return profiling.take();
    } finally {
      stop.set(true);
      spender.join();
    }
  }

  private static boolean names(DecodedProfile.Sample sample) {
    return sample.frames().stream()
        .anyMatch(f -> f.startsWith(ProfilerTest.class.getName() + ".spend:"));
  }

  @Test
  void cpuTimeIsFoundWhereItIsSpent() throws Exception {
    DecodedProfile profile =
        new DecodedProfile(whileSpending(() -> result(profiler.cpu(Duration.ofSeconds(1), 200))));
    List<DecodedProfile.Sample> spent =
        profile.samples().stream().filter(ProfilerTest::names).toList();
    assertFalse(spent.isEmpty(), "no sample of the thread that spends");
    assertTrue(spent.stream().allMatch(s -> "spender".equals(s.labels().get("thread"))));
    assertTrue(
        spent.getFirst().frames().stream()
            .anyMatch(f -> f.endsWith("(io/ztunnel/profile/ProfilerTest.java)")));
    assertEquals(5_000_000, profile.period());
    assertTrue(spent.stream().mapToLong(s -> s.values().getLast()).sum() > 10_000_000);
  }

  @Test
  void onlyOneIsTakenAtATimeAndOneThatIsGivenUpMakesRoom() {
    Future<byte[]> first = profiler.cpu(Duration.ofSeconds(60), 10);
    Future<Path> second = profiler.flight(Duration.ofSeconds(1));
    assertTrue(second.awaitUninterruptibly(10, TimeUnit.SECONDS));
    assertInstanceOf(ProfilerBusyException.class, second.cause());
    assertTrue(first.cancel(false));
    executor.submit(() -> {}).awaitUninterruptibly(10, TimeUnit.SECONDS); // its listeners have run
    Future<byte[]> third = profiler.cpu(Duration.ofMillis(10), 10);
    assertTrue(third.awaitUninterruptibly(30, TimeUnit.SECONDS));
    assertTrue(third.isSuccess(), () -> String.valueOf(third.cause()));
  }

  @Test
  void aFlightRecordingIsAFileForWhoeverGetsIt() throws Exception {
    Path file = result(profiler.flight(Duration.ofMillis(200)));
    try {
      assertTrue(
          RecordingFile.readAllEvents(file).stream()
              .anyMatch(event -> event.getEventType().getName().equals("jdk.JVMInformation")));
    } finally {
      Files.delete(file);
    }
  }

  /** The environment may hold a token; what else runs on the node is nobody's to read here. */
  @Test
  void aFlightRecordingTellsNeitherTheEnvironmentNorOtherProcesses() throws Exception {
    Path file = result(profiler.flight(Duration.ofMillis(200)));
    try {
      List<RecordedEvent> events = RecordingFile.readAllEvents(file);
      String path = Objects.requireNonNull(System.getenv("PATH"));
      assertEquals(
          List.of(), events.stream().filter(event -> event.toString().contains(path)).toList());
      Set<String> enabled = enabled(file, events);
      assertTrue(enabled.contains("jdk.JVMInformation"), enabled::toString);
      assertFalse(enabled.contains("jdk.InitialEnvironmentVariable"), enabled::toString);
      assertFalse(enabled.contains("jdk.SystemProcess"), enabled::toString);
    } finally {
      Files.delete(file);
    }
  }

  /** The types of events that the recording says were switched on. */
  private static Set<String> enabled(Path file, List<RecordedEvent> events) throws IOException {
    Map<Long, String> names = new HashMap<>();
    try (RecordingFile recording = new RecordingFile(file)) {
      recording.readEventTypes().forEach(type -> names.put(type.getId(), type.getName()));
    }
    Set<String> enabled = new TreeSet<>();
    for (RecordedEvent event : events) {
      if (event.getEventType().getName().equals("jdk.ActiveSetting")
          && event.getString("name").equals("enabled")
          && event.getString("value").equals("true")) {
        enabled.add(Objects.requireNonNull(names.get(event.getLong("id"))));
      }
    }
    return enabled;
  }

  /** Whoever reads a recording holds the stacks of whole chunks of it. */
  @Test
  void theRecordersChunksAreKeptShortWhileAProfileIsTaken() throws Exception {
    Duration never = Duration.ofHours(1);
    Duration often = Duration.ofMillis(50);
    assertEquals(5, chunksOfAllThat(never, never)); // two begin, two end, and what is after them
    assertTrue(chunksOfAllThat(often, never) > 5);
    assertTrue(chunksOfAllThat(never, often) > 5);
  }

  /** How many chunks a recording has beside which both profiles are taken. */
  private int chunksOfAllThat(Duration cpuChunk, Duration allocationsChunk) throws Exception {
    Path file = Files.createTempFile("ztunnel-test-", ".jfr");
    try (Recording beside = new Recording();
        Profiler measured =
            new Profiler(executor, InstantSource.system(), cpuChunk, allocationsChunk)) {
      beside.start();
      result(measured.heapActive(true));
      result(measured.cpu(Duration.ofMillis(500), 10));
      result(measured.heapActive(false));
      beside.stop();
      beside.dump(file);
      ByteBuffer recording = ByteBuffer.wrap(Files.readAllBytes(file));
      int chunks = 0;
      // each begins with four letters, its version, and its size
      for (int at = 0; at < recording.limit(); at += Math.toIntExact(recording.getLong(at + 8))) {
        assertEquals('F' << 24 | 'L' << 16 | 'R' << 8, recording.getInt(at));
        chunks++;
      }
      return chunks;
    } finally {
      Files.delete(file);
    }
  }

  @Test
  void allocationsAreSampledBetweenOnAndOff() throws Exception {
    Future<byte[]> before = profiler.heap();
    assertTrue(before.awaitUninterruptibly(10, TimeUnit.SECONDS));
    assertInstanceOf(NotActiveException.class, before.cause());
    assertTrue(result(profiler.heapActive(true)));
    assertTrue(result(profiler.heapActive(true))); // as it was
    assertTrue(profiler.isHeapActive());
    DecodedProfile profile =
        new DecodedProfile(
            whileSpending(
                () -> {
                  result(profiler.cpu(Duration.ofSeconds(1), 10)); // both at once
                  return result(profiler.heap());
                }));
    assertEquals("alloc_space", profile.defaultSampleType());
    assertTrue(
        profile.samples().stream()
                .filter(ProfilerTest::names)
                .mapToLong(s -> s.values().getLast())
                .sum()
            > 1 << 20);
    assertFalse(result(profiler.heapActive(false)));
    assertFalse(profiler.isHeapActive());
  }
}
