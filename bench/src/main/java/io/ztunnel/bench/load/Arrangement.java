package io.ztunnel.bench.load;

/** What stands between the client and the server. */
enum Arrangement {
  /** Nothing: pods that are not captured, on the same kind of links. */
  DIRECT,
  /** One plain TCP proxy in the client's pod: what any user-space proxy costs at least. */
  TCP_HOP,
  /** The daemons of a {@link MeshPath}. */
  MESH,
  /** The same with daemons of another build, or that are configured otherwise. */
  BESIDE
}
