package io.ztunnel.admin;

import io.ztunnel.identity.CertificateState;
import io.ztunnel.identity.WorkloadTls;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The certificates of the node's workloads in {@code /config_dump}: {@code certificates}. Pure. */
public final class CertificateSection {
  /** Characters in a line of PEM as this dump has always printed it. */
  private static final int PEM_LINE = 60;

  private CertificateSection() {}

  /** Adds the section. */
  public static void add(
      ConfigDump dump, Supplier<SortedMap<String, CertificateState>> certificates) {
    dump.section("certificates", () -> certificates(certificates.get()));
  }

  static List<Map<String, @Nullable Object>> certificates(
      SortedMap<String, CertificateState> certificates) {
    List<Map<String, @Nullable Object>> all = new ArrayList<>(certificates.size());
    certificates.forEach((identity, state) -> all.add(entry(identity, state)));
    return all;
  }

  private static Map<String, @Nullable Object> entry(String identity, CertificateState state) {
    JsonFields fields = new JsonFields().with("identity", identity);
    return switch (state) {
      case CertificateState.Initializing _ -> none(fields, "Initializing");
      case CertificateState.Unavailable(String error, Instant _) ->
          none(fields, "Unavailable: " + error);
      case CertificateState.Available(WorkloadTls tls) ->
          fields
              .with("state", "Available")
              .with("certChain", certificates(tls.material().chain()))
              .with("rootCerts", certificates(tls.material().roots()))
              .map();
    };
  }

  private static Map<String, @Nullable Object> none(JsonFields fields, String state) {
    return fields
        .with("state", state)
        .with("certChain", List.of())
        .with("rootCerts", List.of())
        .map();
  }

  private static List<Map<String, @Nullable Object>> certificates(List<X509Certificate> chain) {
    return chain.stream().map(CertificateSection::certificate).toList();
  }

  private static Map<String, @Nullable Object> certificate(X509Certificate certificate) {
    return new JsonFields()
        .with("pem", pem(certificate))
        .with("serialNumber", certificate.getSerialNumber().toString())
        .with("validFrom", time(certificate.getNotBefore().toInstant()))
        .with("expirationTime", time(certificate.getNotAfter().toInstant()))
        .map();
  }

  /** Seconds, UTC: {@code 2026-08-21T10:00:00Z}. */
  private static String time(Instant instant) {
    return instant.truncatedTo(ChronoUnit.SECONDS).toString();
  }

  /** Base64 of the PEM text (Istio). */
  private static String pem(X509Certificate certificate) {
    try {
      String body =
          Base64.getMimeEncoder(PEM_LINE, new byte[] {'\n'})
              .encodeToString(certificate.getEncoded());
      String text = "-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----\n";
      return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.US_ASCII));
    } catch (CertificateEncodingException e) {
      throw new IllegalStateException("a certificate that was parsed does not encode", e);
    }
  }
}
