package io.ztunnel.proxy;

import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.log.Span;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What lines about a request for a tunnel belong to; made for the first of them. Confined to the
 * request's event loop.
 */
final class RequestSpan implements Supplier<Span> {
  private final InboundSession session;
  private final InboundConnect connect;
  private @Nullable Span span;

  RequestSpan(InboundSession session, InboundConnect connect) {
    this.session = session;
    this.connect = connect;
  }

  @Override
  public Span get() {
    if (span == null) {
      span =
          ProxyLog.span(
              session.proxy().workload().info(),
              connect.request().traceparent(),
              session.peerAddress());
    }
    return span;
  }
}
