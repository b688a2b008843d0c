package io.ztunnel.identity;

import io.ztunnel.hbone.Revocations;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.cert.CRLException;
import java.security.cert.CRLReason;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509CRLEntry;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HashMap;
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
  static final RevocationList EMPTY = new RevocationList(List.of(), Map.of());

  /** Longer chains are not walked; PKIX does not accept them either. */
  private static final int MAX_CHAIN = 10;

  private static final int CRL_SIGN = 6; // RFC 5280, 4.2.1.3

  private record Listed(X500Principal issuer, BigInteger serial) {}

  private final List<X509CRL> lists;
  private final Map<Listed, List<X509CRL>> listed;

  private RevocationList(List<X509CRL> lists, Map<Listed, List<X509CRL>> listed) {
    this.lists = lists;
    this.listed = listed;
  }

  /**
   * Reads PEM with any number of lists, other blocks being passed over, or one list in DER. No list
   * at all is no error: nothing is revoked.
   *
   * @throws IOException if any does not parse
   */
  static RevocationList parse(byte[] content) throws IOException {
    String text = new String(content, StandardCharsets.ISO_8859_1);
    if (text.isBlank()) {
      return EMPTY;
    }
    List<X509CRL> lists = new ArrayList<>();
    if (text.stripLeading().startsWith("-----BEGIN")) {
      for (byte[] block : PemText.blocks(text, "X509 CRL")) {
        lists.add(list(block));
      }
    } else {
      lists.add(list(content));
    }
    Map<Listed, List<X509CRL>> listed = new HashMap<>();
    for (X509CRL list : lists) {
      @Nullable Set<? extends X509CRLEntry> entries = list.getRevokedCertificates();
      for (X509CRLEntry entry : entries == null ? Set.<X509CRLEntry>of() : entries) {
        // In a list of changes this reason takes a revocation back (RFC 5280, 5.3.1).
        if (entry.getRevocationReason() != CRLReason.REMOVE_FROM_CRL) {
          listed
              .computeIfAbsent(
                  new Listed(list.getIssuerX500Principal(), entry.getSerialNumber()),
                  _ -> new ArrayList<>(1))
              .add(list);
        }
      }
    }
    return new RevocationList(List.copyOf(lists), listed);
  }

  private static X509CRL list(byte[] der) throws IOException {
    try {
      ByteArrayInputStream in = new ByteArrayInputStream(der);
      X509CRL list = (X509CRL) CertificateFactory.getInstance("X.509").generateCRL(in);
      if (in.read() >= 0) {
        throw new IOException("not a CRL: bytes after its end (expected: PEM, or one list in DER)");
      }
      return list;
    } catch (CertificateException | CRLException e) {
      throw new IOException(
          "not a CRL: %s (expected: PEM, or one list in DER)".formatted(e.getMessage()), e);
    }
  }

  /** How many lists there are. */
  int lists() {
    return lists.size();
  }

  /** How many certificates are listed. */
  int entries() {
    return listed.size();
  }

  @Override
  public @Nullable X509Certificate revoked(
      List<X509Certificate> chain, List<X509Certificate> roots) {
    if (listed.isEmpty() || chain.isEmpty()) {
      return null;
    }
    List<X509Certificate> presented = chain.subList(0, Math.min(chain.size(), MAX_CHAIN));
    return presented.stream().anyMatch(this::isListed)
        ? new Walk(presented, roots).from(chain.getFirst())
        : null;
  }

  private boolean isListed(X509Certificate certificate) {
    return listed.containsKey(key(certificate));
  }

  private static Listed key(X509Certificate certificate) {
    return new Listed(certificate.getIssuerX500Principal(), certificate.getSerialNumber());
  }

  /** Whether the issuer, who signed this certificate, has revoked it. */
  private boolean isRevoked(X509Certificate certificate, X509Certificate issuer) {
    for (X509CRL list : listed.getOrDefault(key(certificate), List.of())) {
      boolean @Nullable [] usage = issuer.getKeyUsage();
      if ((usage == null || usage[CRL_SIGN]) && isSignedBy(list, issuer)) {
        return true;
      }
    }
    return false;
  }

  private static boolean isSignedBy(X509CRL list, X509Certificate issuer) {
    try {
      list.verify(issuer.getPublicKey());
      return true;
    } catch (GeneralSecurityException e) {
      return false; // of another authority of this name
    }
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
