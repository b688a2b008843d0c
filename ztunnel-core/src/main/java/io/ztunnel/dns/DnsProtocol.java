package io.ztunnel.dns;

/** How a question came. */
enum DnsProtocol {
  UDP("udp"),
  TCP("tcp");

  private final String label;

  DnsProtocol(String label) {
    this.label = label;
  }

  /** As metrics name it. */
  String label() {
    return label;
  }
}
