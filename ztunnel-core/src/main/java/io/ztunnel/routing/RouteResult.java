package io.ztunnel.routing;

/** What became of an outbound routing decision. */
public sealed interface RouteResult permits Route, UnresolvedRoute, RouteFailure {}
