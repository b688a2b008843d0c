package io.ztunnel.dns;

import org.jspecify.annotations.Nullable;

/**
 * A question that a client sent, and what its answer repeats. Immutable.
 *
 * @param head of the message
 * @param question in the case in which it came: the answer repeats it byte for byte
 * @param edns null if the client says nothing of itself
 */
record Query(Head head, Question question, @Nullable Edns edns) {
  /**
   * The parts of a header that a response repeats (RFC 1035, 4.1.1).
   *
   * @param opcode 0 for a question
   */
  record Head(int id, int opcode, boolean recursionDesired, boolean checkingDisabled) {
    private static final int RESPONSE = 0x8000;
    private static final int RECURSION_DESIRED = 0x0100;
    private static final int CHECKING_DISABLED = 0x0010;

    static Head of(int id, int flags) {
      return new Head(
          id,
          flags >> 11 & 0xf,
          (flags & RECURSION_DESIRED) != 0,
          (flags & CHECKING_DISABLED) != 0);
    }

    /** The flags of a response that says no more. */
    int responseFlags() {
      return RESPONSE
          | opcode << 11
          | (recursionDesired ? RECURSION_DESIRED : 0)
          | (checkingDisabled ? CHECKING_DISABLED : 0);
    }
  }
}
