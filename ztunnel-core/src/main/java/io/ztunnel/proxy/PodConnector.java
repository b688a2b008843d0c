package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.ztunnel.hbone.ClientTls;
import io.ztunnel.hbone.Connector;
import io.ztunnel.hbone.PeerKey;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.identity.WorkloadTls;
import io.ztunnel.redirection.SocketFactory;
import java.io.IOException;
import java.time.Duration;

/**
 * Connects a pod's pool to the network by the pod's own sockets, and to the node's certificates.
 */
record PodConnector(SocketFactory sockets, CertificateManager certificates, Duration connectTimeout)
    implements Connector {
  @Override
  public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
    return sockets.connect(loop, key.address(), null, handler, connectTimeout);
  }

  @Override
  public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
    SpiffeId identity = SpiffeId.parse(key.sourceIdentity()).orElse(null);
    if (identity == null) {
      return loop.newFailedFuture(
          new IOException(
              "source identity: %s (expected: spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT)"
                  .formatted(key.sourceIdentity())));
    }
    Future<WorkloadTls> fetched = certificates.fetch(identity, loop);
    if (fetched.isSuccess()) {
      return loop.newSucceededFuture(fetched.getNow().client());
    }
    Promise<ClientTls> promise = loop.newPromise();
    fetched.addListener(
        (Future<WorkloadTls> done) -> {
          if (done.isSuccess()) {
            promise.trySuccess(done.getNow().client());
          } else {
            promise.tryFailure(new IOException(SocketErrors.text(done.cause()), done.cause()));
          }
        });
    return promise;
  }
}
