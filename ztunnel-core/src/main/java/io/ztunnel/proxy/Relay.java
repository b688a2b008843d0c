package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.policy.Permit;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Carries the bytes of one proxied connection both ways, from the moment both ends stand until both
 * are closed.
 *
 * <p>Confined to one event loop, that of both legs. Each direction ends by itself: the end of input
 * on one leg ends the output of the other, and the relay is over when both have ended. An abnormal
 * end is passed on as one: a TCP reset becomes RST_STREAM(CANCEL), which a peer of any make takes
 * for the end of the stream, and RST_STREAM or a lost tunnel becomes a TCP reset, so that an
 * application never takes half an answer for a whole one. Either comes after what was said before
 * it, as the kernel would deliver that too: a server that refuses an upload answers, and closes
 * with the rest unread, which makes a reset of its close. While only one direction has ended, it is
 * watched whether anybody is there still; when both have, what is left is delivered as long as its
 * reader is there, and takes some of it or there is room for it ({@link Lingering}). So it is when
 * one end has gone for good that had said all before: a socket that fails after its peer's FIN, a
 * tunnel that is lost after its peer's end, or whose peer has all it wanted. Who still sends to it
 * then is taken leave of ({@link Parting}).
 *
 * <pre>
 *   both legs open --end of input--> half closed --end of input--> closing --both closed--> over
 *         |                               |                           ^ |
 *         |                               '-- who has ended is gone --' |
 *         |-- reset, broken -------------'--> the rest, then a reset --closed--> over
 *         '-- abort ----------------------'---------------- abort ------'------------------> over
 * </pre>
 */
final class Relay {
  /** Is told what the relay does. Called on its loop. */
  interface Observer {
    /** Bytes went toward the upstream. */
    void onReceived(int bytes);

    /** Bytes went toward the downstream. */
    void onSent(int bytes);

    /** The relay is over; called once, last. */
    void onEnd(RelayEnd end);
  }

  /** Whether somebody can tell the whole from a part. */
  private enum Carried {
    /** Bytes of an application: an end in order means that these are all. */
    PLAIN,
    /** A tunnel, which says itself where it ends. */
    TUNNEL
  }

  /** What somebody who is gone had said. */
  enum Said {
    ALL,
    PART
  }

  /**
   * A socket that takes nothing more.
   *
   * @param said what its far end has said, with what is still to be read
   * @param how the relay ends once that is read
   */
  record OutputLost(Said said, RelayEnd how) {}

  private final EventLoop loop;
  private final Carried carried;
  private final Leg downstream;
  private final Leg upstream;
  private final RelayLimits limits;
  private final Observer observer;
  private boolean over;

  /** How it ends once both legs are closed: the first failure, if there was one. */
  private RelayEnd outcome = RelayEnd.DONE;

  /** Runs while one direction has ended and the other has not. */
  private @Nullable ScheduledFuture<?> watch;

  private Relay(
      EventLoop loop,
      Carried carried,
      Leg downstream,
      Leg upstream,
      RelayLimits limits,
      Observer observer) {
    this.loop = loop;
    this.carried = carried;
    this.downstream = downstream;
    this.upstream = upstream;
    this.limits = limits;
    this.observer = observer;
  }

  /** For a connection that a local application opened: policies are asked where it comes in. */
  static Relay outbound(
      EventLoop loop, Leg downstream, Leg upstream, RelayLimits limits, Observer observer) {
    return new Relay(loop, Carried.PLAIN, downstream, upstream, limits, observer);
  }

  /**
   * For a connection to a local application, which policies have allowed: there is no way around.
   */
  static Relay inbound(
      Permit permit,
      EventLoop loop,
      Leg downstream,
      Leg upstream,
      RelayLimits limits,
      Observer observer) {
    Objects.requireNonNull(permit, "permit");
    return new Relay(loop, Carried.PLAIN, downstream, upstream, limits, observer);
  }

