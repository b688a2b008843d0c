package io.ztunnel.profile;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.profile.PprofProfile.Frame;
import io.ztunnel.profile.PprofProfile.ValueType;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class PprofProfileTest {
  private static final ValueType CPU = new ValueType("cpu", "nanoseconds");
  private static final Frame READ = new Frame("a.B.read", "a/B.java", 7);
  private static final Frame READ_LATER = new Frame("a.B.read", "a/B.java", 9);
  private static final Frame MAIN = new Frame("a.Main.main", "a/Main.java", 1);

  private static final int DEPTH = 60;

  private final PprofProfile profile =
      new PprofProfile(List.of(new ValueType("samples", "count"), CPU), CPU, 10_000_000);

  @Test
  void samplesOfOneStackAndThreadAreAddedUp() throws Exception {
    profile.add(List.of(READ, MAIN), "t1", 1, 10);
    profile.add(List.of(READ, MAIN), "t1", 1, 15);
    profile.add(List.of(READ_LATER, MAIN), "t1", 1, 1);
    profile.add(List.of(READ, MAIN), "", 2, 3);
    DecodedProfile decoded =
        new DecodedProfile(
            profile.encode(Instant.ofEpochSecond(1_700_000_000, 5), Duration.ofSeconds(3)));
    assertEquals(List.of("samples/count", "cpu/nanoseconds"), decoded.sampleTypes());
    assertEquals("cpu/nanoseconds", decoded.periodType());
    assertEquals("cpu", decoded.defaultSampleType());
    assertEquals("", decoded.firstString()); // the format says so
    assertEquals(1_700_000_000_000_000_005L, decoded.timeNanos());
    assertEquals(3_000_000_000L, decoded.durationNanos());
    assertEquals(10_000_000, decoded.period());
    List<String> frames = List.of("a.B.read:7 (a/B.java)", "a.Main.main:1 (a/Main.java)");
    assertEquals(
        List.of(
            new DecodedProfile.Sample(frames, List.of(2L, 25L), Map.of("thread", "t1")),
            new DecodedProfile.Sample(
                List.of("a.B.read:9 (a/B.java)", "a.Main.main:1 (a/Main.java)"),
                List.of(1L, 1L),
                Map.of("thread", "t1")),
            new DecodedProfile.Sample(frames, List.of(2L, 3L), Map.of())),
        decoded.samples());
  }

  /** A deep stack as a recording has it: every text a new one. */
  private static List<Frame> deep(String innermost, int line) {
    return IntStream.range(0, DEPTH)
        .mapToObj(
            i -> {
              String type = i == 0 ? innermost : "io.netty.channel.AbstractChannelHandler" + i;
              return new Frame(
                  type + ".invoke", type.replace('.', '/') + ".java", i == 0 ? line : 7);
            })
        .toList();
  }

  @Test
  void deepStacksThatDifferInOneLineCostTheirNumbersAndThatLine() throws Exception {
    profile.add(deep("a.B", 0), "t1", 1, 5);
    long first = profile.keptBytes();
    for (int line = 1; line < 20_000; line++) {
      profile.add(deep("a.B", line), "t1", 1, 5);
    }
    assertEquals(20_000, encoded().samples().size());
    // each: its place in two tables, 60 numbers, two sums, and a location; no text
    long each = (56 + 24 + (24 + 4 * DEPTH) + (16 + 8 * 2)) + (56 + 16 + 24);
    assertEquals(first + 19_999 * each, profile.keptBytes());
    assertTrue(profile.keptBytes() < PprofProfile.MAX_BYTES);
  }

  @Test
  void whatIsKnownCostsNothingMore() {
    profile.add(deep("a.B", 1), "t1", 1, 5);
    long kept = profile.keptBytes();
    profile.add(deep("a.B", 1), "t1", 1, 5);
    assertEquals(kept, profile.keptBytes());
  }

  @Test
  void beyondTheBoundStacksAreCountedWithoutNames() throws Exception {
    long fed = 60_000;
    for (int line = 0; line < fed; line++) {
      profile.add(deep("a.B", line), "t1", 1, 5);
    }
    profile.add(deep("a.B", 0), "t1", 1, 5); // has its place
    profile.add(deep("another.B", 0), "t2", 1, 5); // even the text of it is new
    long kept = profile.keptBytes();
    assertTrue(kept <= PprofProfile.MAX_BYTES, "kept: " + kept);
    assertTrue(kept > PprofProfile.MAX_BYTES - 1_000, "kept: " + kept);
    List<DecodedProfile.Sample> samples = encoded().samples();
    long others = fed + 1 - (samples.size() - 1);
    assertTrue(others > 10_000, () -> "samples: " + samples.size());
    assertEquals(
        new DecodedProfile.Sample(
            List.of("[other stacks]:0 ()"), List.of(others, others * 5), Map.of()),
        samples.getLast());
    assertEquals(List.of(2L, 10L), samples.getFirst().values());
  }

  @Test
  void textsCountAsMuchAsTheyTake() throws Exception {
    int fed = 40_000;
    for (int i = 0; i < fed; i++) {
      profile.add(List.of(new Frame("f" + i + "x".repeat(500), "", 0)), "t" + i, 1, 5);
    }
    assertTrue(profile.keptBytes() <= PprofProfile.MAX_BYTES);
    byte[] message = profile.encode(Instant.EPOCH, Duration.ZERO);
    assertTrue(message.length <= profile.keptBytes(), () -> "message: " + message.length);
    List<DecodedProfile.Sample> samples = new DecodedProfile(message).samples();
    assertTrue(samples.size() < fed / 2, () -> "samples: " + samples.size());
    assertEquals(fed, samples.stream().mapToLong(sample -> sample.values().getFirst()).sum());
  }

  private DecodedProfile encoded() throws IOException {
    return new DecodedProfile(profile.encode(Instant.EPOCH, Duration.ZERO));
  }

  @Test
  void anEmptyProfileIsOne() throws Exception {
    DecodedProfile decoded = new DecodedProfile(profile.encode(Instant.EPOCH, Duration.ZERO));
    assertEquals(List.of(), decoded.samples());
    assertEquals(List.of("samples/count", "cpu/nanoseconds"), decoded.sampleTypes());
  }

  @Test
  void aSampleHasANumberForEachType() {
    assertThrows(IllegalArgumentException.class, () -> profile.add(List.of(READ), "", 1));
  }
}
