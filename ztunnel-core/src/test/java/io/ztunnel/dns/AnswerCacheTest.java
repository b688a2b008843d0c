package io.ztunnel.dns;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.net.InetAddress;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class AnswerCacheTest {
  private long nanos;
  private final AnswerCache cache = new AnswerCache(3, 4096, () -> nanos);

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
}
