package io.ztunnel.identity;

import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;

/** Who signs the certificates of workloads. Callable from any thread; never blocks the caller. */
public interface CertificateAuthority extends AutoCloseable {
  /**
   * A new key with its certificate for this identity. Bounded in time; the failure's message says
   * why there is none.
   */
  Future<KeyMaterial> sign(SpiffeId identity);

  @Override
  void close();
}
