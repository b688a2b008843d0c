package io.ztunnel.admin;

import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * Tells the node whether the daemon is ready: {@code /healthz/ready}, or {@code /readyz}; with
 * {@code ?verbose} also what is missing and since when. While the daemon drains it is not, and says
 * 503. Runs on the loops of the data path, so that one that hangs is noticed.
 */
public final class ReadinessServer {
  private final HttpServer server;
  private final Readiness readiness;

  /** A server on these loops; it does not own them. */
  public ReadinessServer(
      Readiness readiness,
      EventLoopGroup loops,
      ChannelFactory<? extends ServerChannel> transport) {
    this.readiness = readiness;
    this.server = new HttpServer("readiness", this::answer, loops, transport);
  }

  private HttpReply answer(String path, HttpRequest request) {
    if (!path.equals("/healthz/ready") && !path.equals("/readyz")) {
      return HttpReply.NOT_FOUND;
    }
    if (!request.method().equals(HttpMethod.GET)) {
      return HttpReply.METHOD_NOT_ALLOWED;
    }
    List<String> pending = readiness.pending();
    boolean verbose = Query.of(request.uri()).has("verbose");
    String detail = verbose ? readiness.verbose() : "";
    if (readiness.isDraining()) {
      return HttpReply.text(HttpResponseStatus.SERVICE_UNAVAILABLE, detail + "draining\n");
    }
    return pending.isEmpty()
        ? HttpReply.text(HttpResponseStatus.OK, detail + "ready\n")
        : HttpReply.text(
            HttpResponseStatus.INTERNAL_SERVER_ERROR,
            detail + "not ready, pending: " + String.join(", ", pending) + "\n");
  }

  /** Binds; waits for the system, so not on an event loop. Returns the addresses bound. */
  public List<InetSocketAddress> start(List<InetSocketAddress> addresses)
      throws BindFailedException {
    return server.start(addresses);
  }

  /** Accepts no more and finishes what is in flight. */
  public Future<Void> drain() {
    return server.drain();
  }
}
