package io.ztunnel.app;

import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.identity.CaSettings;
import io.ztunnel.xds.ControlPlane;
import io.ztunnel.xds.RootSource;
import io.ztunnel.xds.TlsPolicy;
import io.ztunnel.xds.TokenSource;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The configuration as the clients of the control plane want it. Stateless. */
final class ControlPlaneSettings {
  private ControlPlaneSettings() {}

  /** The CA at this address, which is the configuration's. */
  static CaSettings ca(Config config, URI address) throws StartException {
    Config.Ca ca = config.ca();
    try {
      return new CaSettings(
          new ControlPlane(
              address,
              roots("CA_ROOT_CA", ca.roots()),
              ca.alternativeHostname(),
              tls(DataPathSettings.tls(config)),
              token(ca.authentication()),
              config.node().clusterId(),
              headers(ca.headers())),
          ca.secretTtl(),
          switch (config.mode()) {
            case Config.Mode.Shared _ -> CaSettings.Subject.WORKLOADS;
            case Config.Mode.Dedicated _, Config.Mode.Gateway _ -> CaSettings.Subject.CALLER;
          },
          ca.callTimeout());
    } catch (IllegalArgumentException e) {
      throw new StartException("CA_ADDRESS, ALT_CA_HOSTNAME: " + e.getMessage());
    }
  }

  /** The control plane at this address, which is the configuration's. */
  static ControlPlane xds(Config config, URI address) throws StartException {
    Config.Xds xds = config.xds();
    try {
      return new ControlPlane(
          address,
          roots("XDS_ROOT_CA", xds.roots()),
          xds.alternativeHostname(),
          tls(DataPathSettings.tls(config)),
          token(config.ca().authentication()),
          config.node().clusterId(),
          headers(xds.headers()));
    } catch (IllegalArgumentException e) {
      throw new StartException("XDS_ADDRESS, ALT_XDS_HOSTNAME: " + e.getMessage());
    }
  }

  private static Map<String, String> headers(List<Config.Header> headers) {
    return headers.stream()
        .collect(Collectors.toMap(Config.Header::name, Config.Header::value, (_, later) -> later));
  }

  private static RootSource roots(String variable, Config.RootCertificates roots)
      throws StartException {
    return switch (roots) {
      case Config.RootCertificates.PemFile(Path path) -> new RootSource.PemFile(path);
      case Config.RootCertificates.SystemStore store ->
          new RootSource.SystemStore(store.file(), store.directories());
      case Config.RootCertificates.Pem(String text) -> {
        if (!text.contains("-----BEGIN")) {
          throw new StartException(
              "%s: %s (expected: a file that exists, SYSTEM, or PEM text)"
                  .formatted(variable, text));
        }
        yield new RootSource.Pem(text);
      }
    };
  }

  private static TokenSource token(Config.Authentication authentication) {
    return switch (authentication) {
      case Config.Authentication.None _ -> new TokenSource.None();
      case Config.Authentication.TokenFile(Path path) -> new TokenSource.TokenFile(path);
      case Config.Authentication.Token(String value) -> new TokenSource.Token(value);
    };
  }

  private static TlsPolicy tls(TlsSettings settings) {
    return new TlsPolicy(
        switch (settings.provider()) {
          case BORINGSSL -> TlsPolicy.Provider.BORINGSSL;
          case JDK -> TlsPolicy.Provider.JDK;
        },
        settings.tls12(),
        settings.pqcOnly());
  }
}
