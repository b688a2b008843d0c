package io.ztunnel.log;

import java.util.Locale;

/** How important a line is, the most important first; {@link #OFF} only in filters. */
public enum LogLevel {
  OFF,
  ERROR,
  WARN,
  INFO,
  DEBUG,
  TRACE;

  private final String label = name().toLowerCase(Locale.ROOT);

  /** The name as it is printed. */
  String label() {
    return label;
  }
}
