package io.ztunnel.log;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.jspecify.annotations.Nullable;

/**
 * A line being built: fields in the order in which they are added, then {@link #log}. Confined to
 * the thread that began it, which must end it before it begins another; there is one per thread, so
 * that building a line costs no garbage but the line.
 *
 * <p>Below the level of the filter all methods do nothing.
 */
@CheckReturnValue
public final class LogEvent {
  /**
   * Of a value. The longest that mean something are identities; what is longer a peer has made up.
   */
  static final int MAX_VALUE_CHARS = 2_048;

  /** The event of a level that is off. */
  static final LogEvent OFF = new LogEvent(null);

  private final @Nullable LogSystem system;
  private final LineBuffer line = new LineBuffer();
  private LineFormat format = LineFormat.PLAIN;
  private @Nullable Span span;
  private boolean first;
  private boolean open;

  LogEvent(@Nullable LogSystem system) {
    this.system = system;
  }

  /** Whether a line was begun and not yet logged. */
  boolean isOpen() {
    return open;
  }

  LogEvent begin(
      LineFormat withFormat,
      long second,
      int nanos,
      LogLevel level,
      String target,
      @Nullable Span inSpan,
      String message) {
    open = true;
    first = true;
    format = withFormat;
    span = inSpan;
    line.clear();
    format.begin(line, second, nanos, level, target, inSpan, message);
    return this;
  }

  private LineBuffer named(String name) {
    format.name(line, first, name);
    first = false;
    return line;
  }

  /** A string, in quotes; the beginning of it if it is very long. */
  public LogEvent string(String name, String value) {
    if (system != null) {
      format.string(named(name), bounded(value));
    }
    return this;
  }

  private static String bounded(String value) {
    return value.length() <= MAX_VALUE_CHARS
        ? value
        : value.substring(0, MAX_VALUE_CHARS) + "… (" + value.length() + " characters)";
  }

  /** Something with a text of its own, such as an address, without quotes. */
  public LogEvent display(String name, Object value) {
    if (system != null) {
      String text = value.toString(); // first: it may log itself
      format.display(named(name), bounded(text));
    }
    return this;
  }

  /** A number. */
  public LogEvent number(String name, long value) {
    if (system != null) {
      named(name).number(value);
    }
    return this;
  }

  /** A truth value. */
  public LogEvent flag(String name, boolean value) {
    if (system != null) {
      named(name).raw(value ? "true" : "false");
    }
    return this;
  }

  /** The exception in one field, its trace in another. */
  LogEvent cause(Throwable cause) {
    if (system == null) {
      return this;
    }
    var trace = new StringWriter();
    cause.printStackTrace(new PrintWriter(trace));
    LogEvent named = string("error", cause.toString());
    format.string(named("stack"), trace.toString());
    return named;
  }

  /** Ends the line and hands it to the writer. Waits while the writer's queue is full. */
  public void log() {
    if (system == null) {
      return;
    }
    if (!open) {
      throw new IllegalStateException("log(): called twice for one event");
    }
    format.end(line, span);
    open = false;
    span = null;
    system.write(line.copy());
  }
}
