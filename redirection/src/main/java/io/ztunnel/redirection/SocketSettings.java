package io.ztunnel.redirection;

import java.time.Duration;
import java.util.OptionalInt;

/**
 * What all sockets of one {@link SocketFactory} have in common. Immutable.
 *
 * @param ipv6 whether to use IPv6 where a namespace has it
 * @param mark the packet mark (SO_MARK) of connections that are opened
 * @param listenerMark the packet mark of listeners and of what they accept
 * @param portReuse whether listeners share their port with those of another process (SO_REUSEPORT)
 * @param transparency whether listeners are transparent
 * @param keepalive probing of idle connections, for outgoing and chosen accepted ones
 * @param userTimeout whether data that stays unacknowledged for as long as keepalive would take to
 *     give up ends a connection (TCP_USER_TIMEOUT)
 */
public record SocketSettings(
    boolean ipv6,
    OptionalInt mark,
    OptionalInt listenerMark,
    boolean portReuse,
    Transparency transparency,
    Keepalive keepalive,
    boolean userTimeout) {

  /** With one mark for all sockets. */
  public SocketSettings(
      boolean ipv6,
      OptionalInt mark,
      boolean portReuse,
      Transparency transparency,
      Keepalive keepalive,
      boolean userTimeout) {
    this(ipv6, mark, mark, portReuse, transparency, keepalive, userTimeout);
  }

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

    private static void requirePositive(String name, Duration duration) {
      if (!duration.isPositive()) {
        throw new IllegalArgumentException("%s: %s (expected: > 0)".formatted(name, duration));
      }
    }

    /** How long a dead peer goes unnoticed at most. */
    public Duration untilGivenUp() {
      return time.plus(interval.multipliedBy(retries));
    }
  }
}
