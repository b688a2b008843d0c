package io.ztunnel.proxy;

import io.ztunnel.redirection.PodInfo;
import java.util.List;

/** What {@code /config_dump} says of one enrolled pod. Immutable. */
public sealed interface PodState {
  PodInfo info();

  /** Announced, but its proxy could not start yet; it is tried again. */
  record Pending(PodInfo info, String reason) implements PodState {}

  /** Served. */
  record Up(PodInfo info, List<ConnectionSummary> connections) implements PodState {}
}
