package io.ztunnel.hbone;

/** How far a tunnel that was asked for has come: who it is that has it wait. */
public enum TunnelProgress {
  /** Our own certificate is not there yet. */
  CERTIFICATE("our certificate is not there"),
  /** There is no connection to the peer, or to the gateway, yet. */
  DIALLING("no connection"),
  /** There is one; TLS with the peer, or the gateway, is not done. */
  SECURING("TLS is not done"),
  /** There is one, on which a PING is unanswered for a while, and nothing else comes. */
  SILENT("the connection is silent"),
  /** The peer, or the gateway, lives and has not answered the CONNECT. */
  UNANSWERED("CONNECT is not answered"),
  /** The gateway has answered; TLS with the peer behind it is not done. */
  INNER_HANDSHAKE("inner TLS is not done"),
  /** The peer behind the gateway has not answered the CONNECT. */
  INNER_UNANSWERED("inner CONNECT is not answered");

  private final String text;

  TunnelProgress(String text) {
    this.text = text;
  }

  /** For people. */
  public String text() {
    return text;
  }

  /** Whether who was dialled, the peer or the gateway, has given no sign of life. */
  public boolean isUnreached() {
    return this == DIALLING || this == SECURING || this == SILENT;
  }
}
