package io.ztunnel.proxy;

import io.ztunnel.redirection.SocketSettings;
import java.time.Duration;

/**
 * How it is found out that nobody is there any more at an end of a half-closed connection, or of
 * one that both sides have ended and that has still something to deliver. Immutable.
 *
 * <p>A connection that is still half closed after a period is probed by the kernel from then on,
 * and asked once per period what the probes found, and what is unanswered ({@link Silence}): most
 * connections are half closed for a moment only, and cost nothing of this.
 */
public record HalfClosedProbing(Duration period, SocketSettings.Keepalive keepalive) {
  /** The kernel counts in seconds, and needs one for a probe and one for its answer. */
  private static final long LEAST_SECONDS = 4;

  private static final int MOST_PROBES = 3;

  /**
   * Finds a dead peer within this time, 4 s at least: a sixth of it before the first probe, the
   * last sixth before it is asked for, and up to three probes in between.
   */
  public static HalfClosedProbing within(Duration limit) {
    long seconds = Math.max(LEAST_SECONDS, limit.toSeconds());
    long period = Math.max(1, seconds / 6);
    int probes = Math.clamp(seconds / period - 3, 1, MOST_PROBES);
    long idle = seconds - period * (probes + 2);
    return new HalfClosedProbing(
        Duration.ofSeconds(period),
        new SocketSettings.Keepalive(
            true, Duration.ofSeconds(idle), Duration.ofSeconds(period), probes));
  }

  /** The looks, once per period, in the time that a dead peer is given after the first. */
  int looksUntilGivenUp() {
    return Math.toIntExact(Math.ceilDiv(keepalive.untilGivenUp().toNanos(), period.toNanos()));
  }

  /** How long a dead peer goes unnoticed at most. */
  Duration untilFound() {
    return keepalive.untilGivenUp().plus(period.multipliedBy(2));
  }
}
