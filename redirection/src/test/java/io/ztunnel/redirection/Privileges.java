package io.ztunnel.redirection;

import org.junit.jupiter.api.Assumptions;

/** Skips tests that this machine cannot run, and says so where it is seen. */
final class Privileges {
  private Privileges() {}

  static void assumeLab() {
    String missing = Lab.unavailableReason();
    if (!missing.isEmpty()) {
      System.out.println("SKIPPED, no network namespaces to test in: " + missing);
    }
    Assumptions.assumeTrue(missing.isEmpty(), missing);
  }
}
