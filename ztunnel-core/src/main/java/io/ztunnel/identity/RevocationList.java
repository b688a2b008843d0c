package io.ztunnel.identity;

import static java.util.stream.Collectors.groupingBy;

import io.ztunnel.hbone.Revocations;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import javax.security.auth.x500.X500Principal;
import org.jspecify.annotations.Nullable;

/**
 * What the certificate revocation lists of one file say (RFC 5280, 5). Immutable.
 *
 * <p>A look-up by issuer and serial answers nearly always: nothing of the chain is listed. Only
 * after a hit the path to a root is walked with signatures, so that neither an authority of the
 * same name nor certificates that the peer presents without need can revoke or hide anything. What
 * is not listed is not revoked, and a list counts after its next update, too (Istio).
 */
final class RevocationList implements Revocations {
  static final RevocationList EMPTY = new RevocationList(List.of());

  /** Longer chains are not walked; PKIX does not accept them either. */
  private static final int MAX_CHAIN = 10;

  private static final int CRL_SIGN = 6; // RFC 5280, 4.2.1.3

  private final Map<X500Principal, List<CertificateRevocationList>> lists;

  private RevocationList(List<CertificateRevocationList> lists) {
    this.lists = lists.stream().collect(groupingBy(CertificateRevocationList::issuer));
  }

  /**
   * Reads PEM with any number of lists, other blocks being passed over, or one list in DER. No list
   * at all is no error: nothing is revoked.
   *
   * @throws IOException if any does not parse
   */
  static RevocationList parse(byte[] content) throws IOException {
    int begin = 0;
    while (begin < content.length && content[begin] <= ' ' && content[begin] >= 0) {
      begin++;
    }
    if (begin == content.length) {
      return EMPTY;
    }
    List<CertificateRevocationList> lists = new ArrayList<>();
    if (PemText.isAt(content, begin)) {
      for (byte[] block : PemText.blocks(content, "X509 CRL")) {
        lists.add(new CertificateRevocationList(block));
      }
    } else {
      lists.add(new CertificateRevocationList(content));
    }
    return new RevocationList(lists);
  }

  private Stream<CertificateRevocationList> all() {
    return lists.values().stream().flatMap(List::stream);
  }

  /** How many lists there are. */
  int lists() {
    return (int) all().count();
  }

  /** How many certificates are listed. */
  int entries() {
    return all().mapToInt(CertificateRevocationList::size).sum();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof RevocationList that && lists.equals(that.lists);
  }

  @Override
  public int hashCode() {
    return lists.hashCode();
  }

  @Override
  public @Nullable X509Certificate revoked(
      List<X509Certificate> chain, List<X509Certificate> roots) {
    if (lists.isEmpty() || chain.isEmpty()) {
      return null;
    }
    List<X509Certificate> presented = chain.subList(0, Math.min(chain.size(), MAX_CHAIN));
    return presented.stream().anyMatch(this::isListed)
        ? new Walk(presented, roots).from(chain.getFirst())
        : null;
  }

  private boolean isListed(X509Certificate certificate) {
    return !listing(certificate).isEmpty();
  }

  private List<CertificateRevocationList> listing(X509Certificate certificate) {
    @Nullable List<CertificateRevocationList> ofIssuer =
        lists.get(certificate.getIssuerX500Principal());
    return ofIssuer == null
        ? List.of()
        : ofIssuer.stream().filter(list -> list.lists(certificate.getSerialNumber())).toList();
  }

  /** Whether the issuer, who signed this certificate, has revoked it. */
  private boolean isRevoked(X509Certificate certificate, X509Certificate issuer) {
    boolean @Nullable [] usage = issuer.getKeyUsage();
    return (usage == null || usage[CRL_SIGN])
        && listing(certificate).stream().anyMatch(list -> list.isSignedBy(issuer.getPublicKey()));
  }

  private static boolean isSignedBy(X509Certificate certificate, X509Certificate issuer) {
    try {
      certificate.verify(issuer.getPublicKey());
      return true;
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  /** Looks for a way to a root on which nothing is revoked. For one chain and one thread. */
  private final class Walk {
    private final List<X509Certificate> presented;
    private final List<X509Certificate> roots;
    private final Set<X509Certificate> seen = new HashSet<>();
    private @Nullable X509Certificate obstacle;

    Walk(List<X509Certificate> presented, List<X509Certificate> roots) {
      this.presented = presented;
      this.roots = roots;
    }

    @Nullable X509Certificate from(X509Certificate leaf) {
      return reachesRoot(leaf) ? null : obstacle;
    }

    private boolean reachesRoot(X509Certificate certificate) {
      if (roots.contains(certificate)) {
        return true;
      }
      if (!seen.add(certificate)) {
        return false; // it led nowhere, or we came from it
      }
      return Stream.concat(roots.stream(), presented.stream())
          .filter(issuer -> mayHaveIssued(issuer, certificate))
          .filter(issuer -> isSignedBy(certificate, issuer))
          .anyMatch(
              issuer -> {
                if (isRevoked(certificate, issuer)) {
                  obstacle = obstacle == null ? certificate : obstacle;
                  return false;
                }
                return reachesRoot(issuer);
              });
    }

    private static boolean mayHaveIssued(X509Certificate issuer, X509Certificate certificate) {
      return issuer.getSubjectX500Principal().equals(certificate.getIssuerX500Principal());
    }
  }
}
