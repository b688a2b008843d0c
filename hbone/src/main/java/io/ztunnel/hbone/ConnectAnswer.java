package io.ztunnel.hbone;

import org.jspecify.annotations.Nullable;

/**
 * What a 200 to a CONNECT says. Immutable.
 *
 * @param baggage the {@code baggage} of the workload that was reached; null for none
 * @param workloadUid which workload that is, so that a client who keeps connections through a
 *     gateway knows those that have reached the same one; null if it need not know
 */
public record ConnectAnswer(@Nullable String baggage, @Nullable String workloadUid) {
  /** Says nothing of who was reached. */
  public static final ConnectAnswer PLAIN = new ConnectAnswer(null, null);
}
