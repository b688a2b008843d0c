package io.ztunnel.xds;

import io.grpc.Status;
import java.util.Locale;

/**
 * How a stream ended. Immutable.
 *
 * @param kind the class of ends that it belongs to
 * @param detail for people
 */
public record StreamEnd(Kind kind, String detail) {
  /** Classes of ends (Istio, label {@code reason}). */
  public enum Kind {
    /** It never began: no connection, no trust, no permission. */
    CONNECTION_ERROR("ConnectionError"),
    /** The connection was lost or given back, as happens when a control plane is replaced. */
    RECONNECT("Reconnect"),
    /** The control plane refused to go on, or something was wrong on our side. */
    ERROR("Error"),
    /** The control plane ended it in good order. */
    COMPLETE("Complete");

    private final String label;

    Kind(String label) {
      this.label = label;
    }

    /** The value of the metric's label. */
    public String label() {
      return label;
    }
  }

  /**
   * From the status of the call.
   *
   * @param established whether the control plane had answered before
   */
  static StreamEnd of(Status status, boolean established) {
    if (status.isOk()) {
      return new StreamEnd(Kind.COMPLETE, "ended by the control plane");
    }
    String detail = describe(status);
    if (!established) {
      return new StreamEnd(Kind.CONNECTION_ERROR, detail + hint(detail));
    }
    return new StreamEnd(isOrdinary(status) ? Kind.RECONNECT : Kind.ERROR, detail + hint(detail));
  }

  private static boolean isOrdinary(Status status) {
    return switch (status.getCode()) {
      case UNKNOWN, CANCELLED, DEADLINE_EXCEEDED -> true;
      case UNAVAILABLE ->
          String.valueOf(status.getDescription()).toLowerCase(Locale.ROOT).contains("goaway")
              || String.valueOf(status.getDescription()).contains("closed");
      case OK,
          INVALID_ARGUMENT,
          NOT_FOUND,
          ALREADY_EXISTS,
          PERMISSION_DENIED,
          RESOURCE_EXHAUSTED,
          FAILED_PRECONDITION,
          ABORTED,
          OUT_OF_RANGE,
          UNIMPLEMENTED,
          INTERNAL,
          DATA_LOSS,
          UNAUTHENTICATED ->
          false;
    };
  }

  private static String describe(Status status) {
    StringBuilder text = new StringBuilder(status.getCode().toString());
    if (status.getDescription() != null) {
      text.append(": ").append(status.getDescription());
    }
    for (Throwable cause = status.getCause(); cause != null; cause = cause.getCause()) {
      String message = cause.getMessage();
      if (message != null && text.indexOf(message) < 0) {
        text.append(": ").append(message);
      }
    }
    return text.toString();
  }

  private static String hint(String detail) {
    String lower = detail.toLowerCase(Locale.ROOT);
    if (lower.contains("authentication failure")) {
      return " (hint: the log of the control plane may say more)";
    }
    if (lower.contains("unable to resolve host")) {
      return " (hint: is the DNS server reachable?)";
    }
    return "";
  }
}
