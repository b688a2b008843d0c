package io.ztunnel.bench.lab;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A line of a daemon's access log. */
record AccessLine(String text) {
  /** In the order of reading, from the caller to the pod. */
  private static final List<String> ENDS =
      List.of(
          "src.addr",
          "src.workload",
          "src.identity",
          "src.cluster",
          "dst.addr",
          "dst.hbone_addr",
          "dst.workload",
          "dst.identity",
          "dst.cluster");

  /** The value of a field, or words that say that there is none. */
  String field(String name) {
    return find(name).orElse("(no " + name + ")");
  }

  private Optional<String> find(String name) {
    Matcher matcher =
        Pattern.compile("\\s" + Pattern.quote(name) + "=(?:\"([^\"]*)\"|(\\S+))").matcher(text);
    return matcher.find()
        ? Optional.of(matcher.group(1) != null ? matcher.group(1) : matcher.group(2))
        : Optional.empty();
  }

  /** Fails if a field has another value, or is not there. */
  void expect(String name, String value) throws IOException {
    String found = field(name);
    if (!found.equals(value)) {
      throw new IOException("%s=%s (expected: %s) in: %s".formatted(name, found, value, text));
    }
  }

  /** Tells who was connected with whom. */
  void showEnds(Story story) {
    for (String name : ENDS) {
      find(name).ifPresent(value -> story.quote("%-14s %s".formatted(name, value)));
    }
  }
}
