package io.ztunnel.log;

import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * All targets with the filter, the format and the sink they share. The three are replaced by any
 * thread and read by every event.
 */
final class LogSystem {
  private final InstantSource clock;
  private final Map<String, Log> logs = new ConcurrentHashMap<>();
  private final ThreadLocal<LogEvent> events = ThreadLocal.withInitial(() -> new LogEvent(this));
  private volatile LogFilter filter;
  private volatile LineFormat format = LineFormat.PLAIN;
  private volatile LineSink sink;

  LogSystem(InstantSource clock, LogFilter filter, LineSink sink) {
    this.clock = clock;
    this.filter = filter;
    this.sink = sink;
  }

  Log target(String target) {
    Log log = logs.computeIfAbsent(target, t -> new Log(this, t, filter.levelOf(t)));
    // The filter may have changed between the look-up and the insertion.
    log.onFilter(filter);
    return log;
  }

  LogFilter filter() {
    return filter;
  }

  /** Counts for all targets when it returns. */
  void filter(LogFilter next) {
    filter = next;
    logs.values().forEach(log -> log.onFilter(next));
  }

  void format(LineFormat next) {
    format = next;
  }

  LineSink sink() {
    return sink;
  }

  void sink(LineSink next) {
    sink = next;
  }

  LogEvent begin(LogLevel level, String target, @Nullable Span span, String message) {
    LogEvent event = events.get();
    if (event.isOpen()) {
      // A value's text logs while another line is being built, or that line was given up.
      event = new LogEvent(this);
    }
    Instant now = clock.instant();
    return event.begin(format, now.getEpochSecond(), now.getNano(), level, target, span, message);
  }

  void write(byte[] line) {
    sink.accept(line);
  }
}
