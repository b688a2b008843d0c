package io.ztunnel.hbone;

import java.security.cert.X509Certificate;
import org.jspecify.annotations.Nullable;

/**
 * Tells the observer of connections within tunnels to one gateway, and whom they have reached.
 *
 * <p>Confined to the pool's event loop.
 */
record InnerReports(HboneObserver observer, PeerKey gateway) {
  void opened(ClientConnection connection) {
    observer.onInnerOpened(gateway, certificate(connection));
  }

  /** The peer has said which workload it is. */
  void identified(ClientConnection connection, String workloadUid) {
    // In this order: there is no moment without the backend.
    observer.onInnerOpened(gateway, workloadUid);
    observer.onInnerClosed(gateway, certificate(connection));
  }

  void closed(ClientConnection connection) {
    @Nullable String workloadUid = connection.workloadUid();
    observer.onInnerClosed(gateway, workloadUid == null ? certificate(connection) : workloadUid);
  }

  private static X509Certificate certificate(ClientConnection connection) {
    return connection.peer().chain().getFirst();
  }
}
