package io.ztunnel.admin;

import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.Future;
import io.ztunnel.metrics.MeshRegistry;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Serves the metrics: {@code /metrics} and {@code /stats/prometheus}. A scrape passes over all
 * series, so this server is not on a loop of the data path.
 */
public final class StatsServer {
  private static final String OPEN_METRICS =
      "application/openmetrics-text;charset=utf-8;version=1.0.0";
  private static final String PLAIN = "text/plain; charset=utf-8";

  /** Of clients that are slow to take what they asked for; each holds a compressor. */
  private static final int MAX_UNDER_WAY = 32;

  private final HttpServer server;
  private final MeshRegistry registry;
  private final AtomicInteger underWay = new AtomicInteger();

  /** A server on these loops; it does not own them. */
  public StatsServer(
      MeshRegistry registry,
      EventLoopGroup loops,
      ChannelFactory<? extends ServerChannel> transport) {
    this.registry = registry;
    this.server = new HttpServer("stats", this::answer, loops, transport);
  }

  private HttpReply answer(String path, HttpRequest request) {
    return switch (path) {
      case "/metrics", "/stats/prometheus" -> metrics(request);
      default -> HttpReply.NOT_FOUND;
    };
  }

  private HttpReply metrics(HttpRequest request) {
    if (underWay.incrementAndGet() > MAX_UNDER_WAY) {
      underWay.decrementAndGet();
      return HttpReply.text(
          HttpResponseStatus.SERVICE_UNAVAILABLE,
          "scrapes under way: " + MAX_UNDER_WAY + " (expected: fewer)");
    }
    String accepted = String.join(",", request.headers().getAll(HttpHeaderNames.ACCEPT_ENCODING));
    ContentCoding negotiated = ContentCoding.negotiate(accepted);
    // Without an acceptable coding the reference answers 406 and sends the body all the same.
    ContentCoding coding = negotiated == null ? ContentCoding.IDENTITY : negotiated;
    var headers = new HashMap<String, String>();
    headers.put("vary", "accept-encoding");
    if (coding != ContentCoding.IDENTITY) {
      headers.put("content-encoding", coding.token());
    }
    return new HttpReply(
        negotiated == null ? HttpResponseStatus.NOT_ACCEPTABLE : HttpResponseStatus.OK,
        contentType(request.headers().getAll(HttpHeaderNames.ACCEPT)),
        new Body.Streamed(new MetricsPieces(registry.page(), coding, underWay::decrementAndGet)),
        headers);
  }

  /** The body is OpenMetrics either way; the name is for those who ask for it. */
  static String contentType(List<String> accept) {
    boolean openMetrics =
        accept.stream()
            .flatMap(header -> List.of(header.toLowerCase(Locale.ROOT).split(",")).stream())
            .map(type -> type.split(";", 2)[0].trim())
            .anyMatch(type -> type.equals("application/openmetrics-text"));
    return openMetrics ? OPEN_METRICS : PLAIN;
  }

  /** Binds; waits for the system, so not on an event loop. Returns the addresses bound. */
  public List<InetSocketAddress> start(List<InetSocketAddress> addresses)
      throws BindFailedException {
    return server.start(addresses);
  }

  /** Goes on answering, but no connection is kept after the answers that it is owed. */
  public void leaveConnections() {
    server.leaveConnections();
  }

  /** Accepts no more and finishes what is in flight. */
  public Future<Void> drain() {
    return server.drain();
  }
}
