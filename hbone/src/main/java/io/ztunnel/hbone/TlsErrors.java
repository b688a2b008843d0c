package io.ztunnel.hbone;

import io.netty.handler.ssl.NotSslRecordException;
import java.net.InetSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Turns what TLS libraries throw into one line that names the cause. */
final class TlsErrors {
  /** What a text begins with if the peer refused us. */
  static final String ALERT_PREFIX = "peer sent TLS alert: ";

  /** BoringSSL: {@code ...:TLSV1_ALERT_UNKNOWN_CA} or {@code SSLV3_ALERT_CERTIFICATE_EXPIRED}. */
  private static final Pattern OPENSSL_ALERT =
      Pattern.compile("(?:TLSV1|SSLV3|TLSV13)_ALERT_([A-Z_]+)");

  /** The JDK: {@code Received fatal alert: unknown_ca}, or {@code (unknown_ca) Received ...}. */
  private static final Pattern JDK_ALERT = Pattern.compile("Received fatal alert: ([a-z_]+)");

  private TlsErrors() {}

  /** Why a handshake failed, told to the owner. */
  static HboneFailure failure(InetSocketAddress address, Throwable thrown) {
    @Nullable WrongPeerException wrong = find(thrown, WrongPeerException.class);
    if (wrong != null) {
      return new HboneFailure.WrongPeer(address, wrong.expected(), wrong.presented());
    }
    @Nullable WrongTrustDomainException foreign = find(thrown, WrongTrustDomainException.class);
    if (foreign != null) {
      return new HboneFailure.WrongTrustDomain(address, foreign.expected(), foreign.presented());
    }
    @Nullable RevokedPeerException revoked = find(thrown, RevokedPeerException.class);
    if (revoked != null) {
      return new HboneFailure.PeerRevoked(address, revoked.certificate());
    }
    return new HboneFailure.TlsFailed(address, text(thrown));
  }

  /** One line that names the cause. */
  static String text(Throwable thrown) {
    @Nullable CertificateExpiredException expired = find(thrown, CertificateExpiredException.class);
    if (expired != null) {
      return "peer certificate expired: " + expired.getMessage();
    }
    @Nullable CertificateNotYetValidException early =
        find(thrown, CertificateNotYetValidException.class);
    if (early != null) {
      return "peer certificate not yet valid: " + early.getMessage();
    }
    if (find(thrown, CertPathBuilderException.class) != null) {
      return "peer certificate signed by an unknown root";
    }
    @Nullable CertPathValidatorException path = find(thrown, CertPathValidatorException.class);
    if (path != null) {
      return "peer certificate not accepted: " + path.getMessage();
    }
    String message = String.valueOf(thrown.getMessage());
    @Nullable String alert = alert(message);
    if (alert != null) {
      return ALERT_PREFIX + alert;
    }
    if (message.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE")
        || message.contains("Empty client certificate chain")
        || message.contains("Empty certificate chain")) {
      return "peer presented no certificate";
    }
    if (find(thrown, NotSslRecordException.class) != null) {
      return "not a TLS record"; // its own message has all the bytes
    }
    if (thrown instanceof ClosedChannelException) {
      return "connection closed by peer";
    }
    @Nullable CertificateException certificate = find(thrown, CertificateException.class);
    if (certificate != null && certificate.getMessage() != null) {
      return String.valueOf(certificate.getMessage());
    }
    return thrown.getMessage() == null ? thrown.getClass().getSimpleName() : message;
  }

  /** The alert that the peer sent, as RFC 8446, 6 names it. */
  static @Nullable String alert(String message) {
    Matcher openssl = OPENSSL_ALERT.matcher(message);
    if (openssl.find()) {
      return openssl.group(1).toLowerCase(Locale.ROOT);
    }
    Matcher jdk = JDK_ALERT.matcher(message);
    return jdk.find() ? jdk.group(1) : null;
  }

  private static <T extends Throwable> @Nullable T find(Throwable thrown, Class<T> type) {
    @Nullable Throwable at = thrown;
    for (int depth = 0; at != null && depth < 10; depth++) {
      if (type.isInstance(at)) {
        return type.cast(at);
      }
      at = at.getCause();
    }
    return null;
  }
}
