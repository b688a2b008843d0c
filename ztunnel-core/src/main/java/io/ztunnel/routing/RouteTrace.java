package io.ztunnel.routing;

/**
 * Is told each step of a decision, for those who want to know why. Whoever decides asks {@link
 * #isOn} before it makes a step, so that a decision that nobody follows pays nothing. Confined to
 * the thread that decides.
 */
public interface RouteTrace {
  /** Nobody follows. */
  RouteTrace OFF =
      new RouteTrace() {
        @Override
        public boolean isOn() {
          return false;
        }

        @Override
        public void step(RouteStep step) {
          throw new IllegalStateException("step: " + step + " (expected: none, nobody follows)");
        }
      };

  /** Whether steps are wanted. */
  boolean isOn();

  /** A step that was taken. */
  void step(RouteStep step);
}
