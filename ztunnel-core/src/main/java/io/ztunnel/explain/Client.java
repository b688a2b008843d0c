package io.ztunnel.explain;

import io.ztunnel.hbone.SpiffeId;

/** What the destination of a pretended connection is to believe of the client. Immutable. */
public sealed interface Client {
  /** What the mesh knows of the source. */
  record AsKnown() implements Client {}

  /** That it comes without a tunnel. */
  record Plain() implements Client {}

  /** That its certificate has this identity. */
  record Identified(SpiffeId identity) implements Client {}
}
