package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.identity.CertificateState;
import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class ProblemsTest {
  @Test
  void nothingIsNoProblem() {
    assertEquals("", Problems.of(new TreeMap<>()));
    assertEquals(
        "",
        Problems.ofCertificates(
            new TreeMap<>(Map.of("spiffe://a", new CertificateState.Initializing()))));
  }

  @Test
  void theFirstAreNamedAndAllAreCounted() {
    assertEquals(
        "4 cannot be served: a/a: why; a/b: why; a/c: why; …",
        Problems.of(new TreeMap<>(Map.of("a/a", "why", "a/b", "why", "a/c", "why", "a/d", "why"))));
  }

  @Test
  void aCertificateThatCannotBeHadSaysWhyAndWhenItIsTriedAgain() {
    assertEquals(
        "1 without a certificate: spiffe://a: CA is down, next try at 2026-01-01T00:00:00Z",
        Problems.ofCertificates(
            new TreeMap<>(
                Map.of(
                    "spiffe://a",
                    new CertificateState.Unavailable(
                        "CA is down", Instant.parse("2026-01-01T00:00:00Z"))))));
  }
}
