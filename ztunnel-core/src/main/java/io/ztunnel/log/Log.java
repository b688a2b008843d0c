package io.ztunnel.log;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The log of one target. Kept in a static field; any thread logs.
 *
 * <pre>{@code
 * private static final Log LOG = Log.target("ztunnel::proxy::inbound");
 *
 * LOG.at(LogLevel.INFO, "listener established").display("address", a).flag("transparent", t).log();
 * }</pre>
 */
public final class Log {
  private final LogSystem system;
  private final String target;
  // Written when the filter changes, read at every event.
  private volatile LogLevel threshold;

  Log(LogSystem system, String target, LogLevel threshold) {
    this.system = system;
    this.target = target;
    this.threshold = threshold;
  }

  /**
   * The log of this target. Names follow the reference's modules ({@code ztunnel::proxy}, {@code
   * ztunnel::inpod::statemanager}, {@code access}), because operators filter by them.
   */
  public static Log target(String target) {
    return Logging.SYSTEM.target(target);
  }

  /** A text that cannot end the line it is put into: control characters are escaped. */
  public static String oneLine(String text) {
    if (text.chars().noneMatch(c -> c < ' ')) {
      return text;
    }
    return text.replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\t", "\\t")
        .replaceAll("[\\x00-\\x1f]", "?");
  }

  /** Whether lines of this level are logged now. */
  public boolean isEnabled(LogLevel level) {
    return level.compareTo(threshold) <= 0;
  }

  /** Begins a line. */
  @CheckReturnValue
  public LogEvent at(LogLevel level, String message) {
    return at(level, (Span) null, message);
  }

  /** Begins a line that belongs to a span. */
  @CheckReturnValue
  public LogEvent at(LogLevel level, @Nullable Span span, String message) {
    return isEnabled(level) ? system.begin(level, target, span, message) : LogEvent.OFF;
  }

  /** Begins a line that belongs to a span, which is asked for only if the line is logged. */
  @CheckReturnValue
  public LogEvent at(LogLevel level, Supplier<Span> span, String message) {
    return isEnabled(level) ? system.begin(level, target, span.get(), message) : LogEvent.OFF;
  }

  /** A line without fields. */
  public void error(String message) {
    at(LogLevel.ERROR, message).log();
  }

  /** A line without fields. */
  public void warn(String message) {
    at(LogLevel.WARN, message).log();
  }

  /** A line without fields. */
  public void info(String message) {
    at(LogLevel.INFO, message).log();
  }

  /** A line without fields. */
  public void debug(String message) {
    at(LogLevel.DEBUG, message).log();
  }

  String name() {
    return target;
  }

  void onFilter(LogFilter filter) {
    threshold = filter.levelOf(target);
  }
}
