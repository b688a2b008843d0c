package io.ztunnel.dns;

import java.util.List;

/**
 * What the name servers know. Immutable.
 *
 * @param code of the response
 * @param answers the aliases that lead from the name that was asked to others, and their records
 */
record ForwardedAnswer(int code, List<ResourceRecord> answers, List<ResourceRecord> additionals) {
  ForwardedAnswer {
    answers = List.copyOf(answers);
    additionals = List.copyOf(additionals);
  }

  /** An error without records. */
  static ForwardedAnswer error(int code) {
    return new ForwardedAnswer(code, List.of(), List.of());
  }

  /** As clients of a cache get it: what has passed of its time is taken off. */
  ForwardedAnswer aged(long seconds) {
    return seconds == 0
        ? this
        : new ForwardedAnswer(code, aged(answers, seconds), aged(additionals, seconds));
  }

  private static List<ResourceRecord> aged(List<ResourceRecord> records, long seconds) {
    return records.stream()
        .map(record -> record.withTtl(Math.max(0, record.ttlSeconds() - seconds)))
        .toList();
  }

  int weightBytes() {
    int weight = 128;
    for (ResourceRecord record : answers) {
      weight += record.weightBytes();
    }
    for (ResourceRecord record : additionals) {
      weight += record.weightBytes();
    }
    return weight;
  }

  Reply reply() {
    return code == ResponseCode.NO_ERROR
        ? new Reply.Found(Reply.Source.UPSTREAM, answers, additionals)
        : new Reply.Failed(code);
  }
}