  /**
   * For a tunnel or a TLS connection that a gateway passes on: policies are asked where the
   * encryption of its bytes ends.
   */
  static Relay forwarded(
      EventLoop loop, Leg downstream, Leg upstream, RelayLimits limits, Observer observer) {
    return new Relay(loop, Carried.TUNNEL, downstream, upstream, limits, observer);
  }

  /** Joins the legs and lets the bytes flow. */
  void start() {
    assert loop.inEventLoop();
    // A tunnel has nothing to tell yet, but may end by what a socket has to tell.
    boolean upstreamFirst = upstream instanceof TunnelLeg;
    (upstreamFirst ? upstream : downstream).start(this);
    (upstreamFirst ? downstream : upstream).start(this);
    if (!over) {
      onWritable(upstream);
      onWritable(downstream);
    }
  }

  /**
   * Ends the relay from outside: a policy, a drain, a workload that left. Both ends see a reset.
   */
  void abort() {
    assert loop.inEventLoop();
    if (!over) {
      finish();
      downstream.abort();
      upstream.abort();
      observer.onEnd(RelayEnd.ABORTED);
    }
  }

  private Leg other(Leg leg) {
    return leg == downstream ? upstream : downstream;
  }

  void onData(Leg from, ByteBuf payload) {
    if (over || from.inputEnded) {
      payload.release();
      if (from.parting != null) {
        from.parting.onInput();
      }
      return;
    }
    Leg to = other(from);
    if (to.outputLost != null) {
      payload.release();
      return;
    }
    int bytes = payload.readableBytes();
    if (from == downstream) {
      observer.onReceived(bytes);
    } else {
      observer.onSent(bytes);
    }
    to.write(payload);
    if (!over && !to.isWritable()) {
      from.pause();
    }
  }

  void onReadComplete(Leg from) {
    if (!over) {
      other(from).flush();
    }
  }

  void onWritable(Leg leg) {
    if (!over && !leg.closed && leg.outputLost == null) {
      Leg source = other(leg);
      if (!leg.isWritable()) {
        source.pause();
      } else if (!source.inputEnded) {
        source.resume();
      }
    }
  }

  void onEndOfInput(Leg from) {
    if (over || from.inputEnded) {
      return;
    }
    if (from.outputLost instanceof OutputLost(Said said, RelayEnd how)) {
      lose(from, said, how);
      return;
    }
    from.inputEnded = true;
    Leg to = other(from);
    if (to.inputEnded) {
      stopWatching();
      deliverAndClose(to);
      deliverAndClose(from);
    } else {
      to.shutdownOutput();
      if (watch == null) {
        watch(this::beginProbing);
      }
    }
  }

  private void deliverAndClose(Leg leg) {
    if (leg.lingering == null) { // else it does so already
      leg.closeAfterWrites();
      linger(leg);
    }
  }

  private void linger(Leg leg) {
    if (over || leg.lingering != null || leg.unsentBytes() == 0) {
      return;
    }
    leg.lingering = Lingering.begin(loop, limits, leg, why -> giveUp(leg, why));
    if (leg.lingering == null) {
      giveUp(leg, "too many bytes wait for readers of connections that have ended");
    }
  }

  /** Closes a leg whose far end does not take the rest; the other one goes on with its own. */
  private void giveUp(Leg leg, String why) {
    outcome = failureOr(abandoned(leg, why));
    onClosed(leg); // first: what the abort makes of its writes is not how it ended
    leg.abort();
  }

  private RelayEnd abandoned(Leg leg, String why) {
    return new RelayEnd.Abandoned((leg == downstream ? "downstream: " : "upstream: ") + why);
  }

  private void watch(Runnable next) {
    watch(limits.probing().period(), next);
  }

  /** Such a rest may be lost anyhow: whoever does not take it keeps nothing waiting. */
  private void watchRestBeforeReset(Consumer<String> onWaited) {
    Duration limit = limits.probing().untilFound();
    watch(
        limit,
        () -> onWaited.accept("what came before a reset waits for " + limit.toSeconds() + "s"));
  }

