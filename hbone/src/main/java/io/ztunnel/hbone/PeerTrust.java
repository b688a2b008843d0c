package io.ztunnel.hbone;

import java.security.cert.X509Certificate;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What makes a peer's chain good, beside its dates and usages: the roots it must lead to, and that
 * none of it is revoked. Both may change while it is in use.
 */
public record PeerTrust(TrustRoots roots, Revocations revocations) {
  /** Trust in these roots, for good. */
  static PeerTrust in(List<X509Certificate> roots) {
    return new PeerTrust(new TrustRoots(roots), Revocations.NONE);
  }

  /** The certificate whose revocation rules the peer out, as things are now. */
  @Nullable X509Certificate revoked(List<X509Certificate> chain) {
    return revocations.revoked(chain, roots.roots());
  }
}
