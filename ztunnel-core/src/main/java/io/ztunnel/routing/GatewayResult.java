package io.ztunnel.routing;

/** What a gateway does about a tunnel. */
public sealed interface GatewayResult permits GatewayRoute, GatewayRefusal {}
