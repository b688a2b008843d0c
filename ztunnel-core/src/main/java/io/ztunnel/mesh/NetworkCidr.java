package io.ztunnel.mesh;

/** A range of addresses within a network. Immutable. */
public record NetworkCidr(String network, Cidr cidr) {}
