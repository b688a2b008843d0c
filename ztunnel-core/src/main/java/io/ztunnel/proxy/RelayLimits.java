package io.ztunnel.proxy;

import io.ztunnel.hbone.HeldBytes;

/**
 * How long a relay waits for ends that do nothing, and what it may keep for them. Immutable.
 *
 * @param probing what finds a dead peer of a connection that one side has ended
 * @param held the budget of bytes that wait for slow readers
 */
record RelayLimits(HalfClosedProbing probing, HeldBytes held) {}
