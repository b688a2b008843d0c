package io.ztunnel.identity;

import io.grpc.Status;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Puts a failed call into the words that operators know (Istio). Pure. */
final class CaErrors {
  private CaErrors() {}

  /** {@code signing gRPC error (The service is currently unavailable): connection refused}. */
  static IOException of(Throwable thrown) {
    Status status = Status.fromThrowable(thrown);
    return new IOException(
        "signing gRPC error (%s): %s".formatted(meaning(status.getCode()), detail(status)), thrown);
  }

  /** What was said, and what was behind it if that says more. */
  private static String detail(Status status) {
    String said = status.getDescription() == null ? "" : status.getDescription();
    String line = said.lines().findFirst().orElse("");
    @Nullable Throwable cause = status.getCause();
    for (int depth = 0; cause != null && cause.getCause() != null && depth < 10; depth++) {
      cause = cause.getCause();
    }
    @Nullable String root = cause == null ? null : cause.getMessage();
    if (root == null || root.isBlank() || line.contains(root)) {
      return line;
    }
    String rootLine = root.lines().findFirst().orElse("");
    return line.isEmpty() ? rootLine : line + ": " + rootLine;
  }

  private static String meaning(Status.Code code) {
    return switch (code) {
      case OK -> "The operation completed successfully";
      case CANCELLED -> "The operation was cancelled";
      case UNKNOWN -> "Unknown error";
      case INVALID_ARGUMENT -> "Client specified an invalid argument";
      case DEADLINE_EXCEEDED -> "Deadline expired before operation could complete";
      case NOT_FOUND -> "Some requested entity was not found";
      case ALREADY_EXISTS -> "Some entity that we attempted to create already exists";
      case PERMISSION_DENIED ->
          "The caller does not have permission to execute the specified operation";
      case RESOURCE_EXHAUSTED -> "Some resource has been exhausted";
      case FAILED_PRECONDITION ->
          "The system is not in a state required for the operation's execution";
      case ABORTED -> "The operation was aborted";
      case OUT_OF_RANGE -> "Operation was attempted past the valid range";
      case UNIMPLEMENTED -> "Operation is not implemented or not supported";
      case INTERNAL -> "Internal error";
      case UNAVAILABLE -> "The service is currently unavailable";
      case DATA_LOSS -> "Unrecoverable data loss or corruption";
      case UNAUTHENTICATED -> "The request does not have valid authentication credentials";
    };
  }
}
