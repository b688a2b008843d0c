package io.ztunnel.xds;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The resources of one type that are held: their names and versions. Confined to the {@code xds}
 * thread; outlives streams.
 *
 * <p>Compact, because a mesh has hundreds of thousands: an open hash table of 21 bytes a slot. Of
 * names that end like a pod's, what comes before the end is kept once for all pods of a deployment
 * ({@link NameStems}). istiod's versions are 64-bit hashes in hexadecimal and kept as numbers;
 * others are kept as they are.
 *
 * <p>A resource is <em>confirmed</em> on a stream when the control plane knows that we hold it, or
 * has named it there. It is <em>settled</em> when it is in effect.
 */
final class HeldResources {
  private static final int FIRST_CAPACITY = 64;

  /** What a map entry of two strings costs on the wire beside them: tags and lengths. */
  private static final int ENTRY_OVERHEAD_BYTES = 12;

  private static final int MAX_HEX_DIGITS = 16;

  // How the version of a slot is kept.
  private static final byte HEX = 1;
  private static final byte EMPTY = 2;
  private static final byte TEXT = 3;
  private static final byte KIND = 3;
  private static final byte CONFIRMED = 4;

  private final NameStems known = new NameStems();

  /** Where a name begins; its end is in {@link #tails}. */
  private NameStems.@Nullable Stem[] stems = new NameStems.Stem[FIRST_CAPACITY];

  private long[] tails = new long[FIRST_CAPACITY];
  private long[] versions = new long[FIRST_CAPACITY];
  private byte[] flags = new byte[FIRST_CAPACITY];
  private int size;

  /** Slots that are not settled. */
  private final BitSet unsettled = new BitSet();

  /** Versions of another form; few, or none. */
  private final Map<String, String> otherVersions = new HashMap<>();

  int size() {
    return size;
  }

  /** How many texts the names begin with. */
  int stems() {
    return known.size();
  }

  boolean contains(String name) {
    return stems[slot(name)] != null;
  }

  /** The version held of a resource; null if it is not held. */
  @Nullable String version(String name) {
    int slot = slot(name);
    return stems[slot] == null ? null : versionAt(slot, name);
  }

  /** Holds a resource, confirmed and not yet settled, in place of an earlier version. */
  void put(String name, String version) {
    int slot = slot(name);
    if (stems[slot] == null) {
      if (size + 1 > stems.length - stems.length / 4) {
        grow();
        slot = slot(name);
      }
      int tail = NameStems.tailStart(name);
      stems[slot] = known.use(name.substring(0, tail));
      tails[slot] = NameStems.tail(name, tail);
      size++;
    } else if (isKept(slot, TEXT)) {
      otherVersions.remove(name);
    }
    unsettled.set(slot);
    if (version.isEmpty()) {
      flags[slot] = EMPTY | CONFIRMED;
    } else if (isPlainHex(version)) {
      versions[slot] = Long.parseUnsignedLong(version, MAX_HEX_DIGITS);
      flags[slot] = HEX | CONFIRMED;
    } else {
      otherVersions.put(name, version);
      flags[slot] = TEXT | CONFIRMED;
    }
  }

  /** Confirms a resource, if it is held. */
  void confirm(String name) {
    int slot = slot(name);
    if (stems[slot] != null) {
      flags[slot] |= CONFIRMED;
    }
  }

  /** Lets go of a resource, if it is held. */
  void remove(String name) {
    int hole = slot(name);
    NameStems.Stem stem = stems[hole];
    if (stem == null) {
      return;
    }
    if (isKept(hole, TEXT)) {
      otherVersions.remove(name);
    }
    known.release(stem);
    size--;
    for (int at = next(hole); ; at = next(at)) {
      NameStems.Stem moved = stems[at];
      if (moved == null) {
        break;
      }
      // Into the hole, unless that is before the place where it would be looked for.
      if (distance(home(moved.hash(tails[at])), at) >= distance(hole, at)) {
        stems[hole] = moved;
        tails[hole] = tails[at];
        versions[hole] = versions[at];
        flags[hole] = flags[at];
        unsettled.set(hole, unsettled.get(at));
        hole = at;
      }
    }
    stems[hole] = null;
    flags[hole] = 0;
    unsettled.clear(hole);
  }

