package io.ztunnel.explain;

/**
 * A connection that is pretended. Immutable.
 *
 * @param source who opens it: a workload's uid, {@code namespace/name} or address; for the inbound
 *     half any address
 * @param destination where it goes: an address, a host name, {@code namespace/hostname}, or a
 *     workload as above
 * @param port the port of the destination
 * @param client what the destination is to believe of the client
 */
public record Question(String source, String destination, int port, Client client, Halves halves) {
  /** Highest port there is. */
  private static final int MAX_PORT = 65_535;

  /**
   * A question.
   *
   * @throws QuestionException if it asks for something that cannot be
   */
  public Question {
    if (source.isEmpty()) {
      throw new QuestionException(
          "src: empty (expected: a workload as namespace/name, by uid or by address)");
    }
    if (destination.isEmpty()) {
      throw new QuestionException(
          "dst: empty (expected: an address, a host name, namespace/hostname or a workload)");
    }
    if (port < 1 || port > MAX_PORT) {
      throw new QuestionException("port: " + port + " (expected: 1-65535)");
    }
  }

  /** Which halves of the way are looked at. */
  public enum Halves {
    BOTH,
    /** At the client's node: where it goes. */
    OUTBOUND,
    /** At the destination's node: whether it is let in. */
    INBOUND
  }
}
