package io.ztunnel.identity;

import io.ztunnel.hbone.ClientTls;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.ServerTls;

/**
 * One certificate, ready for use on both sides of TLS. Immutable; connections made with it go on
 * after a newer one has taken its place.
 */
public record WorkloadTls(KeyMaterial material, ServerTls server, ClientTls client)
    implements AutoCloseable {
  /** No new connections are made with it; those that were go on. */
  @Override
  public void close() {
    server.close();
    client.close();
  }
}
