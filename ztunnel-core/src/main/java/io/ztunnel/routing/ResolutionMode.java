package io.ztunnel.routing;

/** For whom an endpoint is looked for. */
enum ResolutionMode {
  /** Traffic of applications. */
  STANDARD,
  /** Gateways to another network, which are not avoided for what is behind them. */
  GATEWAY,
  /** Waypoints, which take traffic for ports that their own service does not have. */
  WAYPOINT
}
