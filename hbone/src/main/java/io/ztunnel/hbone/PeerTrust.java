package io.ztunnel.hbone;

import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What makes a peer's chain good, beside its dates and usages: the roots it must lead to, and that
 * none of it is revoked. Both may change while it is in use.
 *
 * @param roots for peers of all trust domains but those below
 * @param ofDomains trust domains with roots of their own: no other root speaks for them
 */
public record PeerTrust(
    TrustRoots roots, Map<String, TrustRoots> ofDomains, Revocations revocations) {
  public PeerTrust {
    ofDomains = Map.copyOf(ofDomains);
  }

  /** The same roots for all trust domains. */
  public PeerTrust(TrustRoots roots, Revocations revocations) {
    this(roots, Map.of(), revocations);
  }

  /** Trust in these roots, for good. */
  static PeerTrust in(List<X509Certificate> roots) {
    return new PeerTrust(new TrustRoots(roots), Revocations.NONE);
  }

  /**
   * What the chain of this leaf must lead to: to one of each, for each trust domain that it names.
   */
  Set<TrustRoots> anchors(X509Certificate leaf) {
    if (ofDomains.isEmpty()) {
      return Set.of(roots);
    }
    Set<TrustRoots> anchors = new LinkedHashSet<>();
    try {
      for (String san : PeerVerifier.uriSans(leaf)) {
        SpiffeId.parse(san)
            .ifPresent(id -> anchors.add(ofDomains.getOrDefault(id.trustDomain(), roots)));
      }
    } catch (CertificateParsingException e) {
      return Set.of(roots); // it has no identity
    }
    return anchors.isEmpty() ? Set.of(roots) : anchors;
  }

  /** The roots that a chain may lead to, as things are now. */
  List<X509Certificate> rootsOf(List<X509Certificate> chain) {
    Set<TrustRoots> anchors = anchors(chain.getFirst());
    return anchors.size() == 1
        ? anchors.iterator().next().roots()
        : anchors.stream().flatMap(each -> each.roots().stream()).distinct().toList();
  }

  /**
   * The certificate whose revocation rules out a peer that was accepted before.
   *
   * @param acceptedBy the roots of that time: they may have been replaced, and the chain may lead
   *     to none of those of now
   */
  @Nullable X509Certificate revoked(List<X509Certificate> chain, List<X509Certificate> acceptedBy) {
    @Nullable X509Certificate now = revoked(chain);
    return now != null ? now : revocations.revoked(chain, acceptedBy);
  }

  /** The certificate whose revocation rules the peer out, as things are now. */
  @Nullable X509Certificate revoked(List<X509Certificate> chain) {
    for (TrustRoots each : anchors(chain.getFirst())) {
      @Nullable X509Certificate revoked = revocations.revoked(chain, each.roots());
      if (revoked != null) {
        return revoked;
      }
    }
    return null;
  }
}
