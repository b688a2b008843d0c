package io.ztunnel.explain;

import io.ztunnel.telemetry.ConnectionFailure;
import java.util.List;

/** What would become of a connection, step by step. Immutable. */
public record Explanation(List<Step> steps, Verdict verdict) {
  public Explanation {
    steps = List.copyOf(steps);
  }

  /** Where a step is taken. */
  public enum Place {
    QUESTION("question"),
    OUTBOUND("outbound"),
    INBOUND("inbound"),
    GATEWAY("gateway");

    private final String text;

    Place(String text) {
      this.text = text;
    }

    /** In lower case. */
    public String text() {
      return text;
    }
  }

  /**
   * One thing that was found.
   *
   * @param depth 0, or 1 for what belongs to the step before
   */
  public record Step(Place place, int depth, String text) {}

  /** How it ends. */
  public enum Outcome {
    /** The policies of the destination let it in. */
    ALLOWED("allowed"),
    /** They do not. */
    DENIED("denied"),
    /** It comes to nothing before policies are asked. */
    FAILED("failed"),
    /** Nobody asks a policy: it leaves the mesh, or the destination is not captured. */
    UNGUARDED("unguarded"),
    /** A waypoint, a gateway or a name service has the next word. */
    ELSEWHERE("elsewhere"),
    /** It leaves the client's node; the other half was not asked for. */
    ROUTED("routed");

    private final String text;

    Outcome(String text) {
      this.text = text;
    }

    /** In lower case. */
    public String text() {
      return text;
    }
  }

  /**
   * The end.
   *
   * @param reason the name of the failure, as in the access log and the metrics; empty: none
   * @param policy {@code namespace/name} of the policy that decides; empty: none does
   * @param rule the index of its rule that matches; -1: none does
   */
  public record Verdict(Outcome outcome, String text, String reason, String policy, int rule) {
    static Verdict of(Outcome outcome, String text) {
      return new Verdict(outcome, text, "", "", -1);
    }

    static Verdict failed(ConnectionFailure failure) {
      return new Verdict(
          Outcome.FAILED,
          failure.detail().isEmpty()
              ? failure.message()
              : failure.message() + " (" + failure.detail() + ")",
          failure.reason(),
          "",
          -1);
    }
  }

  /** For people: a line for each step, the verdict last. */
  public String text() {
    StringBuilder text = new StringBuilder();
    Place place = Place.QUESTION;
    for (Step step : steps) {
      if (step.place() != place) {
        place = step.place();
        text.append(place.text()).append('\n');
      }
      text.append("  ".repeat(step.depth() + (place == Place.QUESTION ? 0 : 1)))
          .append(step.text())
          .append('\n');
    }
    return text.append("verdict: ")
        .append(verdict.outcome().text())
        .append(": ")
        .append(verdict.text())
        .append('\n')
        .toString();
  }
}
