package io.ztunnel.bench.lab;

import java.util.Iterator;

/** What follows an option of a command line. Stateless. */
public final class OptionValue {
  private OptionValue() {}

  /**
   * The next argument.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static String next(String option, Iterator<String> rest) {
    if (!rest.hasNext()) {
      throw new IllegalArgumentException(option + ": nothing follows (expected: a value)");
    }
    return rest.next();
  }
}
