package io.ztunnel.xds;

import io.netty.util.NetUtil;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;

/**
 * The name of a server as its certificate must show it: in a subject alternative name, never in the
 * common name (RFC 9525, 6).
 */
final class ServerName {
  // RFC 5280, 4.2.1.6
  private static final int DNS_NAME = 2;
  private static final int IP_ADDRESS = 7;

  private ServerName() {}

  /**
   * A DNS name as certificates and TLS have it: without the last dot, which tells a resolver only
   * that no search domain belongs behind it (RFC 6066, 3).
   */
  static String withoutLastDot(String name) {
    return name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
  }

  /** Whether a certificate is for a host, which is a DNS name or an IP address. */
  static boolean matches(X509Certificate certificate, String nameOrAddress)
      throws CertificateParsingException {
    String host = withoutLastDot(nameOrAddress);
    byte[] address = NetUtil.createByteArrayFromIpAddressString(host);
    Collection<List<?>> names = certificate.getSubjectAlternativeNames();
    if (names == null) {
      return false;
    }
    for (List<?> name : names) {
      if (name.get(0) instanceof Integer type && name.get(1) instanceof String value) {
        if (address == null && type == DNS_NAME && covers(value, host)) {
          return true;
        }
        if (address != null && type == IP_ADDRESS && isAddress(value, address)) {
          return true;
        }
      }
    }
    return false;
  }

  private static boolean isAddress(String value, byte[] address) {
    return Arrays.equals(NetUtil.createByteArrayFromIpAddressString(value), address);
  }

  /** A wildcard stands for exactly the first label of a name, whole. */
  private static boolean covers(String pattern, String host) {
    String wanted = host.toLowerCase(Locale.ROOT);
    String presented = pattern.toLowerCase(Locale.ROOT);
    if (!presented.startsWith("*.")) {
      return presented.equals(wanted);
    }
    int dot = wanted.indexOf('.');
    String parent = presented.substring(1);
    return dot > 0 && parent.indexOf('.', 1) > 0 && wanted.substring(dot).equals(parent);
  }
}
