package io.ztunnel.bench.scale;

/** What happens while connections are made. */
enum Phase {
  QUIET("nothing"),
  PUSH("a full push"),
  CHANGES("2,000 changes/s"),
  RESTART("a control-plane restart");

  private final String title;

  Phase(String title) {
    this.title = title;
  }

  String title() {
    return title;
  }
}
