package io.ztunnel.xds;

import java.time.Duration;
import java.util.List;

/** Is told what the client does. Called on the {@code xds} thread; must not wait. */
public interface XdsObserver {
  /** The control plane has begun to answer on this stream; streams are counted from 1. */
  void onEstablished(long stream);

  /**
   * A response of a type that is subscribed was read.
   *
   * @param payloadBytes the size of the resources without their envelopes
   */
  void onResponse(long stream, String typeUrl, int resources, int removed, long payloadBytes);

  /**
   * A response of a type that nobody subscribed to was read; it is acknowledged and otherwise
   * ignored.
   */
  void onUnknownType(long stream, String typeUrl);

  /** Resources of a response were not taken. */
  void onRejected(long stream, String typeUrl, List<Rejection> rejections);

  /**
   * So much is held that not all of it could be echoed; what the first response does not name and
   * was not echoed is taken as removed.
   */
  void onPartialEcho(long stream, String typeUrl, int echoed, int held);

  /** What the first response after a partial echo did not name was removed. */
  void onSwept(long stream, String typeUrl, int removed);

  /** A stream, or the attempt to open it, ended; the next attempt is made after the pause. */
  void onEnded(long stream, StreamEnd end, Duration pause);

  /** All that is subscribed by wildcard has been taken once. Called once. */
  void onWarm();
}
