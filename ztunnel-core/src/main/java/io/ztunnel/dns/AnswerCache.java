package io.ztunnel.dns;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Answers of name servers, for as long as they may be kept. Bounded in number and in memory, by
 * itself and with all others; the one that was not used for the longest time goes first. Confined
 * to the thread of its owner.
 */
final class AnswerCache {
  private static final long NANOS = 1_000_000_000;

  /** About what a question and its place in the map take. */
  private static final int ENTRY_BYTES = 256;

  private final int maxEntries;
  private final int maxBytes;
  private final AnswerMemory memory;
  private final LongSupplier nanoClock;
  private final LinkedHashMap<Question, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);
  private int bytes;

  private record Entry(ForwardedAnswer answer, long storedNanos, long ttlSeconds, int weight) {
    long ageSeconds(long nowNanos) {
      return (nowNanos - storedNanos) / NANOS;
    }

    boolean hasExpired(long nowNanos) {
      return ageSeconds(nowNanos) >= ttlSeconds;
    }
  }

  /**
   * @param memory shared with other caches
   */
  AnswerCache(int maxEntries, int maxBytes, AnswerMemory memory, LongSupplier nanoClock) {
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
    this.memory = memory;
    this.nanoClock = nanoClock;
  }

  /** The answer with what is left of its time; null if there is none. */
  @Nullable ForwardedAnswer get(Question question) {
    Entry entry = entries.get(question);
    if (entry == null) {
      return null;
    }
    long nowNanos = nanoClock.getAsLong();
    if (entry.hasExpired(nowNanos)) {
      remove(question);
      return null;
    }
    return entry.answer().aged(entry.ageSeconds(nowNanos));
  }

  void put(Question question, ForwardedAnswer answer, long ttlSeconds) {
    remove(question);
    int weight = ENTRY_BYTES + answer.weightBytes();
    if (ttlSeconds <= 0 || weight > maxBytes) {
      return;
    }
    Iterator<Entry> eldest = entries.values().iterator();
    while (entries.size() >= maxEntries || bytes + weight > maxBytes || !memory.take(weight)) {
      if (!eldest.hasNext()) {
        return; // the others have it all
      }
      drop(eldest, eldest.next());
    }
    bytes += weight;
    entries.put(question, new Entry(answer, nanoClock.getAsLong(), ttlSeconds, weight));
  }

  /**
   * Drops what has expired; and a quarter of the rest where memory is scarce, so that caches which
   * have little of it get some.
   */
  void sweep() {
    long nowNanos = nanoClock.getAsLong();
    Iterator<Entry> eldest = entries.values().iterator();
    while (eldest.hasNext()) {
      Entry entry = eldest.next();
      if (entry.hasExpired(nowNanos)) {
        drop(eldest, entry);
      }
    }
    if (memory.isScarce()) {
      shrink(bytes - bytes / 4);
    }
  }

  void clear() {
    shrink(0);
  }

  private void shrink(int maxLeft) {
    Iterator<Entry> eldest = entries.values().iterator();
    while (bytes > maxLeft) {
      drop(eldest, eldest.next());
    }
  }

  private void drop(Iterator<Entry> at, Entry entry) {
    at.remove();
    free(entry);
  }

  private void remove(Question question) {
    Entry entry = entries.remove(question);
    if (entry != null) {
      free(entry);
    }
  }

  private void free(Entry entry) {
    bytes -= entry.weight();
    memory.free(entry.weight());
  }

  int size() {
    return entries.size();
  }
}
