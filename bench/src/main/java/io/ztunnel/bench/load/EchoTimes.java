package io.ztunnel.bench.load;

/**
 * How long one byte took there and back in one round, medians.
 *
 * @param newMillis on a new connection, from before the connect
 * @param existingMicros on a connection that is there
 */
record EchoTimes(double newMillis, double existingMicros) {}
