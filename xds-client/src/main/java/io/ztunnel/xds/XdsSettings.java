package io.ztunnel.xds;

import java.time.Duration;
import java.util.List;

/**
 * What the client asks of the control plane. Immutable.
 *
 * @param subscriptions in the order of their first requests
 * @param demandTimeout how long {@link XdsClient#demand} waits for an answer
 * @param maxDemanded how many keys stay subscribed on demand for each type
 */
public record XdsSettings(
    XdsNode node, List<Subscription> subscriptions, Duration demandTimeout, int maxDemanded) {
  public XdsSettings {
    subscriptions = List.copyOf(subscriptions);
    if (subscriptions.stream().map(Subscription::typeUrl).distinct().count()
        < subscriptions.size()) {
      throw new IllegalArgumentException(
          "subscriptions: " + subscriptions + " (expected: each type once)");
    }
    if (!demandTimeout.isPositive()) {
      throw new IllegalArgumentException(
          "demandTimeout: " + demandTimeout + " (expected: more than zero)");
    }
    if (maxDemanded < 1) {
      throw new IllegalArgumentException("maxDemanded: " + maxDemanded + " (expected: >= 1)");
    }
  }
}
