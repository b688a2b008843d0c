package io.ztunnel.app;

import io.ztunnel.hbone.TlsSettings;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * What was built, and with what it runs. Immutable.
 *
 * @param status {@code Clean} or {@code Modified}, whether the sources were those of the revision
 * @param istioVersion what the installation calls itself ({@code ISTIO_META_ISTIO_VERSION})
 */
record Version(
    String version,
    String gitRevision,
    String javaVersion,
    String status,
    String istioVersion,
    String cryptoProvider) {
  private static final String RESOURCE = "version.properties";

  /** The version of this process. */
  static Version current(Map<String, String> environment) {
    Properties built = new Properties();
    try (@Nullable InputStream resource = Version.class.getResourceAsStream(RESOURCE)) {
      if (resource == null) {
        throw new IllegalStateException(RESOURCE + " is not on the class path");
      }
      built.load(resource);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new Version(
        built.getProperty("version"),
        built.getProperty("revision"),
        System.getProperty("java.version"),
        built.getProperty("status"),
        environment.getOrDefault("ISTIO_META_ISTIO_VERSION", "unknown"),
        cryptoProvider(environment));
  }

  /** Of TLS: the one that was asked for, or else the best. */
  private static String cryptoProvider(Map<String, String> environment) {
    boolean jdk = environment.getOrDefault("ZTUNNEL_TLS_PROVIDER", "auto").equals("jdk");
    return switch (jdk ? TlsSettings.Provider.JDK : TlsSettings.Provider.best()) {
      case BORINGSSL -> "tls-boring";
      case JDK -> "tls-jdk";
    };
  }

  /** The {@code version} part of {@code /config_dump}; the names are the reference's. */
  SequencedMap<String, String> fields() {
    SequencedMap<String, String> fields = new LinkedHashMap<>();
    fields.put("version", version);
    fields.put("gitRevision", gitRevision);
    fields.put("rustVersion", runtime());
    fields.put("buildProfile", "release");
    fields.put("buildStatus", status);
    fields.put("istioVersion", istioVersion);
    fields.put("cryptoProvider", cryptoProvider);
    return fields;
  }

  /** In the place of a compiler's version, under whose name tools look for it. */
  private String runtime() {
    return "none, java " + javaVersion;
  }

  @Override
  public String toString() {
    return "version.BuildInfo{Version:\"%s\", GitRevision:\"%s\", RustVersion:\"%s\", BuildProfile:\"release\", BuildStatus:\"%s\", IstioVersion:\"%s\", CryptoProvider:\"%s\"}"
        .formatted(version, gitRevision, runtime(), status, istioVersion, cryptoProvider);
  }
}
