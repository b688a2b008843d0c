package io.ztunnel.proxy;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Whom the process still takes connections of. While memory is scarce these are those that have
 * few, so that one that has very many does not bring all down; when nearly nothing is left, nobody.
 * One is a pod, and at a gateway a client.
 *
 * <p>Set by the control thread, asked by event loops.
 */
public final class Admission {
  /** Who may have more. */
  public enum Level {
    EVERYBODY,
    /** Who has few connections, or less than a sixteenth of all. */
    MODEST,
    NOBODY
  }

  private static final int MODEST_SHARE = 16;

  /** So many are few, however few there are in all. */
  private static final int FEW = 128;

  private final Drains all;
  private final AtomicInteger sessions = new AtomicInteger();
  private volatile Level level = Level.EVERYBODY;

  public Admission(Drains all) {
    this.all = all;
  }

  /** From now on; those that are open go on. */
  public void set(Level to) {
    level = to;
  }

  /** Who may have more now. */
  public Level level() {
    return level;
  }

  /** A peer's connection that carries tunnels was accepted. */
  void onSessionOpened() {
    sessions.incrementAndGet();
  }

  void onSessionClosed() {
    sessions.decrementAndGet();
  }

  /**
   * Whether one may have no more now.
   *
   * @param connections those that it has, and the connections of peers whose tunnels they are
   */
  boolean refuses(int connections) {
    return switch (level) {
      case EVERYBODY -> false;
      case MODEST -> connections > Math.max(FEW, (all.open() + sessions.get()) / MODEST_SHARE);
      case NOBODY -> true;
    };
  }
}
