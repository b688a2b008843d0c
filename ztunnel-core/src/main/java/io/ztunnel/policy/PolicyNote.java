package io.ztunnel.policy;

/**
 * Something that the log should say about a decision. Immutable.
 *
 * @param policy {@code namespace/name}, or for an unknown policy its key; empty where no policy is
 *     meant
 * @param rule the index of the rule that matched; {@link #NO_RULE} where none did
 */
public record PolicyNote(Kind kind, String policy, int rule) {
  /** Stands for the rule where no rule is meant. */
  public static final int NO_RULE = -1;

  /** Says something about no rule in particular. */
  PolicyNote(Kind kind, String policy) {
    this(kind, policy, NO_RULE);
  }

  /** What is said. */
  public enum Kind {
    UNKNOWN_POLICY("skipping unknown policy"),
    DRY_RUN_DENY_MATCH("dry-run: deny policy match"),
    DENY_MATCH("deny policy match"),
    DRY_RUN_ALLOW_MATCH("dry-run: allow policy match"),
    DRY_RUN_NO_ALLOW_MATCH("dry-run: no allow policies match"),
    NO_ALLOW_POLICIES("no allow policies, allow"),
    ALLOW_MATCH("allow policy match"),
    NO_ALLOW_MATCH("no allow policies matched");

    private final String message;

    Kind(String message) {
      this.message = message;
    }

    /** The message of the log line (Istio). */
    public String message() {
      return message;
    }
  }
}
