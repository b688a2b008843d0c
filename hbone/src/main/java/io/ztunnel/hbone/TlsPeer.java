package io.ztunnel.hbone;

import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Optional;

/**
 * Who is at the other end of a TLS connection, as its verified certificate says. Immutable.
 *
 * @param chain as presented, leaf first
 * @param uriSans every URI SAN of the leaf, in order
 */
public record TlsPeer(List<X509Certificate> chain, List<String> uriSans) {
  public TlsPeer {
    chain = List.copyOf(chain);
    uriSans = List.copyOf(uriSans);
  }

  /** The first URI SAN that is a SPIFFE identity. */
  public Optional<SpiffeId> identity() {
    for (String san : uriSans) {
      Optional<SpiffeId> identity = SpiffeId.parse(san);
      if (identity.isPresent()) {
        return identity;
      }
    }
    return Optional.empty();
  }
}
