package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.hbone.TlsSettings;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class VersionTest {
  private static @Nullable String provider(Map<String, String> environment) {
    return Version.current(environment).fields().get("cryptoProvider");
  }

  @Test
  void theTextHasTheReferencesNames() {
    Version version = new Version("1.0", "abc", "25", "Clean", "1.32.0", "tls-boring");
    assertEquals(
        "version.BuildInfo{Version:\"1.0\", GitRevision:\"abc\", RustVersion:\"none, java 25\", BuildProfile:\"release\", BuildStatus:\"Clean\", IstioVersion:\"1.32.0\", CryptoProvider:\"tls-boring\"}",
        version.toString());
  }

  @Test
  void theProviderIsTheOneThatIsUsed() {
    assertEquals("tls-jdk", provider(Map.of("ZTUNNEL_TLS_PROVIDER", "jdk")));
    String best =
        switch (TlsSettings.Provider.best()) {
          case BORINGSSL -> "tls-boring";
          case JDK -> "tls-jdk";
        };
    assertEquals(best, provider(Map.of("ZTUNNEL_TLS_PROVIDER", "auto")));
    assertEquals(best, provider(Map.of()));
  }
}
