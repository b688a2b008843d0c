package io.ztunnel.redirection;

import java.time.Duration;
import java.util.OptionalInt;

/**
 * What all sockets of one {@link SocketFactory} have in common. Where listeners and connections
 * differ in their mark (dedicated mode marks connections only), two factories serve one namespace.
 * Immutable.
 *
 * @param ipv6 whether to use IPv6 where a namespace has it
 * @param mark the packet mark (SO_MARK) of listeners, connections and what they accept
 * @param portReuse whether listeners share their port with those of another process (SO_REUSEPORT)
 * @param transparency whether listeners are transparent
 * @param keepalive probing of idle connections, for outgoing and chosen accepted ones
 * @param userTimeout whether data that stays unacknowledged for as long as keepalive would take to
 *     give up ends a connection (TCP_USER_TIMEOUT)
 */
public record SocketSettings(
    boolean ipv6,
    OptionalInt mark,
    boolean portReuse,
    Transparency transparency,
    Keepalive keepalive,
    boolean userTimeout) {

  /** Whether listeners may take and give foreign addresses (IP_TRANSPARENT). */
  public enum Transparency {
    /** Never tried. */
    NEVER,
    /** Tried; {@link SocketFactory#isTransparent} tells the outcome. */
    BEST_EFFORT,
    /** Listening fails without. */
    REQUIRED
  }

  /** Probing of idle connections (SO_KEEPALIVE): when, how often, and how many times. */
  public record Keepalive(boolean enabled, Duration time, Duration interval, int retries) {
    public Keepalive {
      requirePositive("keepalive time", time);
      requirePositive("keepalive interval", interval);
      if (retries < 1) {
        throw new IllegalArgumentException(
            "keepalive retries: %d (expected: >= 1)".formatted(retries));
      }
    }

    /**
     * Finds a dead peer within this time, at the most patient pace: half of the time in peace, then
     * three probes. The kernel counts in seconds, so that 2 s are the least.
     */
    public static Keepalive within(Duration limit) {
      long seconds = Math.max(2, limit.toSeconds());
      int retries = Math.clamp(seconds - 1, 1, 3);
      long interval = Math.max(1, seconds / 6);
      return new Keepalive(
          true,
          Duration.ofSeconds(seconds - interval * retries),
          Duration.ofSeconds(interval),
          retries);
    }

    private static void requirePositive(String name, Duration duration) {
      if (!duration.isPositive()) {
        throw new IllegalArgumentException("%s: %s (expected: > 0)".formatted(name, duration));
      }
    }

    /** How long a dead peer goes unnoticed at most. */
    Duration untilGivenUp() {
      return time.plus(interval.multipliedBy(retries));
    }
  }
}
