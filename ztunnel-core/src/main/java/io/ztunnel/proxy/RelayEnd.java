package io.ztunnel.proxy;

/** How a relay ended. */
sealed interface RelayEnd {
  /** Both directions ended, or one end was reset by its application, which is its right. */
  RelayEnd DONE = new Done();

  /** Ended by the proxy. */
  RelayEnd ABORTED = new Aborted();

  /** Which half of the relay broke, in the words of the access log. */
  enum Direction {
    /** The downstream's end. */
    SEND("send"),
    /** The upstream's end. */
    RECEIVE("receive");

    private final String text;

    Direction(String text) {
      this.text = text;
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /** See {@link #DONE}. */
  record Done() implements RelayEnd {}

  /** See {@link #ABORTED}. */
  record Aborted() implements RelayEnd {}

  /** The certificate of the tunnel's other end was revoked; which one. */
  record Revoked(String certificate) implements RelayEnd {}

  /** One side ended its half, and then nobody was there any more; where, and what told so. */
  record Abandoned(String message) implements RelayEnd {}

  /** An error that is nobody's decision: a timeout, a lost tunnel, a protocol error. */
  record Broken(Direction direction, String message) implements RelayEnd {}
}
