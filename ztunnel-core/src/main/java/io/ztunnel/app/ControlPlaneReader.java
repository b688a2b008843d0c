package io.ztunnel.app;

import java.io.File;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Reads how the control plane and the CA are reached. Used once, by one thread. */
final class ControlPlaneReader {
  private static final int MAX_PORT = 65_535;

  /** What gRPC takes, which is less than HTTP does. */
  private static final Pattern HEADER_NAME = Pattern.compile("[a-z0-9_.-]+");

  private final Environment env;
  private final Host host;
  private final @Nullable String discoveryAddress;
  private final Config.RootCertificates.SystemStore systemStore;

  /**
   * Reads from these.
   *
   * @param discoveryAddress what the proxy config says of the control plane; null: nothing
   */
  ControlPlaneReader(Environment env, Host host, @Nullable String discoveryAddress) {
    this.env = env;
    this.host = host;
    this.discoveryAddress = discoveryAddress;
    this.systemStore = systemStore(env);
  }

  /** As OpenSSL reads it. */
  private static Config.RootCertificates.SystemStore systemStore(Environment env) {
    String file = env.nonEmpty("SSL_CERT_FILE");
    return new Config.RootCertificates.SystemStore(
        file == null ? null : Path.of(file),
        Stream.of(env.text("SSL_CERT_DIR", "").split(File.pathSeparator))
            .filter(directory -> !directory.isEmpty())
            .map(Path::of)
            .toList());
  }

  Config.Xds xds() {
    String fallback = discoveryAddress == null ? istiod() : discoveryAddress;
    return new Config.Xds(
        uri("XDS_ADDRESS", env.text("XDS_ADDRESS", fallback)),
        roots("XDS_ROOT_CA"),
        env.text("ALT_XDS_HOSTNAME"),
        headers("XDS_HEADER_"),
        env.flag("XDS_ON_DEMAND", false));
  }

  Config.Ca ca() {
    Path trialDirectory =
        env.path("FAKE_CA_DIR", host.temporaryDirectory().resolve("ztunnel-fake-ca").toString());
    boolean trial = env.flag("FAKE_CA", false);
    URI address = uri("CA_ADDRESS", env.text("CA_ADDRESS", istiod()));
    String certificates = env.nonEmpty("ZTUNNEL_CERTIFICATE_DIR");
    if (address == null && !trial && certificates == null) {
      throw ConfigException.variable(
          "CA_ADDRESS",
          "",
          "expected: an address, unless FAKE_CA=true or ZTUNNEL_CERTIFICATE_DIR is set");
    }
    return new Config.Ca(
        address,
        roots("CA_ROOT_CA"),
        env.text("ALT_CA_HOSTNAME"),
        headers("CA_HEADER_"),
        authentication(),
        env.timeout("SECRET_TTL", Duration.ofHours(24)),
        env.timeout("ZTUNNEL_CA_TIMEOUT", Duration.ofSeconds(10)),
        trial ? trialDirectory : null,
        certificates == null ? null : Path.of(certificates));
  }

  private String istiod() {
    return env.text("KUBERNETES_SERVICE_HOST") == null
        ? "https://localhost:15012"
        : "https://istiod.istio-system.svc:15012";
  }

  private static @Nullable URI uri(String name, String text) {
    if (text.isEmpty()) {
      return null;
    }
    try {
      var uri = new URI(text.contains("://") ? text : "https://" + text);
      if (uri.getHost() == null) {
        throw new URISyntaxException(text, "expected: host and port");
      }
      if (uri.getPort() == 0 || uri.getPort() > MAX_PORT) {
        throw new URISyntaxException(text, "expected: a port from 1 to " + MAX_PORT);
      }
      return uri;
    } catch (URISyntaxException e) {
      throw new ConfigException(
          "invalid uri: " + name + "=" + text + " (" + e.getReason() + ")", e);
    }
  }

  private Config.RootCertificates roots(String name) {
    String value = env.text(name, "./var/run/secrets/istio/root-cert.pem");
    if (isFile(value)) {
      return new Config.RootCertificates.PemFile(Path.of(value));
    }
    return value.equals("SYSTEM") ? systemStore : new Config.RootCertificates.Pem(value);
  }

  private Config.Authentication authentication() {
    String file = "./var/run/secrets/tokens/istio-token";
    String value = env.text("AUTH_TOKEN", file);
    if (isFile(value)) {
      return new Config.Authentication.TokenFile(Path.of(value));
    }
    return env.text("AUTH_TOKEN") == null
        ? new Config.Authentication.None()
        : new Config.Authentication.Token(value);
  }

  private boolean isFile(String value) {
    try {
      return !value.isEmpty() && host.exists(Path.of(value));
    } catch (InvalidPathException _) {
      return false;
    }
  }

  private List<Config.Header> headers(String prefix) {
    var headers = new ArrayList<Config.Header>();
    env.withPrefix(prefix)
        .forEach(
            (variable, value) -> {
              String name = variable.substring(prefix.length()).toLowerCase(Locale.ROOT);
              if (!HEADER_NAME.matcher(name).matches() || name.endsWith("-bin")) {
                throw new ConfigException(
                    "failed to parse header key: "
                        + variable
                        + " (expected: letters, digits, _, . and -, not -bin at the end)");
              }
              if (!value.chars().allMatch(c -> c >= ' ' && c < 0x7f)) {
                throw new ConfigException(
                    "failed to parse header value: "
                        + variable
                        + " (expected: printable characters)");
              }
              headers.add(new Config.Header(name, value));
            });
    return headers;
  }
}
