package io.ztunnel.profile;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ztunnel.profile.PprofProfile.Frame;
import io.ztunnel.profile.PprofProfile.ValueType;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class PprofProfileTest {
  private static final ValueType CPU = new ValueType("cpu", "nanoseconds");
  private static final Frame READ = new Frame("a.B.read", "a/B.java", 7);
  private static final Frame READ_LATER = new Frame("a.B.read", "a/B.java", 9);
  private static final Frame MAIN = new Frame("a.Main.main", "a/Main.java", 1);

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

  @Test
  void beyondTheBoundStacksAreCountedWithoutNames() throws Exception {
    for (int i = 0; i < PprofProfile.MAX_STACKS + 2; i++) {
      profile.add(List.of(new Frame("f" + i, "", 0)), "", 1, 5);
    }
    List<DecodedProfile.Sample> samples =
        new DecodedProfile(profile.encode(Instant.EPOCH, Duration.ZERO)).samples();
    assertEquals(PprofProfile.MAX_STACKS + 1, samples.size());
    assertEquals(
        new DecodedProfile.Sample(List.of("[other stacks]:0 ()"), List.of(2L, 10L), Map.of()),
        samples.getLast());
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
