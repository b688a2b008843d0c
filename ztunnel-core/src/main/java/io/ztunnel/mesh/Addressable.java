package io.ztunnel.mesh;

/** What an address or a hostname can stand for. */
public sealed interface Addressable permits Workload, Service {}