  private void watch(Duration pause, Runnable next) {
    watch = loop.schedule(next, pause.toNanos(), TimeUnit.NANOSECONDS);
  }

  private void beginProbing() {
    if (!over) {
      probe(downstream);
      probe(upstream);
      watch(this::look);
    }
  }

  private void probe(Leg leg) {
    if (leg.outputLost != null) {
      return; // that much is known
    }
    leg.probe(limits.probing().keepalive());
    leg.silence = new Silence(limits.probing());
  }

  private void look() {
    if (!over && !isAbandoned(downstream) && !isAbandoned(upstream)) {
      watch(this::look);
    }
  }

  private boolean isAbandoned(Leg leg) {
    // One that is still read hears of its error by itself, behind what was sent before.
    @Nullable Throwable error = leg.inputEnded ? leg.takeError() : null;
    if (error != null) {
      lose(leg, Said.ALL, abandoned(leg, SocketErrors.text(error)));
      return true;
    }
    if (leg.silence != null && leg.silence.tells(leg.unanswered())) {
      lose(leg, saidBy(leg), abandoned(leg, leg.silence.text()));
      return true;
    }
    return false;
  }

  private static Said saidBy(Leg leg) {
    return leg.inputEnded ? Said.ALL : Said.PART;
  }

  /** Nobody is at this leg any more. */
  private void lose(Leg leg, Said said, RelayEnd how) {
    deliverOther(leg, said, how);
    leg.abort();
  }

  /**
   * This leg is over: the other one gets what it had said still, and sees an end after all, a reset
   * after a part.
   */
  private void deliverOther(Leg gone, Said said, RelayEnd how) {
    gone.closed = true;
    gone.inputEnded = true;
    outcome = failureOr(how);
    stopWatching();
    stopWaiting(gone);
    Leg other = other(gone);
    if (other.closed) {
      end(outcome);
    } else if (said == Said.PART) {
      other.inputEnded = true;
      other.resetAfterWrites();
      linger(other);
      if (!over) { // else it is closed by now
        watchRestBeforeReset(why -> giveUp(other, why));
      }
    } else if (other.inputEnded) {
      deliverAndClose(other);
    } else {
      other.inputEnded = true;
      other.leaveAfterWrites();
      linger(other);
    }
  }

  private void finish() {
    over = true;
    stopWatching();
    stopWaiting(downstream);
    stopWaiting(upstream);
  }

  private static void stopWaiting(Leg leg) {
    stopLingering(leg);
    if (leg.parting != null) {
      leg.parting.end();
      leg.parting = null;
    }
  }

  private static void stopLingering(Leg leg) {
    if (leg.lingering != null) {
      leg.lingering.end();
      leg.lingering = null;
    }
  }

  private void stopWatching() {
    if (watch != null) {
      watch.cancel(false);
      watch = null;
    }
  }

  /** The leg has sent all it had and ended its half, after {@link Leg#leaveAfterWrites}. */
  void onEndSent(Leg leg) {
    if (!over && !leg.closed) {
      stopLingering(leg);
      leg.parting = Parting.begin(loop, limits, leg);
    }
  }

  /** The leg is closed. In order if its input had ended; else its far end has vanished. */
  void onClosed(Leg leg) {
    if (over || leg.closed) {
      return;
    }
    leg.closed = true;
    stopWaiting(leg);
    Leg other = other(leg);
    if (other.closed) {
      end(outcome);
    } else if (!leg.inputEnded || !other.inputEnded) {
      // Nothing more can be sent to it, and without its end what came from there may be a part.
      deliverOther(leg, saidBy(leg), RelayEnd.DONE);
    }
  }

  /** The socket failed. A reset by its peer is an end as good as any; other errors are failures. */
  void onBroken(Leg leg, Throwable cause) {
    if (!over && !leg.closed) {
      lose(leg, saidBy(leg), endBy(leg, cause));
    }
  }

