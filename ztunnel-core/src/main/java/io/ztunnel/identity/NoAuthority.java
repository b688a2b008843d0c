package io.ztunnel.identity;

import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ImmediateEventExecutor;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import java.io.IOException;

/**
 * What is asked where there is no authority: all certificates come from files. Immutable.
 *
 * @param reason why an identity has no certificate
 */
public record NoAuthority(String reason) implements CertificateAuthority {
  @Override
  public Future<KeyMaterial> sign(SpiffeId identity) {
    return ImmediateEventExecutor.INSTANCE.newFailedFuture(new IOException(reason));
  }

  @Override
  public void close() {}
}
