package io.ztunnel.dns;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class AliasChainTest {
  private static DomainName name(String text) {
    return Objects.requireNonNull(DomainName.parse(text));
  }

  /** From {@code n0} to {@code nCOUNT}, the last one first. */
  private static List<ResourceRecord> aliases(int count) {
    return new ArrayList<>(
        IntStream.range(0, count)
            .mapToObj(i -> ResourceRecord.alias(name("N" + i), name("n" + (i + 1)), 60))
            .toList()
            .reversed());
  }

  private static AliasChain from(List<ResourceRecord> answers) {
    return AliasChain.of(new Question(name("n0"), RecordType.A, Question.IN), answers);
  }

  @Test
  void anAddressIsFoundAtTheEndOfTheAliasesInAnyOrder() {
    List<ResourceRecord> answers = aliases(AliasChain.MAX_ALIASES);
    answers.add(
        ResourceRecord.address(
            name("n" + AliasChain.MAX_ALIASES), InetAddress.ofLiteral("192.0.2.1"), 60));
    answers.add(ResourceRecord.address(name("other"), InetAddress.ofLiteral("192.0.2.2"), 60));
    AliasChain chain = from(answers);
    assertTrue(chain.found());
    assertEquals(answers.subList(0, AliasChain.MAX_ALIASES + 1), chain.records());
    assertFalse(chain.isOpen());
  }

  @Test
  void moreAliasesThanAnyoneNeedsAreNotFollowed() {
    AliasChain chain = from(aliases(3_000));
    assertEquals(name("n" + AliasChain.MAX_ALIASES), chain.end());
    assertTrue(chain.isOpen(), "it goes on there");
    assertEquals(AliasChain.MAX_ALIASES, chain.records().size(), "its own alias comes again then");
  }
}
