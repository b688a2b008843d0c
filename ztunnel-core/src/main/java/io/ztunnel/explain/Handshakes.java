package io.ztunnel.explain;

import io.ztunnel.explain.Explanation.Verdict;
import io.ztunnel.hbone.AcceptedTrustDomains;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.telemetry.ConnectionFailure;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Answers whether a client gets past the handshake, as far as its identity tells. Stateless. */
final class Handshakes {
  private Handshakes() {}

  /**
   * Why a server refuses a client; null: it does not.
   *
   * @param own the identity that the server shows
   * @param client the one that the client shows
   * @param aliases other trust domains whose clients are let in
   */
  static @Nullable Verdict refusal(SpiffeId own, SpiffeId client, Set<String> aliases) {
    String presented = client.toString();
    return new AcceptedTrustDomains(own.trustDomain(), aliases).accept(List.of(presented))
        ? null
        : Verdict.failed(new ConnectionFailure.WrongTrustDomain(own.trustDomain(), presented));
  }
}
