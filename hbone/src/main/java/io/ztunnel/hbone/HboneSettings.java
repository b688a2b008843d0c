package io.ztunnel.hbone;

import java.time.Duration;

/**
 * Numbers of HTTP/2 and of the pool. Immutable; the defaults are Istio's.
 *
 * @param streamWindowBytes SETTINGS_INITIAL_WINDOW_SIZE advertised
 * @param connectionWindowBytes receive window of a connection
 * @param frameSizeBytes SETTINGS_MAX_FRAME_SIZE advertised, 16,384 to 16,777,215
 * @param maxStreamsPerConnection tunnels the pool puts on one connection
 * @param idleRelease how long an unused pooled connection is kept
 * @param handshakeTimeout limit for TLS handshake and HTTP/2 preface together
 * @param connectTimeout limit for the answer to a CONNECT
 * @param pingInterval time between a PONG and the next PING
 * @param pingTimeout time after which a PING without PONG ends the connection
 * @param heldBytes the budget of received bytes that wait for slow readers; connections made with
 *     the same settings share it, and those of tenants have parts of it
 * @param nested how tunnels within tunnels share connections
 */
public record HboneSettings(
    int streamWindowBytes,
    int connectionWindowBytes,
    int frameSizeBytes,
    int maxStreamsPerConnection,
    Duration idleRelease,
    Duration handshakeTimeout,
    Duration connectTimeout,
    Duration pingInterval,
    Duration pingTimeout,
    HeldBytes heldBytes,
    Nested nested) {
  /**
   * How tunnels within tunnels share connections.
   *
   * @param connections how many are kept for a peer that is reached through a gateway, on each
   *     loop; 0: each inner tunnel has its own, which ends with it (Istio)
   * @param refresh how long one is used before another takes its place
   * @param limit how many the process may have; shared by connections made with the same settings
   */
  public record Nested(int connections, Duration refresh, InnerLimit limit) {
    /** The most of the process, unless the owner says otherwise. */
    public static final int DEFAULT_LIMIT = 10_000;

    public Nested {
      if (connections < 0) {
        throw new IllegalArgumentException("connections: " + connections + " (expected: >= 0)");
      }
    }

    /** Eight, each for half a minute. */
    public static Nested defaults() {
      return new Nested(8, Duration.ofSeconds(30), new InnerLimit(DEFAULT_LIMIT));
    }
  }

  /** Received bytes that may wait for slow readers in the whole process: 64 MiB. */
  private static final long DEFAULT_HELD_BYTES = 64L << 20;

  public HboneSettings {
    if (streamWindowBytes < 1) {
      throw new IllegalArgumentException(
          "streamWindowBytes: " + streamWindowBytes + " (expected: >= 1)");
    }
    if (connectionWindowBytes < 65_535) {
      throw new IllegalArgumentException(
          "connectionWindowBytes: " + connectionWindowBytes + " (expected: >= 65535)");
    }
    if (frameSizeBytes < 16_384 || frameSizeBytes > 16_777_215) {
      throw new IllegalArgumentException(
          "frameSizeBytes: " + frameSizeBytes + " (expected: 16384-16777215)");
    }
    if (maxStreamsPerConnection < 1) {
      throw new IllegalArgumentException(
          "maxStreamsPerConnection: " + maxStreamsPerConnection + " (expected: >= 1)");
    }
  }

  /** The same for one of several tenants, whose slow readers do not make those of others wait. */
  public HboneSettings forTenant() {
    return new HboneSettings(
        streamWindowBytes,
        connectionWindowBytes,
        frameSizeBytes,
        maxStreamsPerConnection,
        idleRelease,
        handshakeTimeout,
        connectTimeout,
        pingInterval,
        pingTimeout,
        heldBytes.part(),
        nested);
  }

  /** Istio's defaults. */
  public static HboneSettings defaults() {
    return new HboneSettings(
        4 << 20,
        16 << 20,
        1 << 20,
        100,
        Duration.ofMinutes(5),
        Duration.ofSeconds(10),
        Duration.ofSeconds(20),
        Duration.ofSeconds(10),
        Duration.ofSeconds(20),
        new HeldBytes(DEFAULT_HELD_BYTES),
        Nested.defaults());
  }
}
