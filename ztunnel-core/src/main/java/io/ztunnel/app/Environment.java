package io.ztunnel.app;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The variables of the process, read by type. A value that does not parse ends the start. */
final class Environment {
  private final Map<String, String> variables;

  Environment(Map<String, String> variables) {
    this.variables = variables;
  }

  @Nullable String text(String name) {
    return variables.get(name);
  }

  String text(String name, String fallback) {
    String value = variables.get(name);
    return value == null ? fallback : value;
  }

  /** As {@link #text(String)}, but an empty value counts as unset. */
  @Nullable String nonEmpty(String name) {
    String value = variables.get(name);
    return value == null || value.isEmpty() ? null : value;
  }

  Path path(String name, String fallback) {
    return Path.of(text(name, fallback));
  }

  /** Exactly {@code true} or {@code false}. */
  boolean flag(String name, boolean fallback) {
    return parsed(
        name,
        fallback,
        value ->
            switch (value) {
              case "true" -> true;
              case "false" -> false;
              default -> throw new IllegalArgumentException("expected: true or false");
            });
  }

  int number(String name, int fallback, int min, int max) {
    return (int) number(name, (long) fallback, min, max);
  }

  long number(String name, long fallback, long min, long max) {
    return parsed(name, fallback, value -> wholeNumber(value, min, max));
  }

  Duration duration(String name, Duration fallback) {
    return parsed(name, fallback, DurationSyntax::parse);
  }

  /** A time after which something is given up; zero would give up at once. */
  Duration timeout(String name, Duration fallback) {
    return parsed(
        name,
        fallback,
        value -> {
          Duration timeout = DurationSyntax.parse(value);
          if (timeout.isZero()) {
            throw new IllegalArgumentException("expected: more than 0");
          }
          return timeout;
        });
  }

  <T> T parsed(String name, T fallback, Function<String, T> parser) {
    String value = variables.get(name);
    if (value == null) {
      return fallback;
    }
    try {
      return parser.apply(value);
    } catch (IllegalArgumentException e) {
      throw ConfigException.variable(name, value, String.valueOf(e.getMessage()));
    }
  }

  /** The variables that begin with the prefix, by their whole names. */
  SortedMap<String, String> withPrefix(String prefix) {
    var found = new TreeMap<String, String>();
    variables.forEach(
        (name, value) -> {
          if (name.startsWith(prefix)) {
            found.put(name, value);
          }
        });
    return found;
  }

  static long wholeNumber(String value, long min, long max) {
    String expected = "expected: a whole number from " + min + " to " + max;
    if (value.isEmpty()
        || value.length() > 19
        || !value.chars().allMatch(c -> c >= '0' && c <= '9')) {
      throw new IllegalArgumentException(expected);
    }
    try {
      long number = Long.parseLong(value);
      if (number >= min && number <= max) {
        return number;
      }
    } catch (NumberFormatException _) {
      // more than a long holds
    }
    throw new IllegalArgumentException(expected);
  }
}
