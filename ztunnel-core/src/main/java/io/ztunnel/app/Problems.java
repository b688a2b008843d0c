package io.ztunnel.app;

import io.ztunnel.identity.CertificateState;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/** What is wrong with parts of the daemon, in one line each; empty: nothing. Pure. */
final class Problems {
  /** So many are named, the rest are counted. */
  private static final int MAX_NAMED = 3;

  private Problems() {}

  /** Pods that cannot be served yet, with the reason. */
  static String of(SortedMap<String, String> pending) {
    return text("cannot be served", pending);
  }

  /** Identities without a certificate because the last attempt failed. */
  static String ofCertificates(SortedMap<String, CertificateState> states) {
    var failed = new TreeMap<String, String>();
    states.forEach(
        (identity, state) -> {
          switch (state) {
            case CertificateState.Unavailable(String error, Instant retryAt) ->
                failed.put(identity, "%s, next try at %s".formatted(error, retryAt));
            case CertificateState.Initializing _, CertificateState.Available _ -> {}
          }
        });
    return text("without a certificate", failed);
  }

  private static String text(String what, SortedMap<String, String> reasons) {
    if (reasons.isEmpty()) {
      return "";
    }
    List<String> named = new ArrayList<>();
    reasons.forEach(
        (name, reason) -> {
          if (named.size() < MAX_NAMED) {
            named.add(name + ": " + reason);
          }
        });
    if (reasons.size() > MAX_NAMED) {
      named.add("…");
    }
    return "%d %s: %s".formatted(reasons.size(), what, String.join("; ", named));
  }
}
