package io.ztunnel.bench.lab;

/** What becomes of a demo's mesh when everything has been shown. */
public enum Afterwards {
  /** Nothing stays. */
  REMOVE,
  /** It stays up until the process is told to end. */
  KEEP
}
