package io.ztunnel.xds;

import io.netty.handler.ssl.OpenSsl;

/**
 * Which TLS is spoken with the control plane. Immutable.
 *
 * @param provider which implementation
 * @param tls12 whether TLS 1.2 is spoken beside 1.3
 * @param postQuantumOnly whether the key exchange X25519MLKEM768 is the only one; BoringSSL only
 */
public record TlsPolicy(Provider provider, boolean tls12, boolean postQuantumOnly) {
  /** An implementation of TLS. */
  public enum Provider {
    /** BoringSSL through netty-tcnative. */
    BORINGSSL,
    /** The JDK's own. */
    JDK;

    /** BoringSSL if its library can be loaded, or else the JDK's. */
    public static Provider best() {
      return OpenSsl.isAvailable() ? BORINGSSL : JDK;
    }
  }

  public TlsPolicy {
    if (postQuantumOnly && provider == Provider.JDK) {
      throw new IllegalArgumentException(
          "postQuantumOnly: true with provider JDK (expected: BORINGSSL, which has X25519MLKEM768)");
    }
    if (provider == Provider.BORINGSSL && !OpenSsl.isAvailable()) {
      throw new IllegalArgumentException(
          "provider: BORINGSSL (expected: JDK, because the library cannot be loaded: "
              + OpenSsl.unavailabilityCause()
              + ")");
    }
  }

  /** TLS 1.3 only, by the best provider there is. */
  public static TlsPolicy defaults() {
    return new TlsPolicy(Provider.best(), false, false);
  }
}
