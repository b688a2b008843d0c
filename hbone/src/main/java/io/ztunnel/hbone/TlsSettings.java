package io.ztunnel.hbone;

import io.netty.handler.ssl.OpenSsl;

/**
 * How TLS is done. Immutable.
 *
 * @param provider which implementation
 * @param tls12 whether TLS 1.2 is spoken beside 1.3
 * @param pqcOnly whether the post-quantum key exchange X25519MLKEM768 is the only one; BoringSSL
 *     only
 */
public record TlsSettings(Provider provider, boolean tls12, boolean pqcOnly) {
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

  /** TLS 1.3 only, by the best provider there is. */
  public static TlsSettings defaults() {
    return new TlsSettings(Provider.best(), false, false);
  }
}
