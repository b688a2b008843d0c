package io.ztunnel.dns;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class AnswerCacheTest {
  private long nanos;
  private final AnswerMemory memory = new AnswerMemory(8192);
  private final AnswerCache cache = cache();

  private AnswerCache cache() {
    return new AnswerCache(3, 4096, memory, () -> nanos);
  }

  private static Question question(String name) {
    return new Question(Objects.requireNonNull(DomainName.parse(name)), RecordType.A, Question.IN);
  }

  private static ForwardedAnswer answer(int records) {
    DomainName owner = question("a").name();
    return new ForwardedAnswer(
        0,
        Collections.nCopies(
            records, ResourceRecord.address(owner, InetAddress.ofLiteral("10.0.0.1"), 60)),
        List.of());
  }

  @Test
  void anAnswerIsGivenWithWhatIsLeftOfItsTime() {
    cache.put(question("a"), answer(1), 60);
    nanos += TimeUnit.SECONDS.toNanos(59);
    ForwardedAnswer aged = cache.get(question("a"));
    assertNotNull(aged);
    assertEquals(1, aged.answers().getFirst().ttlSeconds());
    nanos += TimeUnit.SECONDS.toNanos(1);
    assertNull(cache.get(question("a")));
    assertEquals(0, cache.size());
  }

  @Test
  void anAnswerWithoutTimeIsNotKept() {
    cache.put(question("a"), answer(1), 0);
    assertEquals(0, cache.size());
  }

  @Test
  void theOneThatWasNotUsedForTheLongestTimeGoes() {
    for (String name : List.of("a", "b", "c")) {
      cache.put(question(name), answer(1), 60);
    }
    assertNotNull(cache.get(question("a")));
    cache.put(question("d"), answer(1), 60);
    assertNull(cache.get(question("b")));
    assertNotNull(cache.get(question("a")));
    assertEquals(3, cache.size());
  }

  @Test
  void manyBytesPushOthersOutAndTooManyAreNotKept() {
    cache.put(question("a"), answer(1), 60);
    cache.put(question("b"), answer(30), 60);
    cache.put(question("c"), answer(30), 60);
    assertEquals(1, cache.size());
    assertNotNull(cache.get(question("c")));
    cache.put(question("c"), answer(1000), 60);
    assertEquals(0, cache.size());
  }

  @Test
  void allCachesTogetherTakeNoMoreThanTheyMayAndGiveItBack() {
    List<AnswerCache> caches = Stream.generate(this::cache).limit(110).toList();
    for (AnswerCache each : caches) {
      for (String name : List.of("a", "b", "c")) {
        each.put(question(name), answer(8), 60);
      }
      assertTrue(memory.bytes() <= 8192, () -> memory.bytes() + " bytes");
    }
    assertTrue(caches.stream().mapToInt(AnswerCache::size).sum() > 3);
    caches.forEach(AnswerCache::clear);
    assertEquals(0, memory.bytes());
  }

  @Test
  void whatHasExpiredGoesUnasked() {
    cache.put(question("a"), answer(1), 60);
    cache.put(question("b"), answer(1), 61);
    nanos += TimeUnit.SECONDS.toNanos(60);
    cache.sweep();
    assertEquals(1, cache.size());
    nanos += TimeUnit.SECONDS.toNanos(1);
    cache.sweep();
    assertEquals(0, cache.size());
    assertEquals(0, memory.bytes());
  }

  @Test
  void aCacheThatHasMuchLeavesSomeToOthersWhenThereIsLittle() {
    AnswerCache second = cache();
    AnswerCache third = cache();
    for (AnswerCache each : List.of(cache, second)) {
      for (String name : List.of("a", "b", "c")) {
        each.put(question(name), answer(9), 60);
      }
    }
    third.put(question("a"), answer(9), 60);
    assertEquals(0, third.size());
    cache.sweep();
    assertNull(cache.get(question("a")));
    assertNotNull(cache.get(question("c")));
    third.put(question("a"), answer(9), 60);
    assertEquals(1, third.size());
  }
}
