package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.Future;
import io.ztunnel.metrics.MeshRegistry;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;

/**
 * Serves the metrics: {@code /metrics} and {@code /stats/prometheus}. A scrape passes over all
 * series, so this server is not on a loop of the data path.
 */
public final class StatsServer {
  private static final String OPEN_METRICS =
      "application/openmetrics-text;charset=utf-8;version=1.0.0";
  private static final String PLAIN = "text/plain; charset=utf-8";

  private final HttpServer server;
  private final MeshRegistry registry;

  /** A server on these loops; it does not own them. */
  public StatsServer(
      MeshRegistry registry,
      EventLoopGroup loops,
      ChannelFactory<? extends ServerChannel> transport) {
    this.registry = registry;
    this.server = new HttpServer("stats", this::answer, loops, transport);
  }

  private HttpReply answer(String path, HttpRequest request) throws IOException {
    return switch (path) {
      case "/metrics", "/stats/prometheus" -> metrics(request);
      default -> HttpReply.NOT_FOUND;
    };
  }

  private HttpReply metrics(HttpRequest request) throws IOException {
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
        new Body.Whole(body(coding)),
        headers);
  }

  private ByteBuf body(ContentCoding coding) throws IOException {
    var bytes = new ByteArrayOutputStream();
    try (Writer out =
        new BufferedWriter(new OutputStreamWriter(coding.encode(bytes), StandardCharsets.UTF_8))) {
      registry.writeTo(out);
    }
    return Unpooled.wrappedBuffer(bytes.toByteArray());
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

  /** Accepts no more and finishes what is in flight. */
  public Future<Void> drain() {
    return server.drain();
  }
}
