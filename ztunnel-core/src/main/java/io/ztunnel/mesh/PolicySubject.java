package io.ztunnel.mesh;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * A connection in the form that policies compare with: made once for a decision, then tried on any
 * number of rules without making more. Immutable.
 */
public final class PolicySubject {
  private final IpBits source;
  private final IpBits destination;
  private final int port;
  private final String namespace;
  private final @Nullable String principal;
  private final @Nullable ServiceAccountMatch serviceAccount;

  /**
   * A connection between resolved addresses.
   *
   * @param identity the peer's; null: none
   */
  public PolicySubject(
      InetSocketAddress source, InetSocketAddress destination, @Nullable SpiffeId identity) {
    this.source = IpBits.of(source.getAddress());
    this.destination = IpBits.of(destination.getAddress());
    port = destination.getPort();
    if (identity == null) {
      namespace = "";
      principal = null;
      serviceAccount = null;
    } else {
      namespace = identity.namespace();
      principal =
          identity.trustDomain()
              + "/ns/"
              + identity.namespace()
              + "/sa/"
              + identity.serviceAccount();
      serviceAccount = new ServiceAccountMatch(identity.namespace(), identity.serviceAccount());
    }
  }

  IpBits source() {
    return source;
  }

  IpBits destination() {
    return destination;
  }

  int port() {
    return port;
  }

  /** The namespace of the identity; empty when there is none. */
  String namespace() {
    return namespace;
  }

  /** The identity without its scheme; null when there is none. */
  @Nullable String principal() {
    return principal;
  }

  /** The identity without its trust domain; null when there is none. */
  @Nullable ServiceAccountMatch serviceAccount() {
    return serviceAccount;
  }
}
