package io.ztunnel.telemetry;

import io.ztunnel.metrics.TrafficLabels;
import java.net.InetSocketAddress;

/**
 * One connection as it is reported: its labels, and what only the access log tells. Empty strings
 * stand for what is not known. Immutable.
 *
 * @param source the downstream's address
 * @param sourceName the client pod's name; if empty, the canonical service stands for it
 * @param destination where the bytes go; for inbound HBONE the pod's address with port 15008
 * @param authority what the CONNECT asked for; empty without HBONE
 * @param destinationName the name of the workload at the destination; if empty, the canonical
 *     service stands for it
 */
public record ConnectionFacts(
    TrafficLabels labels,
    InetSocketAddress source,
    String sourceName,
    InetSocketAddress destination,
    String authority,
    String destinationName) {}
