package io.ztunnel.log;

import org.jspecify.annotations.Nullable;
import org.slf4j.Marker;
import org.slf4j.event.Level;
import org.slf4j.helpers.LegacyAbstractLogger;
import org.slf4j.helpers.MessageFormatter;

/** One target, in SLF4J's form. */
final class Slf4jLogger extends LegacyAbstractLogger {
  private static final long serialVersionUID = 1;

  private final transient Log log;

  Slf4jLogger(Log log) {
    this.log = log;
    this.name = log.name(); // what SLF4J resolves a logger by
  }

  @Override
  public boolean isTraceEnabled() {
    return log.isEnabled(LogLevel.TRACE);
  }

  @Override
  public boolean isDebugEnabled() {
    return log.isEnabled(LogLevel.DEBUG);
  }

  @Override
  public boolean isInfoEnabled() {
    return log.isEnabled(LogLevel.INFO);
  }

  @Override
  public boolean isWarnEnabled() {
    return log.isEnabled(LogLevel.WARN);
  }

  @Override
  public boolean isErrorEnabled() {
    return log.isEnabled(LogLevel.ERROR);
  }

  @Override
  protected @Nullable String getFullyQualifiedCallerName() {
    return null; // lines do not say where they were written
  }

  @Override
  protected void handleNormalizedLoggingCall(
      Level level,
      @Nullable Marker marker,
      @Nullable String pattern,
      @Nullable Object @Nullable [] arguments,
      @Nullable Throwable cause) {
    LogLevel ours =
        switch (level) {
          case ERROR -> LogLevel.ERROR;
          case WARN -> LogLevel.WARN;
          case INFO -> LogLevel.INFO;
          case DEBUG -> LogLevel.DEBUG;
          case TRACE -> LogLevel.TRACE;
        };
    // Formatted before the line is begun: an argument's text may log itself.
    String message = String.valueOf(MessageFormatter.basicArrayFormat(pattern, arguments));
    LogEvent event = log.at(ours, Log.oneLine(message)); // libraries put what peers sent into it
    (cause == null ? event : event.cause(cause)).log();
  }
}
