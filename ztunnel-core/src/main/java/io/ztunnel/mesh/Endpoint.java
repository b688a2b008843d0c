package io.ztunnel.mesh;

/**
 * A workload that serves a service. Immutable.
 *
 * @param ports the service's ports and where this workload serves them
 */
public record Endpoint(String workloadUid, PortMap ports, HealthStatus status) {}
