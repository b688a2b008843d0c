package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.explain.Explainer;
import io.ztunnel.explain.GatewayExplainer;
import io.ztunnel.log.LogFilter;
import io.ztunnel.profile.Profiler;
import io.ztunnel.telemetry.Denials;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the admin server shows, by path. Pages are added at start by the main thread, before the
 * server; then it is read by the server's event loop.
 */
public final class AdminPages {
  /**
   * @param description for the index
   */
  private record Page(String description, HttpService service) {}

  private final Map<String, Page> pages = new LinkedHashMap<>();
  private final Work work;

  /**
   * Without pages.
   *
   * @param worker one thread for answers that pass over the whole state; not owned
   */
  public AdminPages(EventExecutor worker) {
    this.work = new Work(worker);
  }

  /** {@code /config_dump}. */
  public AdminPages dump(ConfigDump dump) {
    return add(
        "/config_dump",
        "the current state: workloads, services, policies, certificates, connections, configuration",
        (_, _) -> work.answer(() -> HttpReply.json(dump.values())));
  }

  /**
   * {@code /logging}.
   *
   * @param initialFilter what {@code ?reset} goes back to
   */
  public AdminPages logging(LogFilter initialFilter) {
    var logging = new LoggingEndpoint(initialFilter);
    return add(
        "/logging", "POST: show or change what is logged", (_, request) -> logging.answer(request));
  }

  /**
   * {@code /quitquitquit}.
   *
   * @param shutdown starts the end of the process and returns at once; may be run more than once
   */
  public AdminPages shutdown(Runnable shutdown) {
    return add("/quitquitquit", "POST: shut down", (_, request) -> quit(request, shutdown));
  }

  /** {@code /debug/explain} of the proxy of a node or of a workload. */
  public AdminPages explain(Explainer explainer) {
    return explain("a connection", ExplainPage.of(explainer, work));
  }

  /** {@code /debug/explain} of a gateway between networks. */
  public AdminPages explain(GatewayExplainer explainer) {
    return explain("a tunnel from another network", ExplainPage.of(explainer, work));
  }

  private AdminPages explain(String what, ExplainPage page) {
    return add(
        "/debug/explain",
        "?src=…&amp;dst=…&amp;port=…: what would become of " + what + ", and why",
        (_, request) -> page.answer(request));
  }

  /** {@code /debug/denials}. */
  public AdminPages denials(Denials denials) {
    var page = new DenialsPage(denials);
    return add(
        "/debug/denials",
        "who was not let in lately, and by which policy",
        (_, request) -> page.answer(request));
  }

  /** {@code /debug/pprof/…} and {@code /debug/jfr}. */
  public AdminPages profiles(Profiler profiler) {
    var profiles = new ProfilePages(profiler);
    return add(
            "/debug/pprof/profile",
            "?seconds=…&amp;frequency=…: a CPU profile, for go tool pprof",
            (_, request) -> profiles.cpu(request))
        .add(
            "/debug/pprof/heap", "who allocated what, for go tool pprof", (_, _) -> profiles.heap())
        .add(
            "/debug/pprof/heap/profiling",
            "?activate=true|false: switch the sampling of allocations",
            (_, request) -> profiles.heapProfiling(request))
        .add(
            "/debug/jfr",
            "?seconds=…: a flight recording, for JDK Mission Control",
            (_, request) -> profiles.flight(request));
  }

  private AdminPages add(String path, String description, HttpService service) {
    if (pages.put(path, new Page(description, service)) != null) {
      throw new IllegalStateException("page added twice: " + path);
    }
    return this;
  }

  private static HttpReply quit(HttpRequest request, Runnable shutdown) {
    if (!request.method().equals(HttpMethod.POST)) {
      return HttpReply.METHOD_NOT_ALLOWED;
    }
    shutdown.run();
    return HttpReply.text(HttpResponseStatus.OK, "shutdown now\n");
  }

  Answer answer(String path, HttpRequest request) throws Exception {
    if (path.equals("/")) {
      return HttpReply.of(HttpResponseStatus.OK, "text/html; charset=utf-8", index());
    }
    Page page = pages.get(path);
    return page == null ? HttpReply.NOT_FOUND : page.service().answer(path, request);
  }

  private String index() {
    var rows = new StringBuilder();
    boolean gray = false;
    for (Map.Entry<String, Page> page : pages.entrySet()) {
      rows.append(
          "<tr class=\"%s\"><td><a href=\"%2$s\">%2$s</a></td><td>%3$s</td></tr>\n"
              .formatted(
                  gray ? "gray" : "vert-space",
                  page.getKey().substring(1),
                  page.getValue().description()));
      gray = !gray;
    }
    return """
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
        %s</table>
        </body>
        </html>
        """
        .formatted(rows);
  }
}
