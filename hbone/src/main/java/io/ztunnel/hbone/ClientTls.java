package io.ztunnel.hbone;

/** The client side of mutual TLS for one certificate. Immutable. */
public record ClientTls(KeyMaterial material) {}
