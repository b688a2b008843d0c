package io.ztunnel.routing;

import java.util.ArrayList;
import java.util.List;

/** Keeps the steps of decisions. For one thread. */
final class RecordedSteps implements RouteTrace {
  private final List<RouteStep> steps = new ArrayList<>();

  @Override
  public boolean isOn() {
    return true;
  }

  @Override
  public void step(RouteStep step) {
    steps.add(step);
  }

  /** Those since the last time. */
  List<RouteStep> take() {
    List<RouteStep> taken = List.copyOf(steps);
    steps.clear();
    return taken;
  }
}
