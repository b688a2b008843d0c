package io.ztunnel.admin;

import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.Future;
import io.ztunnel.log.LogFilter;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;

/** For the operator on the node: state, log levels, shutdown. Listens on loopback only. */
public final class AdminServer {
  private static final String INDEX =
      """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>ztunnel admin</title>
      <style>
      table { border-collapse: collapse; font-family: sans-serif; }
      td { padding: 6px 12px; }
      tr.gray { background: #eee; }
      </style>
      </head>
      <body>
      <table>
      <tr class="vert-space"><td><a href="config_dump">config_dump</a></td><td>the current state: workloads, services, policies, certificates, configuration</td></tr>
      <tr class="gray"><td><a href="logging">logging</a></td><td>POST: show or change what is logged</td></tr>
      <tr class="vert-space"><td><a href="quitquitquit">quitquitquit</a></td><td>POST: shut down</td></tr>
      </table>
      </body>
      </html>
      """;

  private final HttpServer server;
  private final ConfigDump dump;
  private final LoggingEndpoint logging;
  private final Runnable shutdown;

  /**
   * A server on these loops; it does not own them.
   *
   * @param initialFilter what {@code /logging?reset} goes back to
   * @param shutdown starts the end of the process and returns at once; may be run more than once
   */
  public AdminServer(
      ConfigDump dump,
      LogFilter initialFilter,
      Runnable shutdown,
      EventLoopGroup loops,
      ChannelFactory<? extends ServerChannel> transport) {
    this.dump = dump;
    this.logging = new LoggingEndpoint(initialFilter);
    this.shutdown = shutdown;
    this.server = new HttpServer("admin", this::answer, loops, transport);
  }

  private HttpReply answer(String path, HttpRequest request) throws IOException {
    return switch (path) {
      case "/" -> HttpReply.of(HttpResponseStatus.OK, "text/html; charset=utf-8", INDEX);
      case "/config_dump" ->
          new HttpReply(HttpResponseStatus.OK, "application/json", dump.json(), Map.of());
      case "/logging" -> logging.answer(request);
      case "/quitquitquit" -> quit(request);
      default -> HttpReply.NOT_FOUND;
    };
  }

  private HttpReply quit(HttpRequest request) {
    if (!request.method().equals(HttpMethod.POST)) {
      return HttpReply.METHOD_NOT_ALLOWED;
    }
    shutdown.run();
    return HttpReply.text(HttpResponseStatus.OK, "shutdown now\n");
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
