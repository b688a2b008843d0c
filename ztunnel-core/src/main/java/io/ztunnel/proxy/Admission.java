package io.ztunnel.proxy;

/**
 * Whom the process still takes connections of. While memory is scarce these are pods that have few,
 * so that one that has very many does not bring all down; when nearly nothing is left, nobody.
 *
 * <p>Set by the control thread, asked by event loops.
 */
public final class Admission {
  /** Who may have more. */
  public enum Level {
    EVERYBODY,
    /** Who has less than a sixteenth of all connections. */
    MODEST,
    NOBODY
  }

  private static final int MODEST_SHARE = 16;

  private final Drains all;
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

  /** Whether one with so many connections may have no more now. */
  boolean refuses(int connections) {
    return switch (level) {
      case EVERYBODY -> false;
      case MODEST -> (long) connections * MODEST_SHARE > all.open();
      case NOBODY -> true;
    };
  }
}
