package io.ztunnel.routing;

/** What became of an inbound routing decision. */
public sealed interface InboundResult permits InboundRoute, InboundFailure {}