  /**
   * The socket failed when it was written to. What its peer had sent before is there to be read.
   */
  void onOutputBroken(Leg leg, Throwable cause) {
    if (over || leg.closed || leg.outputLost != null) {
      return;
    }
    if (leg.inputEnded) {
      onBroken(leg, cause);
      return;
    }
    // The kernel tells of the reset here, and once: to a reader the end looks like any other.
    Said said = SocketErrors.isResetAfterEnd(cause) ? Said.ALL : Said.PART;
    RelayEnd how = endBy(leg, cause);
    leg.outputLost = new OutputLost(said, how);
    other(leg).resume(); // what it sends is dropped, but it may wait for that with all it does
    if (said == Said.PART) {
      stopWatching();
      watchRestBeforeReset(_ -> lose(leg, said, how));
    } else if (watch == null) { // else one half has ended, and it is watched already
      watch(this::beginProbing);
    }
  }

  private RelayEnd endBy(Leg leg, Throwable cause) {
    return SocketErrors.isPeerGone(cause)
        ? RelayEnd.DONE
        : new RelayEnd.Broken(direction(leg), "io error: " + SocketErrors.text(cause));
  }

  /** What has failed before, or this. */
  private RelayEnd failureOr(RelayEnd end) {
    return outcome instanceof RelayEnd.Done ? end : outcome;
  }

  void onTerminated(Leg leg, TunnelTermination cause) {
    if (over || leg.closed) {
      return;
    }
    RelayEnd end =
        switch (cause) {
          case TunnelTermination.Reset(long code) when isOrderly(code) -> RelayEnd.DONE;
          case TunnelTermination.PeerClosed _ when leg == downstream -> RelayEnd.DONE;
          case TunnelTermination.PeerRevoked(String certificate) ->
              new RelayEnd.Revoked(certificate);
          case TunnelTermination.Reset _,
              TunnelTermination.GoAway _,
              TunnelTermination.ReaderTooSlow _ ->
              broken(leg, cause);
          // If the peer had ended its half, that is whole: what was still to be sent is lost.
          case TunnelTermination.PeerClosed _, TunnelTermination.ConnectionLost _ ->
              broken(leg.inputEnded ? other(leg) : leg, cause);
        };
    if (cause instanceof TunnelTermination.PeerRevoked
        || cause instanceof TunnelTermination.ReaderTooSlow) {
      leg.closed = true;
      finish();
      other(leg).abort(); // it has said enough, or there is no room for what it has not read
      observer.onEnd(failureOr(end));
    } else {
      deliverOther(leg, hasSaidAll(leg, cause) ? Said.ALL : Said.PART, end);
    }
  }

  /**
   * Whether the peer of a tunnel that is over has said all it had to say: that is delivered, though
   * no more can be sent to it.
   */
  private boolean hasSaidAll(Leg leg, TunnelTermination cause) {
    return switch (cause) {
      case TunnelTermination.Reset(long code) -> leg.inputEnded || code == Http2Errors.NO_ERROR;
      case TunnelTermination.PeerClosed _ ->
          leg.inputEnded || (leg == downstream && carried == Carried.TUNNEL);
      case TunnelTermination.ConnectionLost _ -> leg.inputEnded;
      case TunnelTermination.GoAway _,
          TunnelTermination.PeerRevoked _,
          TunnelTermination.ReaderTooSlow _ ->
          false;
    };
  }

  private RelayEnd broken(Leg from, TunnelTermination cause) {
    return new RelayEnd.Broken(direction(from), "io error: " + Failures.textOf(cause));
  }

  private static boolean isOrderly(long code) {
    return code == Http2Errors.NO_ERROR
        || code == Http2Errors.CANCEL
        || code == Http2Errors.STREAM_CLOSED;
  }

  private RelayEnd.Direction direction(Leg broken) {
    return broken == downstream ? RelayEnd.Direction.SEND : RelayEnd.Direction.RECEIVE;
  }

  private void end(RelayEnd end) {
    finish();
    observer.onEnd(end);
  }
}
