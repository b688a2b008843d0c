package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.identity.RevokedCertificates;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.TestMesh;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CertificatePrefetchTest {
  private static final String DATABASE =
      "{uid: db-0, name: db-0, namespace: shop, serviceAccount: %s, node: %s, protocol: HBONE,"
          + " trustDomain: cluster.local, services: {}, workloadIps: [10.0.0.%d]}";

  @TempDir private Path directory;

  private final EventExecutor control = new DefaultEventExecutor();
  private final MeshState mesh = new MeshState(control, "node-a");
  private CertificateManager certificates;

  @BeforeEach
  void observe() throws Exception {
    certificates =
        new CertificateManager(
            control,
            TrialAuthority.open(directory, Duration.ofHours(1), Clock.systemUTC()),
            new TlsSettings(TlsSettings.Provider.JDK, false, false),
            Map.of(),
            new RevokedCertificates(control),
            Clock.systemUTC(),
            new SplittableRandom());
    control
        .submit(
            () ->
                mesh.observe(
                    new CertificatePrefetch(
                        certificates, "node-a", new Config.Mode.Shared(directory, false))))
        .get(10, TimeUnit.SECONDS);
  }

  @AfterEach
  void end() throws Exception {
    certificates.close();
    control.shutdownGracefully(0, 5, TimeUnit.SECONDS).get(10, TimeUnit.SECONDS);
  }

  private Set<String> after(String... workloads) throws Exception {
    String yaml = "workloads:\n- " + String.join("\n- ", workloads) + "\n";
    control.submit(() -> TestMesh.config(yaml).replace(mesh)).get(10, TimeUnit.SECONDS);
    control.submit(() -> {}).get(10, TimeUnit.SECONDS); // behind what that has brought about
    return certificates.states().keySet();
  }

  /** A pod of a stateful set keeps its uid on another node. */
  @ParameterizedTest
  @CsvSource({
    "db, node-a, spiffe://cluster.local/ns/shop/sa/db",
    "db, node-b, ''",
    "other, node-a, spiffe://cluster.local/ns/shop/sa/other",
    "other, node-b, ''"
  })
  void whatAPodOfThisNodeWasIsForgottenWhenItIsThatNoMore(
      String account, String node, String expected) throws Exception {
    assertEquals(
        Set.of("spiffe://cluster.local/ns/shop/sa/db"),
        after(DATABASE.formatted("db", "node-a", 1)));
    assertEquals(
        expected.isEmpty() ? Set.of() : Set.of(expected),
        after(DATABASE.formatted(account, node, 2)));
  }

  @Test
  void whatAnotherPodStillIsIsKept() throws Exception {
    String other = DATABASE.formatted("db", "node-a", 3).replace("db-0", "db-1");
    assertEquals(
        Set.of("spiffe://cluster.local/ns/shop/sa/db"),
        after(DATABASE.formatted("db", "node-a", 1), other));
    assertEquals(
        Set.of("spiffe://cluster.local/ns/shop/sa/db"),
        after(DATABASE.formatted("db", "node-b", 1), other));
  }
}
