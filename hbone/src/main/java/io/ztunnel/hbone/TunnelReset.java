package io.ztunnel.hbone;

/** The RST_STREAM codes a tunnel's owner may send (RFC 9113, 7). */
public enum TunnelReset {
  /** The peer's remaining bytes are not needed, nothing is wrong. */
  NO_ERROR(0x0),
  /** The tunnel was given up. */
  CANCEL(0x8),
  /** The TCP connection behind a CONNECT was reset or abnormally closed. */
  CONNECT_ERROR(0xa);

  private final int code;

  TunnelReset(int code) {
    this.code = code;
  }

  /** The code on the wire. */
  int code() {
    return code;
  }
}
