package io.ztunnel.dns;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Answers of name servers, for as long as they may be kept. Bounded in number and in memory; the
 * one that was not used for the longest time goes first. Confined to the thread of its owner.
 */
final class AnswerCache {
  private static final long NANOS = 1_000_000_000;

  /** About what a question and its place in the map take. */
  private static final int ENTRY_BYTES = 256;

  private final int maxEntries;
  private final int maxBytes;
  private final LongSupplier nanoClock;
  private final LinkedHashMap<Question, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);
  private int bytes;

  private record Entry(ForwardedAnswer answer, long storedNanos, long ttlSeconds) {
    int weight() {
      return ENTRY_BYTES + answer.weightBytes();
    }
  }

  AnswerCache(int maxEntries, int maxBytes, LongSupplier nanoClock) {
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
    this.nanoClock = nanoClock;
  }

  /** The answer with what is left of its time; null if there is none. */
  @Nullable ForwardedAnswer get(Question question) {
    Entry entry = entries.get(question);
    if (entry == null) {
      return null;
    }
    long ageSeconds = (nanoClock.getAsLong() - entry.storedNanos()) / NANOS;
    if (ageSeconds >= entry.ttlSeconds()) {
      remove(question);
      return null;
    }
    return entry.answer().aged(ageSeconds);
  }

  void put(Question question, ForwardedAnswer answer, long ttlSeconds) {
    remove(question);
    Entry entry = new Entry(answer, nanoClock.getAsLong(), ttlSeconds);
    if (ttlSeconds <= 0 || entry.weight() > maxBytes) {
      return;
    }
    entries.put(question, entry);
    bytes += entry.weight();
    Iterator<Entry> eldest = entries.values().iterator();
    while (entries.size() > maxEntries || bytes > maxBytes) {
      bytes -= eldest.next().weight();
      eldest.remove();
    }
  }

  private void remove(Question question) {
    Entry entry = entries.remove(question);
    if (entry != null) {
      bytes -= entry.weight();
    }
  }

  int size() {
    return entries.size();
  }
}
