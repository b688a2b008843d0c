package io.ztunnel.hbone;

import java.util.Optional;

/**
 * A workload identity: {@code spiffe://<trust domain>/ns/<namespace>/sa/<service account>}, exactly
 * these five pieces after the scheme; each may be empty (Istio). Immutable.
 */
public record SpiffeId(String trustDomain, String namespace, String serviceAccount) {
  private static final String SCHEME = "spiffe://";

  /** Reads an identity; empty when the text is anything else. */
  public static Optional<SpiffeId> parse(String uri) {
    if (!uri.startsWith(SCHEME)) {
      return Optional.empty();
    }
    String[] pieces = uri.substring(SCHEME.length()).split("/", -1);
    if (pieces.length != 5 || !pieces[1].equals("ns") || !pieces[3].equals("sa")) {
      return Optional.empty();
    }
    return Optional.of(new SpiffeId(pieces[0], pieces[2], pieces[4]));
  }

  @Override
  public String toString() {
    return SCHEME + trustDomain + "/ns/" + namespace + "/sa/" + serviceAccount;
  }
}
