package io.ztunnel.identity;

import java.util.Arrays;
import java.util.List;

/** The serial numbers of a revocation list, sorted: some 40 bytes for each. Immutable. */
final class SerialNumbers {
  private final byte[][] sorted;

  /**
   * @param serials in two's complement, without needless bytes; any may be there twice
   */
  SerialNumbers(List<byte[]> serials) {
    byte[][] all = serials.toArray(byte[][]::new);
    Arrays.sort(all, Arrays::compare);
    int count = 0;
    for (byte[] serial : all) {
      if (count == 0 || !Arrays.equals(all[count - 1], serial)) {
        all[count++] = serial;
      }
    }
    this.sorted = Arrays.copyOf(all, count);
  }

  /** Whether it is listed; in the same form. */
  boolean contains(byte[] serial) {
    return Arrays.binarySearch(sorted, serial, Arrays::compare) >= 0;
  }

  /** How many there are, each counted once. */
  int size() {
    return sorted.length;
  }
}
