package io.ztunnel.explain;

import java.io.Serial;

/** A question that makes no sense: the message says what was found and what was expected. */
public final class QuestionException extends IllegalArgumentException {
  @Serial private static final long serialVersionUID = 1;

  public QuestionException(String message) {
    super(message);
  }
}
