package io.ztunnel.bench.load;

/** What stands between the client and the server. All are measured in each round. */
enum Arrangement {
  /** Nothing: pods that are not captured, on the same kind of links. */
  DIRECT("direct"),
  /** One plain TCP proxy in the client's pod: what any user-space proxy costs at least. */
  TCP_HOP("one TCP hop"),
  /** Two daemons, one on each node, and a tunnel between them. */
  MESH("two daemons");

  private final String title;

  Arrangement(String title) {
    this.title = title;
  }

  String title() {
    return title;
  }
}
