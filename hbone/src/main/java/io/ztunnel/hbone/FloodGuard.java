package io.ztunnel.hbone;

import io.netty.util.concurrent.Ticker;
import java.util.EnumMap;
import org.jspecify.annotations.Nullable;

/**
 * Limits how often a peer may do what costs it little and us more. Each kind has a burst and a rate
 * over time, far above what a busy proxy does (thousands of short tunnels a second, each perhaps
 * reset at its end) and far below what an attack needs.
 *
 * <p>Confined to its connection's event loop.
 */
final class FloodGuard {
  /** What is counted: a burst, and how many a second in the long run. */
  enum Kind {
    /** PING, each of which we must answer, and answers we did not ask for. */
    PING(200, 20),
    /** SETTINGS, each of which we must acknowledge. */
    SETTINGS(50, 2),
    /** GOAWAY, informational answers. */
    NOTICE(50, 2),
    /** PRIORITY, which has no meaning any more. */
    PRIORITY(1_000, 100),
    /** Frames of unknown types. */
    UNKNOWN(1_000, 100),
    /** DATA with no payload that does not end its stream. */
    EMPTY_DATA(200, 20),
    /**
     * DATA with little payload. Interactive traffic consists of it, so the rate is far above what
     * one loop can relay (180,000 a second were measured), and below what it can read and drop.
     */
    SMALL_DATA(200_000, 1_000_000),
    /** WINDOW_UPDATE beyond what the DATA that we sent gives reason for. */
    WINDOW_UPDATE(20_000, 1_000),
    /** Resets of requests that were not answered yet: work thrown away (Rapid Reset). */
    EARLY_RESET(1_000, 200),
    /** Resets of tunnels in use, of requests of ours, and of streams that are no more. */
    RESET(20_000, 20_000),
    /** HEADERS on streams that we have reset, beyond those that may have been on their way. */
    LATE_HEADERS(2_000, 20),
    /** Stream errors, which make us reset the stream (MadeYouReset). */
    STREAM_ERROR(200, 10),
    /** Streams beyond the limit, or while draining. */
    REFUSED(2_000, 200);

    private final double burst;
    private final double perSecond;

    Kind(double burst, double perSecond) {
      this.burst = burst;
      this.perSecond = perSecond;
    }
  }

  /** Payload below which a DATA frame counts as small. */
  static final int SMALL_DATA_BYTES = 256;

  /**
   * Window updates that one DATA frame of ours may cause: stream and connection, and some slack.
   */
  private static final double UPDATES_PER_DATA = 4;

  /** A large one causes two for each piece that the peer's application reads, of 4 KiB or more. */
  private static final double BYTES_PER_UPDATE = 2048;

  /** What may be on its way on a stream that we reset: the answer, and trailers. */
  private static final int LATE_HEADERS_PER_RESET = 2;

  private final Ticker ticker;
  private final EnumMap<Kind, TokenBucket> buckets = new EnumMap<>(Kind.class);

  FloodGuard(Ticker ticker) {
    this.ticker = ticker;
  }

  /** Counts one; an error ends the connection. */
  void count(Kind kind) throws ConnectionError {
    if (!bucket(kind).take(ticker.nanoTime())) {
      throw ConnectionError.flood(kind.name());
    }
  }

  /** Counts one DATA frame that arrived. */
  void countData(int dataBytes, boolean endStream) throws ConnectionError {
    if (dataBytes >= SMALL_DATA_BYTES) {
      return;
    }
    if (dataBytes == 0 && !endStream) {
      count(Kind.EMPTY_DATA);
    }
    count(Kind.SMALL_DATA);
  }

  /** A DATA frame with so much payload was sent; the peer may answer with window updates. */
  void onDataSent(int bytes) {
    @Nullable TokenBucket updates = buckets.get(Kind.WINDOW_UPDATE);
    if (updates != null) {
      updates.grant(UPDATES_PER_DATA + bytes / BYTES_PER_UPDATE);
    }
  }

  /** A stream was reset by us, which the peer does not know yet. */
  void onResetSent() {
    @Nullable TokenBucket late = buckets.get(Kind.LATE_HEADERS);
    if (late != null) {
      late.grant(LATE_HEADERS_PER_RESET);
    }
  }

  private TokenBucket bucket(Kind kind) {
    @Nullable TokenBucket bucket = buckets.get(kind);
    if (bucket == null) {
      bucket = new TokenBucket(kind.burst, kind.perSecond, ticker.nanoTime());
      buckets.put(kind, bucket);
    }
    return bucket;
  }
}
