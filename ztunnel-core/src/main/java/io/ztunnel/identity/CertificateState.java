package io.ztunnel.identity;

import java.time.Instant;

/** What the daemon has for one identity. Immutable. */
public sealed interface CertificateState {
  /** The first certificate has been asked for. */
  record Initializing() implements CertificateState {}

  /** There is a certificate; it may have expired, and is not handed out then. */
  record Available(WorkloadTls tls) implements CertificateState {}

  /** The last attempt failed and there is nothing valid to fall back on. */
  record Unavailable(String error, Instant retryAt) implements CertificateState {}
}
