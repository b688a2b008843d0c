package io.ztunnel.bench.lab;

import java.io.IOException;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** A few of the counters of a page of metrics, with a few of their many labels. Immutable. */
final class CounterView {
  private final Pattern counters;
  private final Pattern labels;

  /** Names as they are on the page. */
  CounterView(List<String> counters, List<String> labels) {
    this.counters = Pattern.compile("(?:%s)[{ ]".formatted(String.join("|", counters)));
    this.labels = Pattern.compile("(?<=[{,])(?:%s)=\"[^\"]*\"".formatted(String.join("|", labels)));
  }

  /** The lines of a daemon's page. */
  List<String> of(Daemon daemon) throws IOException {
    return daemon
        .metrics()
        .lines()
        .filter(line -> counters.matcher(line).lookingAt())
        .map(this::shorten)
        .toList();
  }

  private String shorten(String line) {
    int brace = line.indexOf('{');
    if (brace < 0) {
      return line;
    }
    List<String> shown = labels.matcher(line).results().map(MatchResult::group).toList();
    return "%s{%s} %s"
        .formatted(
            line.substring(0, brace),
            String.join(",", shown),
            line.substring(line.lastIndexOf(' ') + 1));
  }
}
