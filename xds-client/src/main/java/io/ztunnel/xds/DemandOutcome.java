package io.ztunnel.xds;

/** What became of the wish to have a resource. */
public enum DemandOutcome {
  /** The control plane has answered: the resource is there now, or there is none of this name. */
  ANSWERED,
  /** No answer came in time; it is still wanted and taken when it comes. */
  TIMED_OUT,
  /** Too many wait already, or the client is closed. */
  REFUSED
}
