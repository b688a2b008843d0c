package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class AcceptedTrustDomainsTest {
  private static final AcceptedTrustDomains DOMAINS =
      new AcceptedTrustDomains("own", Set.of("alias"));

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    "spiffe://own/ns/a/sa/b, true",
    "spiffe://alias/ns/a/sa/b, true",
    "spiffe://other/ns/a/sa/b, false",
    "spiffe://other/ns/a/sa/b spiffe://own/ns/a/sa/b, true",
    "https://own/ns/a/sa/b, false",
    "'', false",
  })
  void oneIdentityOfOurOwnOrAnAliasIsEnough(String presented, boolean accepted) {
    assertEquals(accepted, DOMAINS.accept(List.of(presented.split(" "))));
  }
}
