package io.ztunnel.xds;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The resources of one type that are held: their names and versions. Confined to the {@code xds}
 * thread; outlives streams.
 *
 * <p>Compact, because a mesh has hundreds of thousands: an open hash table of 13 bytes a slot
 * beside the names, which the owner of the resources holds too. istiod's versions are 64-bit hashes
 * in hexadecimal and kept as numbers; others are kept as they are.
 *
 * <p>A resource is <em>confirmed</em> on a stream when the control plane knows that we hold it, or
 * has named it there.
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

  private @Nullable String[] names = new String[FIRST_CAPACITY];
  private long[] versions = new long[FIRST_CAPACITY];
  private byte[] flags = new byte[FIRST_CAPACITY];
  private int size;
  private boolean distrusted;

  /** Versions of another form; few, or none. */
  private final Map<String, String> otherVersions = new HashMap<>();

  int size() {
    return size;
  }

  boolean contains(String name) {
    return names[slot(name)] != null;
  }

  /** The version held of a resource; null if it is not held. */
  @Nullable String version(String name) {
    int slot = slot(name);
    return names[slot] == null ? null : versionAt(slot, name);
  }

  /** Holds a resource, confirmed, in place of an earlier version. */
  void put(String name, String version) {
    int slot = slot(name);
    if (names[slot] == null) {
      if (2 * (size + 1) > names.length) {
        grow();
        slot = slot(name);
      }
      size++;
    } else if (isKept(slot, TEXT)) {
      otherVersions.remove(name);
    }
    names[slot] = name;
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
    if (names[slot] != null) {
      flags[slot] |= CONFIRMED;
    }
  }

  /** Lets go of a resource, if it is held. */
  void remove(String name) {
    int hole = slot(name);
    if (names[hole] == null) {
      return;
    }
    if (isKept(hole, TEXT)) {
      otherVersions.remove(name);
    }
    size--;
    int mask = names.length - 1;
    for (int at = hole + 1 & mask; ; at = at + 1 & mask) {
      String moved = names[at];
      if (moved == null) {
        break;
      }
      // Into the hole, unless that is before the place where it would be looked for.
      if ((at - home(moved) & mask) >= (at - hole & mask)) {
        names[hole] = moved;
        versions[hole] = versions[at];
        flags[hole] = flags[at];
        hole = at;
      }
    }
    names[hole] = null;
    flags[hole] = 0;
  }

  /**
   * Begins a stream: as many resources as fit are echoed and confirmed; the others are not.
   *
   * @param maxBytes limit of the echo on the wire
   * @return name to version
   */
  Map<String, String> echo(long maxBytes) {
    Map<String, String> echo = new HashMap<>();
    long bytes = 0;
    long limit = distrusted ? 0 : maxBytes;
    distrusted = false;
    for (int slot = 0; slot < names.length; slot++) {
      String name = names[slot];
      if (name == null) {
        continue;
      }
      String version = versionAt(slot, name);
      bytes += utf8Bytes(name) + version.length() + ENTRY_OVERHEAD_BYTES;
      if (bytes <= limit) {
        echo.put(name, version);
        flags[slot] |= CONFIRMED;
      } else {
        flags[slot] &= ~CONFIRMED;
      }
    }
    return echo;
  }

  /** It is not known what is really held: the next echo is empty, so that all is sent again. */
  void distrust() {
    distrusted = true;
  }

  /** Tells the names that are not confirmed. The table must not be changed meanwhile. */
  void forEachUnconfirmed(Consumer<String> action) {
    for (int slot = 0; slot < names.length; slot++) {
      String name = names[slot];
      if (name != null && (flags[slot] & CONFIRMED) == 0) {
        action.accept(name);
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
    int mask = names.length - 1;
    int slot = home(name);
    while (names[slot] != null && !name.equals(names[slot])) {
      slot = slot + 1 & mask;
    }
    return slot;
  }

  private int home(String name) {
    int hash = name.hashCode() * 0x9E3779B9; // spread: hashes of similar names are similar
    return (hash ^ hash >>> 16) & names.length - 1;
  }

  private void grow() {
    @Nullable String[] oldNames = names;
    long[] oldVersions = versions;
    byte[] oldFlags = flags;
    int capacity = 2 * oldNames.length;
    names = new String[capacity];
    versions = new long[capacity];
    flags = new byte[capacity];
    for (int old = 0; old < oldNames.length; old++) {
      String name = oldNames[old];
      if (name != null) {
        int slot = slot(name);
        names[slot] = name;
        versions[slot] = oldVersions[old];
        flags[slot] = oldFlags[old];
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
