package io.ztunnel.hbone;

import io.netty.handler.ssl.OpenSsl;
import java.util.Set;

/**
 * How TLS is done. Immutable.
 *
 * @param provider which implementation
 * @param tls12 whether TLS 1.2 is spoken beside 1.3
 * @param pqcOnly whether the post-quantum key exchange X25519MLKEM768 is the only one; BoringSSL
 *     only
 * @param trustDomainAliases other trust domains than our own whose clients are let in, if their
 *     chains lead to a root that we have
 */
public record TlsSettings(
    Provider provider, boolean tls12, boolean pqcOnly, Set<String> trustDomainAliases) {
  /** An implementation of TLS. */
  public enum Provider {
    /** BoringSSL through netty-tcnative. */
    BORINGSSL,
    /** The JDK's own: slower, always there. */
    JDK;

    /** BoringSSL if its library can be loaded, or else the JDK's. */
    public static Provider best() {
      return OpenSsl.isAvailable() ? BORINGSSL : JDK;
    }
  }

  public TlsSettings {
    trustDomainAliases = Set.copyOf(trustDomainAliases);
    if (pqcOnly && provider == Provider.JDK) {
      throw new IllegalArgumentException(
          "pqcOnly: true with provider JDK (expected: BORINGSSL, which has X25519MLKEM768)");
    }
    if (provider == Provider.BORINGSSL && !OpenSsl.isAvailable()) {
      throw new IllegalArgumentException(
          "provider: BORINGSSL (expected: JDK, because the library cannot be loaded: "
              + OpenSsl.unavailabilityCause()
              + ")");
    }
  }

  /** Without aliases. */
  public TlsSettings(Provider provider, boolean tls12, boolean pqcOnly) {
    this(provider, tls12, pqcOnly, Set.of());
  }

  /** TLS 1.3 only, by the best provider there is. */
  public static TlsSettings defaults() {
    return new TlsSettings(Provider.best(), false, false);
  }
}
