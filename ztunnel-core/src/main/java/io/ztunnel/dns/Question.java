package io.ztunnel.dns;

/** What is asked for (RFC 1035, 4.1.2). Immutable. */
record Question(DomainName name, int type, int dnsClass) {
  /** The class of the Internet. */
  static final int IN = 1;

  /** The same question whatever the case of its letters. */
  Question normal() {
    return about(name.lowerCase());
  }

  /** The same question about another name. */
  Question about(DomainName other) {
    return new Question(other, type, dnsClass);
  }
}
