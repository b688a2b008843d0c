package io.ztunnel.bench.scale;

import java.util.Map;

/**
 * What one daemon showed with a mesh of one size. Memory in bytes, resident.
 *
 * @param readySeconds from the launcher's start to the first 200 of {@code /healthz/ready}
 * @param settled a minute later
 * @param startPeak the most until then
 * @param peak the most until the end
 * @param heapBytes live objects at the end
 * @param meshed new connections through the daemon
 * @param direct new connections between pods that are not captured, at the same time
 */
record ScaleRound(
    double readySeconds,
    long settled,
    long startPeak,
    long peak,
    long heapBytes,
    Map<Phase, Latency> meshed,
    Map<Phase, Latency> direct) {}
