package io.ztunnel.identity;

import java.io.IOException;
import java.util.Arrays;

/**
 * The serial numbers of a revocation list, found by their hash where they are in its bytes: six to
 * twelve bytes for each, beside those. Immutable.
 */
final class SerialNumbers {
  /** 2.5.29.21 (RFC 5280, 5.3.1). */
  private static final byte[] REASON = {0x55, 0x1d, 0x15};

  private static final int REMOVE_FROM_CRL = 8;

  /** RFC 5280, 4.1.2.2, asks for 20 at most; from 128 on the length itself takes two. */
  private static final int MAX_BYTES = 127;

  private final byte[] der;

  /** Of a number's first byte, its length being in the byte before; 0 where there is none. */
  private final int[] places;

  private final int shift;
  private int size;

  /**
   * @param der kept
   * @param entries the content of {@code revokedCertificates} (RFC 5280, 5.1)
   * @throws IOException if an entry does not parse
   */
  SerialNumbers(byte[] der, DerReader entries) throws IOException {
    this.der = der;
    int count = 0;
    for (DerReader counted = entries.copy(); counted.left() > 0; count++) {
      DerReader _ = counted.next(DerReader.SEQUENCE);
    }
    int bits = Integer.SIZE - Integer.numberOfLeadingZeros(Math.max(1, count + count / 2));
    this.places = new int[1 << bits]; // a third is free at least
    this.shift = Integer.SIZE - bits;
    while (entries.left() > 0) {
      add(entries.next(DerReader.SEQUENCE));
    }
  }

  private void add(DerReader entry) throws IOException {
    DerReader serial = entry.next(DerReader.INTEGER);
    int at = serial.position();
    int length = serial.left();
    if (length == 0 || length > MAX_BYTES || isPadded(at, length)) {
      throw new IOException(
          "serial number at byte %d (expected: 1 to %d bytes, none needless)"
              .formatted(at, MAX_BYTES));
    }
    DerReader _ = entry.next(); // the date
    if (entry.left() > 0 && isTakenBack(entry.next(DerReader.SEQUENCE))) {
      return;
    }
    int slot = slot(der, at, length);
    if (places[slot] == 0) {
      places[slot] = at;
      size++;
    }
  }

  private boolean isPadded(int at, int length) {
    return length > 1 && der[at] == (der[at + 1] < 0 ? -1 : 0);
  }

  /** Whether the reason is that it is revoked no more, in a list of changes. */
  private boolean isTakenBack(DerReader extensions) throws IOException {
    while (extensions.left() > 0) {
      DerReader extension = extensions.next(DerReader.SEQUENCE);
      DerReader id = extension.next(DerReader.OBJECT_IDENTIFIER);
      if (Arrays.equals(der, id.position(), id.position() + id.left(), REASON, 0, REASON.length)) {
        while (!extension.isNext(DerReader.OCTET_STRING)) { // whether it is critical
          DerReader _ = extension.next();
        }
        DerReader reason = extension.next().next(DerReader.ENUMERATED);
        return reason.left() == 1 && der[reason.position()] == REMOVE_FROM_CRL;
      }
    }
    return false;
  }

  /** Where this number is in the table, or is to be. */
  private int slot(byte[] bytes, int from, int length) {
    int hash = 0;
    for (int i = from; i < from + length; i++) {
      hash = 31 * hash + bytes[i];
    }
    int slot = (hash * 0x9e3779b9) >>> shift; // spreads numbers that follow one another
    while (places[slot] != 0 && !isAt(places[slot], bytes, from, length)) {
      slot = (slot + 1) & (places.length - 1);
    }
    return slot;
  }

  private boolean isAt(int place, byte[] bytes, int from, int length) {
    return Arrays.equals(der, place, place + der[place - 1], bytes, from, from + length);
  }

  /**
   * Whether it is listed.
   *
   * @param serial in two's complement, without needless bytes
   */
  boolean contains(byte[] serial) {
    return places[slot(serial, 0, serial.length)] != 0;
  }

  /** How many there are. */
  int size() {
    return size;
  }
}
