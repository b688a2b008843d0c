package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Unanswered;
import org.jspecify.annotations.Nullable;

/**
 * One of the two ends that a {@link Relay} joins. Confined to the relay's event loop.
 *
 * <p>A leg tells its relay what arrives ({@link Relay#onData}, {@link Relay#onEndOfInput}) and when
 * it is over ({@link Relay#onClosed}, {@link Relay#onBroken}, {@link Relay#onTerminated}); the
 * relay tells it what to send.
 */
abstract sealed class Leg permits TcpLeg, TunnelLeg {
  /** Whether the far end has ended its half. Kept by the relay. */
  boolean inputEnded;

  /** Whether nothing more is to come from this leg, neither bytes nor events. Kept by the relay. */
  boolean closed;

  /** Why nothing more can be sent to its far end, of which the rest is read. Kept by the relay. */
  Relay.@Nullable OutputLost outputLost;

  /** Whether its far end has gone, while it is probed. Kept by the relay. */
  @Nullable Silence silence;

  /** What is left to deliver after both directions have ended. Kept by the relay. */
  @Nullable Lingering lingering;

  /** What is left to wait for after our half has ended for good. Kept by the relay. */
  @Nullable Parting parting;

  /** Begins to report to this relay, with what arrived before. */
  abstract void start(Relay relay);

  /** Sends; takes ownership. */
  abstract void write(ByteBuf payload);

  /** Pushes out what was written, unless the leg does so by itself. */
  abstract void flush();

  /** Whether more should be written now; {@link Relay#onWritable} tells when it becomes so. */
  abstract boolean isWritable();

  /** Stops taking input, as far as the other end can be made to wait. */
  abstract void pause();

  /** Takes input again. */
  abstract void resume();

  /** Ends our half after what was written. Called at most once. */
  abstract void shutdownOutput();

  /** Lets the kernel probe the far end of a half-closed connection. */
  abstract void probe(SocketSettings.Keepalive keepalive);

  /** What the probes found: the error that has ended the connection, or null. */
  abstract @Nullable Throwable takeError();

  /** What the far end leaves unanswered now. */
  abstract Unanswered unanswered();

  /** Delivers what was written and closes; the far end has ended its half, or had the time to. */
  abstract void closeAfterWrites();

  /**
   * Delivers what was written and ends our half, unless that has begun, though the far end may
   * still send: it can go on to do so, to no avail. {@link Relay#onEndSent} tells when our half has
   * ended, unless the leg closes with that: because the far end has ended by then, or can be told
   * in order that nobody listens.
   */
  abstract void leaveAfterWrites();

  /**
   * Delivers what was written and closes then as {@link #abort} does. What the far end still sends
   * is taken, to no avail. {@link Relay#onClosed} tells when the leg is closed.
   */
  abstract void resetAfterWrites();

  /** Bytes written that have not left the process, and that no peer's limits hold back. */
  abstract long unsentBytes();

  /** Grows as the far end takes what was written before {@link #closeAfterWrites}. */
  abstract long deliveredBytes();

  /** Whether the far end has taken everything, the end of our half included. */
  abstract boolean isEndDelivered();

  /**
   * Closes at once, in a way the far end can tell from an orderly end. Says nothing to the relay.
   */
  abstract void abort();
}
