package io.ztunnel.routing;

/** For whom an endpoint is looked for. */
enum ResolutionMode {
  /** Traffic of applications, and gateways. */
  STANDARD,
  /** Waypoints, which take traffic for ports that their own service does not have. */
  WAYPOINT
}
