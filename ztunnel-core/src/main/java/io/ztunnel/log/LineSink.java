package io.ztunnel.log;

/** Takes finished lines. Called by any thread; may wait, loses nothing. */
interface LineSink {
  void accept(byte[] line);
}
