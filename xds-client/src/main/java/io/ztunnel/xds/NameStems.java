package io.ztunnel.xds;

import java.util.HashMap;
import java.util.Map;

/**
 * The beginnings of names, each kept once for all names that share it. A name is split behind its
 * last {@code -} if what follows, its tail, fits into eight bytes of ASCII, as with pods ({@code
 * cart-7d4b9c6f5-} and {@code x2x8z}); else all of it is its stem. Confined to the {@code xds}
 * thread.
 */
final class NameStems {
  private static final int MAX_TAIL = Long.BYTES;
  private static final int MASK = 0xff;

  private final Map<String, Stem> stems = new HashMap<>();

  /** One beginning, and how many names use it. */
  static final class Stem {
    private final String text;
    private int uses;

    private Stem(String text) {
      this.text = text;
    }

    /** The name with this tail. */
    String name(long tail) {
      if (tail == 0) {
        return text;
      }
      StringBuilder name = new StringBuilder(text.length() + MAX_TAIL).append(text);
      for (long rest = tail; rest != 0; rest >>>= Byte.SIZE) {
        name.append((char) (rest & MASK));
      }
      return name.toString();
    }

    /** The hash code of the name with this tail. */
    int hash(long tail) {
      int hash = text.hashCode();
      for (long rest = tail; rest != 0; rest >>>= Byte.SIZE) {
        hash = 31 * hash + (int) (rest & MASK); // as String has it
      }
      return hash;
    }

    /** Whether the name with this tail is this one. */
    boolean is(String name, long tail) {
      int at = text.length();
      for (long rest = tail; rest != 0; rest >>>= Byte.SIZE, at++) {
        if (at >= name.length() || name.charAt(at) != (rest & MASK)) {
          return false;
        }
      }
      return at == name.length() && name.startsWith(text);
    }
  }

  /** Where the tail of a name begins; its end if it has none. */
  static int tailStart(String name) {
    int start = name.lastIndexOf('-') + 1;
    if (start == 0 || name.length() - start > MAX_TAIL) {
      return name.length();
    }
    for (int i = start; i < name.length(); i++) {
      if (name.charAt(i) == 0 || name.charAt(i) > Byte.MAX_VALUE) {
        return name.length();
      }
    }
    return start;
  }

  /** The tail that begins there, its first character in the lowest byte; 0: none. */
  static long tail(String name, int start) {
    long tail = 0;
    for (int i = name.length() - 1; i >= start; i--) {
      tail = (tail << Byte.SIZE) | name.charAt(i);
    }
    return tail;
  }

  /** The stem of this text, for one more name. */
  Stem use(String text) {
    Stem stem = stems.computeIfAbsent(text, Stem::new);
    stem.uses++;
    return stem;
  }

  /** One name less has this stem. */
  void release(Stem stem) {
    stem.uses--;
    if (stem.uses == 0) {
      stems.remove(stem.text);
    }
  }

  /** How many there are. */
  int size() {
    return stems.size();
  }
}
