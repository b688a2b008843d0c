package io.ztunnel.proxy;

import io.ztunnel.redirection.Unanswered;

/**
 * Whether the far end of a connection that one side has ended, or both, leaves unanswered what is
 * sent to it. The kernel's own probes do not tell while bytes are on their way or wait for a
 * window: then it sends these again, or asks for the window, for a quarter of an hour. A far end
 * that only does not read answers that, however long its window is shut.
 *
 * <p>Confined to the relay's event loop, which looks once per period.
 */
final class Silence {
  /** One that is lost is no sign, and the kernel may wait two minutes before the next. */
  private static final int LEAST_ATTEMPTS = 3;

  private final HalfClosedProbing probing;

  /** The looks in a row at which something was unanswered. */
  private int looks;

  Silence(HalfClosedProbing probing) {
    this.probing = probing;
  }

  /** What it tells, in the words of the log. */
  String text() {
    return "no answer for " + probing.keepalive().untilGivenUp().toSeconds() + "s";
  }

  /** Whether nobody is there, by what is unanswered at this look. */
  boolean tells(Unanswered now) {
    // Only an answer ends a row of attempts, so that those at both ends of the silence are one row.
    looks = now.attempts() == 0 ? 0 : looks + 1;
    return looks > probing.looksUntilGivenUp()
        && now.attempts() >= LEAST_ATTEMPTS
        && now.silence().compareTo(probing.keepalive().untilGivenUp()) >= 0;
  }
}
