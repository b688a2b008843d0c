package io.ztunnel.hbone;

import io.netty.util.NetUtil;
import java.net.InetSocketAddress;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Who asked, and under which service's name, as Istio writes the {@code forwarded} field (RFC 7239,
 * in part). Immutable.
 *
 * @param source the application's address
 * @param host host name of the service that was called; null if none is known
 */
public record Forwarded(InetSocketAddress source, @Nullable String host) {
  /**
   * The {@code host} of a field's value: the first part that starts with {@code host=}, in lower
   * case, without quotes around it. Empty if there is none, it is empty, or the value is not all
   * ASCII.
   */
  public static Optional<String> parseHost(String value) {
    for (int i = 0; i < value.length(); i++) {
      if (value.charAt(i) > 0x7f) {
        return Optional.empty();
      }
    }
    for (String part : value.split(";", -1)) {
      String trimmed = part.trim();
      if (trimmed.startsWith("host=")) {
        String host = trimmed.substring("host=".length());
        if (host.length() >= 2 && host.startsWith("\"") && host.endsWith("\"")) {
          host = host.substring(1, host.length() - 1);
        }
        return host.isEmpty() ? Optional.empty() : Optional.of(host);
      }
    }
    return Optional.empty();
  }

  @Override
  public String toString() {
    String forSource = "for=\"" + NetUtil.toSocketAddressString(source) + "\"";
    return host == null ? forSource : forSource + ";host=" + host;
  }
}
