package io.ztunnel.policy;

import java.util.List;

/** Whether a connection may be, and why. Immutable. */
public sealed interface Decision {
  /** What the log should say, in order; a caller that logs at a higher level may ignore it. */
  List<PolicyNote> notes();

  /** It may. */
  record Allow(Permit permit, List<PolicyNote> notes) implements Decision {
    public Allow {
      notes = List.copyOf(notes);
    }
  }

  /** It may not. */
  sealed interface Deny extends Decision {
    /** The reason as the connection's error tells it (Istio). */
    String reason();

    /** The reason with the rule, or with what was missing. */
    String detail();
  }

  /**
   * A policy forbids it.
   *
   * @param policy {@code namespace/name}
   * @param rule the index of the rule that matched
   */
  record ExplicitlyDenied(String policy, int rule, List<PolicyNote> notes) implements Deny {
    public ExplicitlyDenied {
      notes = List.copyOf(notes);
    }

    @Override
    public String reason() {
      return "explicitly denied by: " + policy;
    }

    @Override
    public String detail() {
      return reason() + " rule " + rule;
    }
  }

  /**
   * There are policies that allow, and none allows it.
   *
   * @param misses what kept the first of them from matching; see {@link PolicyEngine#MAX_MISSES}
   */
  record NotAllowed(List<Miss> misses, List<PolicyNote> notes) implements Deny {
    public NotAllowed {
      misses = List.copyOf(misses);
      notes = List.copyOf(notes);
    }

    @Override
    public String reason() {
      return "allow policies exist, but none allowed";
    }

    @Override
    public String detail() {
      StringBuilder text = new StringBuilder(reason());
      String separator = ": ";
      for (Miss miss : misses) {
        text.append(separator).append(miss);
        separator = "; ";
      }
      return text.toString();
    }
  }
}
