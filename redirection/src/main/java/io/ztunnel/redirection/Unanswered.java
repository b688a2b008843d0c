package io.ztunnel.redirection;

import java.time.Duration;

/**
 * What the kernel sends to a peer without an answer. Immutable.
 *
 * @param attempts how many times in a row it has sent the same bytes again, or has asked a peer
 *     whose window is shut, or one that is idle, whether it is there; 0: nothing is unanswered
 * @param silence the time since the peer's last acknowledgement, of whatever
 */
public record Unanswered(int attempts, Duration silence) {
  /** Of a peer about whom nobody can tell. */
  public static final Unanswered NOTHING = new Unanswered(0, Duration.ZERO);
}
