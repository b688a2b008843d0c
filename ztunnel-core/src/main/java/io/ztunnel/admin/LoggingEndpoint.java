package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.ztunnel.log.LogFilter;
import io.ztunnel.log.Logging;
import java.util.Set;

/**
 * {@code /logging}: shows and changes what is logged (Istio ztunnel; istioctl ztunnel-config log).
 */
final class LoggingEndpoint {
  private static final Set<String> LEVELS =
      Set.of("off", "error", "warn", "info", "debug", "trace");
  private static final String USAGE =
      """
      usage: POST /logging                               shows the current levels
             POST /logging?level=<level>                 changes the level of all other targets
             POST /logging?level=<target>=<level>,...    changes the levels of targets
             POST /logging?reset                         goes back to the levels of the start
             POST /logging?reset&level=<level>           goes back, then changes

      levels: error, warn, info, debug, trace, off
      """;

  private final LogFilter initial;

  LoggingEndpoint(LogFilter initial) {
    this.initial = initial;
  }

  HttpReply answer(HttpRequest request) {
    if (!request.method().equals(HttpMethod.POST)) {
      return HttpReply.text(HttpResponseStatus.METHOD_NOT_ALLOWED, "Invalid HTTP method\n" + USAGE);
    }
    Query query = Query.of(request.uri());
    boolean reset = query.has("reset");
    String level = query.last("level");
    if (!level.isEmpty() && !isValid(level)) {
      return HttpReply.text(
          HttpResponseStatus.BAD_REQUEST, "Invalid level provided: " + level + "\n" + USAGE);
    }
    LogFilter next = reset ? initial : Logging.filter();
    Logging.filter(level.isEmpty() ? next : next.with(level));
    return HttpReply.text(HttpResponseStatus.OK, "current log level is " + Logging.filter() + "\n");
  }

  /**
   * Narrower than the start's language: a bare target is refused, since it is often a typing error.
   */
  private static boolean isValid(String level) {
    for (String clause : level.split(",", -1)) {
      if (!LEVELS.contains(clause) && !isAssignment(clause)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isAssignment(String clause) {
    if (clause.indexOf('=') < 0) {
      return false;
    }
    try {
      LogFilter.parse(clause);
      return true;
    } catch (IllegalArgumentException _) {
      return false;
    }
  }
}
