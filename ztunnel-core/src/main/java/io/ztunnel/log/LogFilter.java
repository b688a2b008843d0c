package io.ztunnel.log;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Which lines are logged, by target: the language of {@code RUST_LOG}. A comma list of {@code
 * target=level}, a bare level (for all other targets) or a bare target (everything). A target
 * counts for all targets that begin with its text; the longest one decides; where none does,
 * nothing is logged. Immutable.
 */
public final class LogFilter {
  private record Directive(String target, LogLevel level) {
    @Override
    public String toString() {
      return target.isEmpty() ? level.label() : target + "=" + level.label();
    }
  }

  // Longest target first, then the later name, everything else last: the order in which it is
  // shown.
  private static final Comparator<Directive> ORDER =
      Comparator.<Directive>comparingInt(d -> d.target().length())
          .thenComparing(Directive::target)
          .reversed();

  private final List<Directive> directives;

  private LogFilter(List<Directive> directives) {
    this.directives = directives.stream().sorted(ORDER).toList();
  }

  /** The filter a process starts with. */
  public static LogFilter initial(@Nullable String rustLog) {
    // Kept for the display that operators know; no target of ours has this name.
    return parse("hickory_server::server=off," + (rustLog == null ? "info" : rustLog));
  }

  /** {@code IllegalArgumentException} with the clause that is not understood. */
  public static LogFilter parse(String text) {
    return new LogFilter(List.of()).with(text);
  }

  /** This filter with more clauses; they replace those for the same target. */
  public LogFilter with(String text) {
    var merged = new ArrayList<>(directives);
    for (String clause : text.split(",", -1)) {
      Directive directive = directive(clause);
      merged.removeIf(d -> d.target().equals(directive.target()));
      merged.add(directive);
    }
    return new LogFilter(merged);
  }

  private static Directive directive(String clause) {
    int equals = clause.indexOf('=');
    if (clause.indexOf('=', equals + 1) > equals && equals >= 0) {
      throw new IllegalArgumentException(
          "log filter: " + clause + " (expected: one = between target and level)");
    }
    if (clause.indexOf('[') >= 0) {
      throw new IllegalArgumentException(
          "log filter: " + clause + " (expected: target=level; spans cannot be filtered)");
    }
    if (equals >= 0) {
      String text = clause.substring(equals + 1);
      LogLevel level = level(text);
      if (level == null) {
        throw new IllegalArgumentException(
            "log filter: "
                + clause
                + " (expected: off, error, warn, info, debug, trace or 0 to 5 after =)");
      }
      return new Directive(clause.substring(0, equals), level);
    }
    LogLevel global = level(clause);
    return global == null ? new Directive(clause, LogLevel.TRACE) : new Directive("", global);
  }

  /** The level of this name or number; nothing at all means error, as the reference has it. */
  private static @Nullable LogLevel level(String text) {
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "off", "0" -> LogLevel.OFF;
      case "", "error", "1" -> LogLevel.ERROR;
      case "warn", "2" -> LogLevel.WARN;
      case "info", "3" -> LogLevel.INFO;
      case "debug", "4" -> LogLevel.DEBUG;
      case "trace", "5" -> LogLevel.TRACE;
      default -> null;
    };
  }

  /** The last level at which lines of this target are logged. */
  LogLevel levelOf(String target) {
    for (Directive directive : directives) {
      if (target.startsWith(directive.target())) {
        // A library, named by its class, is heard at info or below only if it is asked for.
        boolean unnamedLibrary =
            directive.target().isEmpty() && target.indexOf('.') > 0 && !target.contains("::");
        return unnamedLibrary && directive.level().compareTo(LogLevel.WARN) > 0
            ? LogLevel.WARN
            : directive.level();
      }
    }
    return LogLevel.OFF;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof LogFilter that && directives.equals(that.directives);
  }

  @Override
  public int hashCode() {
    return directives.hashCode();
  }

  @Override
  public String toString() {
    return directives.stream().map(Directive::toString).collect(Collectors.joining(","));
  }
}
