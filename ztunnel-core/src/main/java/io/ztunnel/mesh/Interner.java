package io.ztunnel.mesh;

import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/**
 * Keeps one object of those that are equal, as long as anybody uses it. A hash table of weak
 * references, for it holds a few objects for each deployment. Confined to the thread that uses it.
 */
final class Interner {
  private static final int FIRST_CAPACITY = 64;

  private final ReferenceQueue<Object> unused = new ReferenceQueue<>();
  private @Nullable Entry[] table = new Entry[FIRST_CAPACITY];
  private int size;

  /** The object equal to this one that is known, if there is one. */
  @SuppressWarnings("unchecked") // equal objects of the model are of one class
  <T> @Nullable T find(T value) {
    int hash = spread(value.hashCode());
    for (Entry entry = table[slot(hash)]; entry != null; entry = entry.next) {
      if (entry.hash == hash && value.equals(entry.get())) {
        return (T) entry.get();
      }
    }
    return null;
  }

  /** An object equal to this one, the same for every call. */
  <T> T intern(T value) {
    T known = find(value);
    if (known != null) {
      return known;
    }
    expunge();
    if (size >= table.length) {
      grow();
    }
    int hash = spread(value.hashCode());
    table[slot(hash)] = new Entry(value, hash, table[slot(hash)], unused);
    size++;
    return value;
  }

  private static int spread(int hash) {
    return hash ^ (hash >>> 16);
  }

  private int slot(int hash) {
    return hash & (table.length - 1);
  }

  private void expunge() {
    for (Reference<?> gone = unused.poll(); gone != null; gone = unused.poll()) {
      Entry previous = null;
      for (Entry entry = table[slot(((Entry) gone).hash)]; entry != null; entry = entry.next) {
        if (entry == gone) {
          unlink(previous, entry);
          size--;
          break;
        }
        previous = entry;
      }
    }
  }

  private void unlink(@Nullable Entry previous, Entry entry) {
    if (previous == null) {
      table[slot(entry.hash)] = entry.next;
    } else {
      previous.next = entry.next;
    }
  }

  private void grow() {
    @Nullable Entry[] old = table;
    table = new Entry[2 * old.length];
    for (Entry head : old) {
      Entry entry = head;
      while (entry != null) {
        Entry next = entry.next;
        entry.next = table[slot(entry.hash)];
        table[slot(entry.hash)] = entry;
        entry = next;
      }
    }
  }

  /** One object, and the next whose hash has the same slot. */
  private static final class Entry extends WeakReference<Object> {
    private final int hash;
    private @Nullable Entry next;

    Entry(Object value, int hash, @Nullable Entry next, ReferenceQueue<Object> unused) {
      super(value, unused);
      this.hash = hash;
      this.next = next;
    }
  }
}
