package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.load.Json;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** The list of revoked certificates that all daemons of a lab read. For one thread at a time. */
final class Revocations {
  private static final Duration VALIDITY = Duration.ofDays(30);

  private final Path file;
  private final TestPki authority;

  /** Makes the authority that the daemons share, and an empty list. */
  Revocations(Lab lab) throws IOException {
    Path directory = Daemon.trialAuthority(lab);
    TrialAuthority.open(directory, VALIDITY, Clock.systemUTC()).close();
    this.authority =
        TestPki.root(directory.resolve("root-key.pem"), directory.resolve("root-cert.pem"));
    this.file = lab.directory().resolve("ca-crl.pem");
    revoke(List.of());
  }

  /** The variable that tells a daemon of the list. */
  Map<String, String> environment() {
    return Map.of("CRL_PATH", file.toString());
  }

  /** These are revoked from now on, and no others. */
  void revoke(List<BigInteger> serials) throws IOException {
    Path next = file.resolveSibling("ca-crl.pem.next");
    Files.writeString(next, authority.crl(Instant.now().plus(VALIDITY), serials));
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
  }

  /** The numbers of the certificates that a daemon has for an identity now: none, or one. */
  static List<BigInteger> serials(Daemon daemon, String identity) throws IOException {
    return objects(Json.readObject(daemon.configDump()), "certificates").stream()
        .filter(certificate -> identity.equals(certificate.get("identity")))
        .flatMap(certificate -> objects(certificate, "certChain").stream().limit(1))
        .map(leaf -> new BigInteger(String.valueOf(leaf.get("serialNumber"))))
        .toList();
  }

  private static List<Map<?, ?>> objects(Map<?, ?> parent, String member) {
    if (parent.get(member) instanceof List<?> elements) {
      return elements.stream().<Map<?, ?>>map(element -> (Map<?, ?>) element).toList();
    }
    throw new IllegalStateException(
        "%s of a config dump: %s (expected: a list)".formatted(member, parent.get(member)));
  }
}
