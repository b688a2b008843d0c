package io.ztunnel.hbone;

import java.security.cert.X509Certificate;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which certificates their issuers have taken back. Asked on event loops, at handshakes and again
 * for open connections: answers at once, from memory, on any thread.
 */
@FunctionalInterface
public interface Revocations {
  /** Nothing is revoked. */
  Revocations NONE = (_, _) -> null;

  /**
   * The revoked certificate that keeps a chain from its roots; null if there is none, or nothing is
   * known about it.
   *
   * @param chain as the peer presented it, leaf first; what follows need not be in order
   */
  @Nullable X509Certificate revoked(List<X509Certificate> chain, List<X509Certificate> roots);
}
