package io.ztunnel.hbone;

import java.security.cert.X509Certificate;

/**
 * Tells the observer of connections within tunnels to one gateway, and whom they have reached.
 *
 * <p>Confined to the pool's event loop.
 */
record InnerReports(HboneObserver observer, PeerKey gateway) {
  void opened(ClientConnection connection) {
    observer.onInnerOpened(gateway, new InnerBackend(certificate(connection), null));
  }

  /** The peer has said which workload it is. */
  void identified(ClientConnection connection, String workloadUid) {
    X509Certificate certificate = certificate(connection);
    // In this order: there is no moment without the backend.
    observer.onInnerOpened(gateway, new InnerBackend(certificate, workloadUid));
    observer.onInnerClosed(gateway, new InnerBackend(certificate, null));
  }

  void closed(ClientConnection connection) {
    observer.onInnerClosed(
        gateway, new InnerBackend(certificate(connection), connection.workloadUid()));
  }

  private static X509Certificate certificate(ClientConnection connection) {
    return connection.peer().chain().getFirst();
  }
}