  /**
   * Begins a stream: as many resources as fit are echoed and confirmed; the others are not.
   *
   * @param maxBytes limit of the echo on the wire
   * @param echo takes names and versions
   * @return how many are echoed
   */
  int echo(long maxBytes, BiConsumer<String, String> echo) {
    int count = 0;
    long bytes = 0;
    for (int slot = 0; slot < stems.length; slot++) {
      NameStems.Stem stem = stems[slot];
      if (stem == null) {
        continue;
      }
      if (bytes > maxBytes) {
        flags[slot] &= ~CONFIRMED;
        continue;
      }
      String name = stem.name(tails[slot]);
      String version = versionAt(slot, name);
      bytes += utf8Bytes(name) + version.length() + ENTRY_OVERHEAD_BYTES;
      if (bytes <= maxBytes) {
        echo.accept(name, version);
        count++;
        flags[slot] |= CONFIRMED;
      } else {
        flags[slot] &= ~CONFIRMED;
      }
    }
    return count;
  }

  /** All that was put is in effect. */
  void settle() {
    unsettled.clear();
  }

  /**
   * What is not settled may not be in effect: its version is not known, so that it is sent again.
   */
  void distrust() {
    for (int slot = unsettled.nextSetBit(0); slot >= 0; slot = unsettled.nextSetBit(slot + 1)) {
      NameStems.Stem stem = stems[slot];
      if (stem != null && isKept(slot, TEXT)) {
        otherVersions.remove(stem.name(tails[slot]));
      }
      flags[slot] = (byte) ((flags[slot] & ~KIND) | EMPTY);
    }
    unsettled.clear();
  }

  /** Tells the names that are not confirmed. The table must not be changed meanwhile. */
  void forEachUnconfirmed(Consumer<String> action) {
    for (int slot = 0; slot < stems.length; slot++) {
      NameStems.Stem stem = stems[slot];
      if (stem != null && (flags[slot] & CONFIRMED) == 0) {
        action.accept(stem.name(tails[slot]));
      }
    }
  }

  private String versionAt(int slot, String name) {
    return switch (flags[slot] & KIND) {
      case HEX -> Long.toHexString(versions[slot]);
      case TEXT -> otherVersions.getOrDefault(name, "");
      default -> "";
    };
  }

  private boolean isKept(int slot, byte kind) {
    return (flags[slot] & KIND) == kind;
  }

  /** Where a name is, or would be. */
  private int slot(String name) {
    int slot = home(name.hashCode());
    for (NameStems.Stem stem = stems[slot];
        stem != null && !stem.is(name, tails[slot]);
        stem = stems[slot]) {
      slot = next(slot);
    }
    return slot;
  }

  private int next(int slot) {
    return slot + 1 < stems.length ? slot + 1 : 0;
  }

  private int distance(int from, int to) {
    return to >= from ? to - from : to - from + stems.length;
  }

  /** The capacity is any number: the hash is a share of it, by its high bits. */
  private int home(int nameHash) {
    int hash = nameHash * 0x9E3779B9; // spread: hashes of similar names are similar
    return (int) ((Integer.toUnsignedLong(hash) * stems.length) >>> Integer.SIZE);
  }

  private void grow() {
    NameStems.@Nullable Stem[] oldStems = stems;
    long[] oldTails = tails;
    long[] oldVersions = versions;
    byte[] oldFlags = flags;
    BitSet oldUnsettled = (BitSet) unsettled.clone();
    unsettled.clear();
    int capacity = oldStems.length + oldStems.length / 2;
    stems = new NameStems.Stem[capacity];
    tails = new long[capacity];
    versions = new long[capacity];
    flags = new byte[capacity];
    for (int old = 0; old < oldStems.length; old++) {
      NameStems.Stem stem = oldStems[old];
      if (stem != null) {
        int slot = home(stem.hash(oldTails[old]));
        while (stems[slot] != null) {
          slot = next(slot);
        }
        stems[slot] = stem;
        tails[slot] = oldTails[old];
        versions[slot] = oldVersions[old];
        flags[slot] = oldFlags[old];
        unsettled.set(slot, oldUnsettled.get(old));
      }
    }
  }

  /** An upper limit; exact for ASCII, which names are in practice. */
  private static long utf8Bytes(String text) {
    long bytes = text.length();
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) >= 0x80) {
        bytes += 2;
      }
    }
    return bytes;
  }

  /** Whether printing the number gives the same text again. */
  private static boolean isPlainHex(String version) {
    if (version.length() > MAX_HEX_DIGITS || (version.charAt(0) == '0' && version.length() > 1)) {
      return false;
    }
    for (int i = 0; i < version.length(); i++) {
      char c = version.charAt(i);
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
        return false;
      }
    }
    return true;
  }
}
