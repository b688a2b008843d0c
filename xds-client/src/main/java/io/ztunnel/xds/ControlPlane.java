package io.ztunnel.xds;

import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How a service of the control plane is reached and believed, and how the daemon proves itself to
 * it. Immutable.
 *
 * @param uri where; https only, because a token is sent
 * @param roots who must have signed the server's certificate; read again for each channel
 * @param alternateName a name that the server's certificate may have in place of the URI's host;
 *     null: none
 * @param tls which TLS is spoken
 * @param token what proves who we are; read again for each call
 * @param clusterId where the token is valid; sent beside it
 * @param headers metadata of every call, in place of ours if of the same name
 */
public record ControlPlane(
    URI uri,
    RootSource roots,
    @Nullable String alternateName,
    TlsPolicy tls,
    TokenSource token,
    String clusterId,
    Map<String, String> headers) {
  private static final int HTTPS_PORT = 443;
  private static final int MAX_NAME = 253; // RFC 1035, 3.1, as text
  private static final Pattern DNS_NAME =
      Pattern.compile("[a-z0-9_]([a-z0-9_-]{0,62})(\\.[a-z0-9_]([a-z0-9_-]{0,62}))*");

  public ControlPlane {
    if (!"https".equalsIgnoreCase(uri.getScheme()) || uri.getHost() == null) {
      throw new IllegalArgumentException("uri: " + uri + " (expected: https://host:port)");
    }
    alternateName = alternateName == null ? null : ServerName.withoutLastDot(alternateName);
    if (alternateName != null
        && (alternateName.length() > MAX_NAME
            || !DNS_NAME.matcher(alternateName.toLowerCase(Locale.ROOT)).matches())) {
      throw new IllegalArgumentException(
          "alternate host name: " + alternateName + " (expected: a DNS name)");
    }
    headers = Map.copyOf(headers);
  }

  /** The host to connect to: a name, with its last dot if it has one, or an address without []. */
  public String host() {
    String host = uri.getHost();
    return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
  }

  /** The host as TLS and the certificate name it. */
  String serverName() {
    return ServerName.withoutLastDot(host());
  }

  /** The host as requests name it, with the port. */
  String authority() {
    return ServerName.withoutLastDot(uri.getHost()) + ":" + port();
  }

  /** The port to connect to. */
  public int port() {
    return uri.getPort() < 0 ? HTTPS_PORT : uri.getPort();
  }

  /** The names that the server's certificate may have, in order of preference. */
  List<String> acceptedNames() {
    return alternateName == null ? List.of(serverName()) : List.of(serverName(), alternateName);
  }

  /** The metadata of a call, made with a token read just now; null: there is no token. */
  Map<String, String> metadata(@Nullable String freshToken) {
    Map<String, String> metadata = new LinkedHashMap<>();
    if (freshToken != null) {
      metadata.put("authorization", "Bearer " + freshToken);
      metadata.put("clusterid", clusterId);
    }
    metadata.putAll(headers);
    return metadata;
  }
}
