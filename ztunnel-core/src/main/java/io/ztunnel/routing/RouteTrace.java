package io.ztunnel.routing;

import java.util.function.Supplier;

/** Is told each step of a decision, for those who want to know why. */
@FunctionalInterface
public interface RouteTrace {
  /** Tells nobody, and makes no text. */
  RouteTrace OFF = _ -> {};

  /** A step that was taken; the text is made only if it is asked for. */
  void step(Supplier<String> text);
}
