package io.ztunnel.redirection;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The client of the CNI agent: keeps one connection to its Unix socket, hands every message to the
 * handler and gives the agent exactly one answer for each.
 *
 * <p>Works on a thread of its own, {@code zds}, which alone calls the handler; {@link #start},
 * {@link #close} and {@link #awaitStopped} may come from any thread.
 *
 * <p>Source: Istio's {@code istio.workload.zds} protocol, version 1. A connection that ends is
 * followed by the next at once, unless it ended before it brought a single good message: then there
 * is a pause, so that an agent that is in trouble itself is not flooded.
 */
public final class ZdsClient implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::inpod::workloadmanager");

  private static final Duration FIRST_CONNECT_PAUSE = Duration.ofMillis(20);
  private static final Duration FIRST_SESSION_PAUSE = Duration.ofMillis(500);

  /** The agent is known to work once a snapshot was complete; then a lost one is missed sooner. */
  private static final Duration SESSION_PAUSE_AFTER_SNAPSHOT = Duration.ofMillis(5);

  private static final double SESSION_JITTER = 0.2;

  private final Path path;
  private final ZdsHandler handler;
  private final RandomGenerator random;
  private final Sleeper sleeper;
  private final Backoff sessionBackoff;
  private final Thread thread;
  private final CountDownLatch stopping = new CountDownLatch(1);

  /** Written by the zds thread; read by closing threads, to wake it. */
  private volatile @Nullable ZdsSocket socket;

  /** Lets time pass. */
  @FunctionalInterface
  interface Sleeper {
    /** Returns after the pause, or earlier and true once the latch is down. */
    boolean sleep(Duration pause, CountDownLatch stopping) throws InterruptedException;
  }

  /** How a connection ended. */
  private sealed interface End {
    record Lost(String reason) implements End {}

    record Violation(String reason) implements End {}
  }

  /** The random numbers spread the attempts of many nodes; used on the zds thread only. */
  public ZdsClient(Path path, ZdsHandler handler, RandomGenerator random) {
    this(
        path,
        handler,
        random,
        (pause, stopping) -> stopping.await(pause.toNanos(), TimeUnit.NANOSECONDS));
  }

  ZdsClient(Path path, ZdsHandler handler, RandomGenerator random, Sleeper sleeper) {
    this.path = path;
    this.handler = handler;
    this.random = random;
    this.sleeper = sleeper;
    this.sessionBackoff = new Backoff(FIRST_SESSION_PAUSE, SESSION_JITTER, random);
    this.thread = Thread.ofPlatform().name("zds").daemon().unstarted(this::run);
  }

  /** Starts the thread, which connects and goes on until {@link #close}. Once only. */
  public void start() {
    thread.start();
  }

  /**
   * Asks the thread to end, and returns at once. A message being dealt with is still answered. Does
   * not wait because the handler may need the calling thread for that: see {@link #awaitStopped}.
   */
  @Override
  public void close() {
    stopping.countDown();
    ZdsSocket current = socket;
    if (current != null) {
      shutdown(current);
    }
  }

  /** Waits until the thread has ended, after {@link #close}; false if it has not by then. */
  public boolean awaitStopped(Duration timeout) throws InterruptedException {
    return thread.getState() == Thread.State.NEW || thread.join(timeout);
  }

  private void run() {
    try {
      while (!isStopping()) {
        ZdsSocket connected = connect();
        if (connected == null) {
          return;
        }
        if (serveGuarded(connected) instanceof End.Violation(String reason)) {
          handler.onProtocolViolation(reason);
          return;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      LOG.warn("zds thread interrupted, no more pods will be announced");
    }
  }

  /** As {@link #serve}: a bug of the handler in one connection must not end them all. */
  private End serveGuarded(ZdsSocket connected) throws InterruptedException {
    try {
      return serve(connected);
    } catch (RuntimeException e) {
      LOG.error("connection to the CNI agent given up", e);
      boolean _ = sleeper.sleep(sessionBackoff.next(), stopping);
      return new End.Lost(e.toString());
    }
  }

  /** A connection, after as many attempts as it takes; null if the client is stopping. */
  private @Nullable ZdsSocket connect() throws InterruptedException {
    Backoff backoff = new Backoff(FIRST_CONNECT_PAUSE, 0, random);
    while (!isStopping()) {
      try {
        return ZdsSocket.connect(path);
      } catch (IOException e) {
        Duration pause = backoff.next();
        LOG.warn(
            "cannot reach the CNI agent, next attempt in {} ms: {}",
            pause.toMillis(),
            e.getMessage());
        if (sleeper.sleep(pause, stopping)) {
          return null;
        }
      }
    }
    return null;
  }

  /** One connection, from its first packet to its end. */
  private End serve(ZdsSocket connected) throws InterruptedException {
    Session session = new Session(connected);
    End end;
    try (connected) {
      socket = connected;
      if (isStopping()) {
        shutdown(connected); // close() came before it could see the socket
      }
      handler.onConnected();
      end = session.run();
    } finally {
      socket = null;
    }
    switch (end) {
      case End.Lost(String reason) -> {
        LOG.info("connection to the CNI agent ended: {}", reason);
        handler.onDisconnected(reason);
        if (!session.wasUseful && !isStopping()) {
          boolean _ = sleeper.sleep(sessionBackoff.next(), stopping);
        }
      }
      case End.Violation(String reason) -> {
        LOG.error("the CNI agent broke the protocol: {}", reason);
        handler.onDisconnected(reason);
      }
    }
    return end;
  }

  private boolean isStopping() {
    return stopping.getCount() == 0;
  }

  private static void shutdown(ZdsSocket socket) {
    try {
      socket.shutdown();
    } catch (IOException e) {
      LOG.debug("the connection to the CNI agent was down already: {}", e.getMessage());
    }
  }

  /** What lives and dies with one connection. Confined to the zds thread. */
  private final class Session {
    private final ZdsSocket socket;
    private boolean wasUseful;

    Session(ZdsSocket socket) {
      this.socket = socket;
    }

    End run() {
      try {
        socket.send(ZdsCodec.hello());
        LOG.info("handling new stream");
        while (!isStopping()) {
          Libc.Packet packet = socket.receive();
          if (packet == null) {
            return new End.Lost(isStopping() ? "stopping" : "closed by the agent");
          }
          End end = answer(ZdsCodec.decode(packet));
          if (end != null) {
            return end;
          }
        }
        return new End.Lost("stopping");
      } catch (IOException e) {
        return new End.Lost(String.valueOf(e.getMessage()));
      }
    }

    /** Answers one packet; null if the connection goes on. */
    private @Nullable End answer(ZdsCodec.Decoded decoded) throws IOException {
      return switch (decoded) {
        case ZdsCodec.Decoded.Message(ZdsMessage message) -> answer(message, handle(message));
        case ZdsCodec.Decoded.Answered(ZdsReply reply) -> send(reply);
        case ZdsCodec.Decoded.Unreadable unreadable -> {
          socket.send(ZdsCodec.response(unreadable));
          yield new End.Lost("unreadable message: " + unreadable.reason());
        }
      };
    }

    private @Nullable End answer(ZdsMessage message, ZdsReply reply) throws IOException {
      if (reply instanceof ZdsReply.Ok) {
        wasUseful = true;
        if (message instanceof ZdsMessage.SnapshotSent) {
          sessionBackoff.reset(SESSION_PAUSE_AFTER_SNAPSHOT);
        }
      }
      return send(reply);
    }

    private ZdsReply handle(ZdsMessage message) {
      try {
        return handler.onMessage(message);
      } catch (RuntimeException e) {
        LOG.error("cannot process {}", message, e);
        if (message instanceof ZdsMessage.Add add) {
          add.namespace().close();
        }
        return new ZdsReply.ProcessingFailed(e.toString());
      }
    }

    private @Nullable End send(ZdsReply reply) throws IOException {
      return switch (reply) {
        case ZdsReply.Ok _, ZdsReply.ProxyFailed _ -> {
          socket.send(ZdsCodec.response(reply));
          yield null;
        }
        case ZdsReply.ProcessingFailed(String reason) -> {
          socket.send(ZdsCodec.response(reply));
          yield new End.Lost("message failed: " + reason);
        }
        case ZdsReply.ProtocolViolation(String reason) -> {
          try {
            socket.send(ZdsCodec.response(reply));
          } catch (IOException e) {
            LOG.debug("the CNI agent did not wait to hear of its fault: {}", e.getMessage());
          }
          yield new End.Violation(reason);
        }
      };
    }
  }
}
