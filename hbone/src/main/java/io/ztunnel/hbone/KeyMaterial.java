package io.ztunnel.hbone;

import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;

/**
 * What one side of mutual TLS needs: its key, its chain and the roots it trusts. Immutable.
 *
 * @param key private key of the leaf
 * @param chain leaf first, then intermediates; roots are not presented
 * @param roots trust anchors for the peer; at least one
 */
public record KeyMaterial(
    PrivateKey key, List<X509Certificate> chain, List<X509Certificate> roots) {
  public KeyMaterial {
    chain = List.copyOf(chain);
    roots = List.copyOf(roots);
    if (chain.isEmpty()) {
      throw new IllegalArgumentException("chain: empty (expected: at least the leaf)");
    }
    if (roots.isEmpty()) {
      throw new IllegalArgumentException("roots: empty (expected: at least one)");
    }
  }

  /** The end-entity certificate. */
  public X509Certificate leaf() {
    return chain.getFirst();
  }

  @Override
  public String toString() {
    return "KeyMaterial[" + leaf().getSerialNumber() + "]";
  }
}
