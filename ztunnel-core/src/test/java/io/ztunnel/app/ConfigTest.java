package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.app.Config.Authentication;
import io.ztunnel.app.Config.Header;
import io.ztunnel.app.Config.LocalMesh;
import io.ztunnel.app.Config.Mode;
import io.ztunnel.app.Config.OriginalSource;
import io.ztunnel.app.Config.OwnWorkload;
import io.ztunnel.app.Config.RootCertificates;
import io.ztunnel.app.Config.TlsProvider;
import io.ztunnel.app.Config.Transport;
import io.ztunnel.routing.ExportPattern;
import io.ztunnel.routing.Exports;
import io.ztunnel.routing.TlsPassthrough;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigTest {
  private static final FakeHost HOST = new FakeHost(2);

  private static Config config(String... namesAndValues) {
    return config(HOST, namesAndValues);
  }

  private static Config config(Host host, String... namesAndValues) {
    var variables = new HashMap<String, String>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      variables.put(namesAndValues[i], namesAndValues[i + 1]);
    }
    return Config.from(variables, List.of("proxy", "ztunnel"), host);
  }

  private static String refusal(String... namesAndValues) {
    return String.valueOf(
        assertThrows(ConfigException.class, () -> config(namesAndValues)).getMessage());
  }

  @Test
  void everyDefaultIsTheReferences() {
    Config config = config();

    Config.Listeners listeners = config.listeners();
    assertTrue(listeners.proxy());
    assertEquals(new BindAddress.Localhost(true, 15000), listeners.admin());
    assertEquals("[::]:15020", listeners.stats().toString());
    assertEquals("[::]:15021", listeners.readiness().toString());
    assertEquals(15001, listeners.outbound().getPort());
    assertEquals(15006, listeners.inboundPlaintext().getPort());
    assertEquals(15008, listeners.inbound().getPort());
    assertNull(listeners.socks5());
    assertEquals(Set.of(15001, 15006, 15008), listeners.illegalPorts());

    assertEquals(
        new Config.Node("", null, "Kubernetes", "cluster.local", "", "", "1.1.1.1", null),
        config.node());
    assertEquals(new Mode.Shared(Path.of("/var/run/ztunnel/ztunnel.sock"), true), config.mode());
    assertEquals(
        new Config.Hbone(
            4_194_304,
            16_777_216,
            1_048_576,
            100,
            Duration.ofMinutes(5),
            Duration.ofSeconds(10),
            Duration.ofSeconds(20),
            8,
            Duration.ofSeconds(30),
            10_000,
            true),
        config.hbone());
    assertEquals(
        new Config.Sockets(
            new Config.KeepAlive(true, Duration.ofMinutes(3), Duration.ofMinutes(3), 9),
            null,
            1337L,
            OriginalSource.AUTO,
            Duration.ofSeconds(10),
            Duration.ofMinutes(1),
            true,
            true),
        config.sockets());

    assertTrue(config.dns().proxy());
    assertEquals(new BindAddress.Localhost(true, 15053), config.dns().address());
    assertNull(config.dns().preferredServiceNamespace());

    URI istiod = URI.create("https://localhost:15012");
    var missingRoot = new RootCertificates.Pem("./var/run/secrets/istio/root-cert.pem");
    assertEquals(new Config.Xds(istiod, missingRoot, null, List.of(), false), config.xds());
    assertEquals(
        new Config.Ca(
            istiod,
            missingRoot,
            null,
            List.of(),
            new Authentication.None(),
            Duration.ofDays(1),
            Duration.ofSeconds(10),
            null,
            null),
        config.ca());
    assertEquals(new LocalMesh.None(), config.localMesh());
    assertEquals(
        new Config.Security(TlsProvider.AUTO, false, false, null, false, Set.of(), Map.of()),
        config.security());
    assertEquals(
        new Config.Engine(2, Transport.EPOLL, Duration.ofSeconds(5), Duration.ofMillis(3750)),
        config.engine());
    assertEquals(Map.of(), config.proxyMetadata());
    assertEquals(Map.of(), config.structuredMetadata());
    assertEquals("proxy ztunnel", config.arguments());
  }

  private record Setting(
      String name, String value, Function<Config, Object> part, Object expected) {}

  @Test
  void everyVariableReachesItsPart() {
    List<Setting> settings =
        List.of(
            new Setting("ENABLE_PROXY", "false", c -> c.listeners().proxy(), false),
            new Setting("NETWORK", "net1", c -> c.node().network(), "net1"),
            new Setting("NODE_NAME", "node-a", c -> String.valueOf(c.node().name()), "node-a"),
            new Setting("CLUSTER_ID", "west", c -> c.node().clusterId(), "west"),
            new Setting("ISTIO_META_CLUSTER_ID", "east", c -> c.node().clusterId(), "east"),
            new Setting(
                "CLUSTER_DOMAIN", "mesh.example", c -> c.node().clusterDomain(), "mesh.example"),
            new Setting("POD_NAME", "z-1", c -> c.node().podName(), "z-1"),
            new Setting(
                "POD_NAMESPACE", "istio-system", c -> c.node().podNamespace(), "istio-system"),
            new Setting("INSTANCE_IP", "10.0.0.1", c -> c.node().instanceIp(), "10.0.0.1"),
            new Setting(
                "INPOD_UDS",
                "/run/z.sock",
                Config::mode,
                new Mode.Shared(Path.of("/run/z.sock"), true)),
            new Setting(
                "INPOD_PORT_REUSE",
                "false",
                Config::mode,
                new Mode.Shared(Path.of("/var/run/ztunnel/ztunnel.sock"), false)),
            new Setting(
                "HTTP2_STREAM_WINDOW_SIZE", "65536", c -> c.hbone().streamWindowBytes(), 65_536),
            new Setting(
                "HTTP2_CONNECTION_WINDOW_SIZE",
                "131072",
                c -> c.hbone().connectionWindowBytes(),
                131_072),
            new Setting("HTTP2_FRAME_SIZE", "16384", c -> c.hbone().frameSizeBytes(), 16_384),
            new Setting(
                "POOL_MAX_STREAMS_PER_CONNECTION",
                "7",
                c -> c.hbone().maxStreamsPerConnection(),
                7),
            new Setting(
                "POOL_UNUSED_RELEASE_TIMEOUT",
                "1m",
                c -> c.hbone().idleRelease(),
                Duration.ofMinutes(1)),
            new Setting(
                "ZTUNNEL_HANDSHAKE_TIMEOUT",
                "3s",
                c -> c.hbone().handshakeTimeout(),
                Duration.ofSeconds(3)),
            new Setting("ZTUNNEL_INNER_CONNECTIONS", "0", c -> c.hbone().innerConnections(), 0),
            new Setting(
                "ZTUNNEL_INNER_REFRESH",
                "5s",
                c -> c.hbone().innerRefresh(),
                Duration.ofSeconds(5)),
            new Setting(
                "ZTUNNEL_MAX_INNER_CONNECTIONS", "9", c -> c.hbone().maxInnerConnections(), 9),
            new Setting(
                "ZTUNNEL_TRUST_DOMAIN_ALIASES",
                "east.example, west.example",
                c -> c.security().trustDomainAliases(),
                Set.of("east.example", "west.example")),
            new Setting(
                "ZTUNNEL_TRUST_DOMAIN_ROOTS",
                "east.example=/roots/east.pem, west.example=west.pem",
                c -> c.security().trustDomainRoots(),
                Map.of(
                    "east.example",
                    Path.of("/roots/east.pem"),
                    "west.example",
                    Path.of("west.pem"))),
            new Setting(
                "ZTUNNEL_HBONE_ANSWER_TIMEOUT",
                "4s",
                c -> c.hbone().answerTimeout(),
                Duration.ofSeconds(4)),
            new Setting(
                "ENABLE_RESPONSE_BAGGAGE", "false", c -> c.hbone().responseBaggage(), false),
            new Setting(
                "KEEPALIVE_ENABLED", "false", c -> c.sockets().keepAlive().enabled(), false),
            new Setting(
                "KEEPALIVE_TIME", "9s", c -> c.sockets().keepAlive().time(), Duration.ofSeconds(9)),
            new Setting(
                "KEEPALIVE_INTERVAL",
                "8s",
                c -> c.sockets().keepAlive().interval(),
                Duration.ofSeconds(8)),
            new Setting("KEEPALIVE_RETRIES", "3", c -> c.sockets().keepAlive().retries(), 3),
            new Setting(
                "USER_TIMEOUT_ENABLED",
                "true",
                c -> String.valueOf(c.sockets().userTimeout()),
                "PT30M"),
            new Setting("PACKET_MARK", "0", c -> String.valueOf(c.sockets().packetMark()), "null"),
            new Setting(
                "PACKET_MARK",
                "4294967295",
                c -> String.valueOf(c.sockets().packetMark()),
                "4294967295"),
            new Setting(
                "ENABLE_ORIG_SRC",
                "true",
                c -> c.sockets().originalSource(),
                OriginalSource.REQUIRED),
            new Setting(
                "ENABLE_ORIG_SRC",
                "false",
                c -> c.sockets().originalSource(),
                OriginalSource.NEVER),
            new Setting(
                "ZTUNNEL_CONNECT_TIMEOUT",
                "2s",
                c -> c.sockets().connectTimeout(),
                Duration.ofSeconds(2)),
            new Setting(
                "ZTUNNEL_HALF_CLOSE_PROBE",
                "5s",
                c -> c.sockets().halfCloseProbe(),
                Duration.ofSeconds(5)),
            new Setting("ZTUNNEL_METRIC_LABEL_SETS", "70", c -> c.metrics().maxLabelSets(), 70),
            new Setting(
                "ZTUNNEL_METRIC_IDLE", "5m", c -> c.metrics().idle(), Duration.ofMinutes(5)),
            new Setting("ZTUNNEL_METRIC_IDLE", "0s", c -> c.metrics().idle(), Duration.ZERO),
            new Setting(
                "LOCALHOST_APP_TUNNEL", "false", c -> c.sockets().localhostAppTunnel(), false),
            new Setting("IPV6_ENABLED", "false", c -> c.sockets().ipv6(), false),
            new Setting(
                "IPV6_ENABLED", "false", c -> c.listeners().stats().toString(), "0.0.0.0:15020"),
            new Setting(
                "IPV6_ENABLED",
                "false",
                c -> c.listeners().admin(),
                new BindAddress.Localhost(false, 15000)),
            new Setting(
                "UNSTABLE_ENABLE_SOCKS5",
                "true",
                c -> String.valueOf(c.listeners().socks5()),
                "localhost/127.0.0.1:15080"),
            new Setting(
                "UNSTABLE_ENABLE_SOCKS5",
                "true",
                c -> c.listeners().illegalPorts(),
                Set.of(15001, 15006, 15008, 15080)),
            new Setting(
                "PREFERED_SERVICE_NAMESPACE",
                "shop",
                c -> String.valueOf(c.dns().preferredServiceNamespace()),
                "shop"),
            new Setting("XDS_ADDRESS", "", c -> String.valueOf(c.xds().address()), "null"),
            new Setting(
                "XDS_ADDRESS",
                "istiod.istio-system.svc:15012",
                c -> String.valueOf(c.xds().address()),
                "https://istiod.istio-system.svc:15012"),
            new Setting(
                "XDS_ADDRESS", "http://a:1", c -> String.valueOf(c.xds().address()), "http://a:1"),
            new Setting(
                "CA_ADDRESS", "ca:1", c -> String.valueOf(c.ca().address()), "https://ca:1"),
            new Setting(
                "KUBERNETES_SERVICE_HOST",
                "",
                c -> String.valueOf(c.ca().address()),
                "https://istiod.istio-system.svc:15012"),
            new Setting(
                "XDS_ROOT_CA",
                "SYSTEM",
                c -> c.xds().roots(),
                new RootCertificates.SystemStore(null, List.of())),
            new Setting(
                "CA_ROOT_CA", "text", c -> c.ca().roots(), new RootCertificates.Pem("text")),
            new Setting(
                "CA_ROOT_CA",
                "/etc/resolv.conf",
                c -> c.ca().roots(),
                new RootCertificates.PemFile(Path.of("/etc/resolv.conf"))),
            new Setting(
                "ALT_XDS_HOSTNAME", "i", c -> String.valueOf(c.xds().alternativeHostname()), "i"),
            new Setting(
                "ALT_CA_HOSTNAME", "i", c -> String.valueOf(c.ca().alternativeHostname()), "i"),
            new Setting(
                "AUTH_TOKEN",
                "secret",
                c -> c.ca().authentication(),
                new Authentication.Token("secret")),
            new Setting(
                "AUTH_TOKEN",
                "/etc/resolv.conf",
                c -> c.ca().authentication(),
                new Authentication.TokenFile(Path.of("/etc/resolv.conf"))),
            new Setting("SECRET_TTL", "2h", c -> c.ca().secretTtl(), Duration.ofHours(2)),
            new Setting(
                "ZTUNNEL_CA_TIMEOUT", "3s", c -> c.ca().callTimeout(), Duration.ofSeconds(3)),
            new Setting(
                "ZTUNNEL_CERTIFICATE_DIR",
                "/certs",
                c -> String.valueOf(c.ca().certificateDirectory()),
                "/certs"),
            new Setting(
                "ZTUNNEL_CERTIFICATE_DIR",
                "",
                c -> String.valueOf(c.ca().certificateDirectory()),
                "null"),
            new Setting(
                "FAKE_CA",
                "true",
                c -> String.valueOf(c.ca().trialDirectory()),
                "/tmp/ztunnel-fake-ca"),
            new Setting("LOCAL_XDS", "{}", Config::localMesh, new LocalMesh.Inline("{}")),
            new Setting(
                "LOCAL_XDS_PATH",
                "m.yaml",
                Config::localMesh,
                new LocalMesh.YamlFile(Path.of("m.yaml"))),
            new Setting(
                "CRL_PATH", "/crl", c -> String.valueOf(c.security().revocationList()), "/crl"),
            new Setting("CRL_PATH", "", c -> String.valueOf(c.security().revocationList()), "null"),
            new Setting("TLS12_ENABLED", "true", c -> c.security().tls12(), true),
            new Setting("TLS12_ENABLED", "TRUE", c -> c.security().tls12(), false),
            new Setting("COMPLIANCE_POLICY", "pqc", c -> c.security().postQuantumOnly(), true),
            new Setting(
                "AUTHZ_POLICY_INFO_LOGGING",
                "true",
                c -> c.security().policyDecisionsAtInfo(),
                true),
            new Setting(
                "ZTUNNEL_TLS_PROVIDER", "jdk", c -> c.security().tlsProvider(), TlsProvider.JDK),
            new Setting(
                "ZTUNNEL_TLS_PROVIDER",
                "boringssl",
                c -> c.security().tlsProvider(),
                TlsProvider.BORINGSSL),
            new Setting("ZTUNNEL_TRANSPORT", "nio", c -> c.engine().transport(), Transport.NIO),
            new Setting(
                "ZTUNNEL_TRANSPORT", "io_uring", c -> c.engine().transport(), Transport.IO_URING),
            new Setting("ZTUNNEL_WORKER_THREADS", "3", c -> c.engine().workerThreads(), 3),
            new Setting(
                "ISTIO_METAJSON_X",
                "{\"a\":1}",
                Config::structuredMetadata,
                Map.of("X", "{\"a\":1}")),
            new Setting(
                "ISTIO_META_ISTIO_META_DEEP", "v", Config::proxyMetadata, Map.of("DEEP", "v")),
            new Setting("ISTIO_META_DNS_CAPTURE", "TRUE", c -> c.dns().proxy(), true),
            new Setting("ISTIO_META_DNS_CAPTURE", "no", c -> c.dns().proxy(), false),
            new Setting(
                "ISTIO_META_DNS_PROXY_ADDR",
                "localhost:53",
                c -> c.dns().address(),
                new BindAddress.Localhost(true, 53)),
            new Setting(
                "ISTIO_META_DNS_PROXY_ADDR",
                "[::1]:53",
                c -> c.dns().address().toString(),
                "[::1]:53"),
            new Setting(
                "CONNECTION_TERMINATION_DEADLINE",
                "7s",
                c -> c.engine().terminationDeadline(),
                Duration.ofSeconds(7)),
            new Setting(
                "CONNECTION_TERMINATION_DEADLINE",
                "8s",
                c -> c.engine().handoverWait(),
                Duration.ofSeconds(6)),
            new Setting(
                "ZTUNNEL_HANDOVER_WAIT", "0s", c -> c.engine().handoverWait(), Duration.ZERO));
    for (Setting setting : settings) {
      assertEquals(
          setting.expected(),
          setting.part().apply(config(setting.name(), setting.value())),
          setting.name() + "=" + setting.value());
    }
  }

  @ParameterizedTest
  @CsvSource({"30, 25", "11, 6", "10, 9", "2, 1", "1, 1", "0, 1"})
  void theDeadlineLeavesTimeBeforeThePodIsKilled(String grace, int seconds) {
    assertEquals(
        Duration.ofSeconds(seconds),
        config("TERMINATION_GRACE_PERIOD_SECONDS", grace).engine().terminationDeadline());
  }

  @Test
  void theOwnWorkloadNeedsNameNamespaceAndAccount() {
    Config config =
        config("POD_NAME", "z-1", "POD_NAMESPACE", "istio-system", "SERVICE_ACCOUNT", "ztunnel");
    var self = new OwnWorkload("z-1", "istio-system", "ztunnel", "cluster.local");
    assertEquals(self, config.node().self());
    assertEquals("spiffe://cluster.local/ns/istio-system/sa/ztunnel", self.identity());
    assertNull(config("POD_NAME", "z-1", "SERVICE_ACCOUNT", "ztunnel").node().self());
    assertEquals(
        new OwnWorkload("a", "b", "c", "td"),
        config("POD_NAME", "a", "POD_NAMESPACE", "b", "SERVICE_ACCOUNT", "c", "TRUST_DOMAIN", "td")
            .node()
            .self());
  }

  @Test
  void dedicatedModeServesOneWorkloadUnmarked() {
    Config config = config("PROXY_MODE", "dedicated", "PROXY_WORKLOAD_INFO", "shop/cart/sa/x");
    assertEquals(new Mode.Dedicated("shop", "cart", "sa/x"), config.mode());
    assertNull(config.sockets().packetMark());
    assertEquals(
        5L,
        config(
                "PROXY_MODE", "dedicated",
                "PROXY_WORKLOAD_INFO", "a/b/c",
                "PACKET_MARK", "5")
            .sockets()
            .packetMark());
  }

  @Test
  void gatewayModeServesNoWorkloadButItsOwnAndNoNames() {
    Config config =
        config(
            "PROXY_MODE", "gateway",
            "POD_NAME", "gw-1",
            "POD_NAMESPACE", "istio-system",
            "SERVICE_ACCOUNT", "gw",
            "GATEWAY_EXPORTS", "shop/*, */api.*",
            "GATEWAY_MAX_SOURCE_TUNNELS", "7",
            "GATEWAY_POLICIES", "true",
            "GATEWAY_PASSTHROUGH", "15012:istiod.istio-system.svc:15012",
            "CLUSTER_DOMAIN", "td.local");
    assertEquals(
        new Mode.Gateway(
            new Config.OwnWorkload("gw-1", "istio-system", "gw", "cluster.local"),
            new Exports.Listed(
                List.of(new ExportPattern("shop", "*"), new ExportPattern("*", "api.*"))),
            2_000,
            7,
            true,
            TlsPassthrough.parse("15012:istiod.istio-system.svc:15012", "td.local")),
        config.mode());
    assertFalse(config.dns().proxy());
    assertNull(config.sockets().packetMark());
  }

  @Test
  void aGatewayMustKnowWhoItIsAndWhatThereIs() {
    assertEquals(
        "invalid configuration: POD_NAME, POD_NAMESPACE and SERVICE_ACCOUNT are required in gateway"
            + " mode",
        refusal("PROXY_MODE", "gateway", "POD_NAME", "a", "POD_NAMESPACE", "b"));
    String[] self = {
      "PROXY_MODE", "gateway", "POD_NAME", "a", "POD_NAMESPACE", "b", "SERVICE_ACCOUNT", "c"
    };
    assertEquals(
        "invalid env var GATEWAY_EXPORTS=shop (expected: namespace/host, * for any text)",
        refusal(with(self, "GATEWAY_EXPORTS", "shop")));
    assertEquals(
        "invalid env var XDS_ON_DEMAND=true (expected: false in gateway mode)",
        refusal(with(self, "XDS_ON_DEMAND", "true")));
    assertEquals(
        "invalid configuration: run without any servers enabled (ENABLE_PROXY, DNS_CAPTURE)",
        refusal(with(self, "ENABLE_PROXY", "false")));
    assertEquals(
        "invalid env var GATEWAY_MAX_SOURCE_CONNECTIONS=0"
            + " (expected: a whole number from 1 to 1000000)",
        refusal(with(self, "GATEWAY_MAX_SOURCE_CONNECTIONS", "0")));
    assertEquals(
        "invalid env var GATEWAY_PASSTHROUGH=15012 (expected: port:host:port, as in"
            + " 15012:istiod.istio-system.svc:15012)",
        refusal(with(self, "GATEWAY_PASSTHROUGH", "15012")));
    assertEquals(
        "invalid env var GATEWAY_PASSTHROUGH=15020:a.example:1 (port 15020 is the gateway's own,"
            + " expected: another one than [15000, 15008, 15020, 15021])",
        refusal(with(self, "GATEWAY_PASSTHROUGH", "443:a.example:1,15020:a.example:1")));
  }

  private static String[] with(String[] variables, String name, String value) {
    String[] all = Arrays.copyOf(variables, variables.length + 2);
    all[variables.length] = name;
    all[variables.length + 1] = value;
    return all;
  }

  @Test
  void headersAreCollectedInLowerCase() {
    Config config =
        config("XDS_HEADER_HEADER_FOO", "foo", "CA_HEADER_A", "1", "CA_HEADER_B", "2 3");
    assertEquals(List.of(new Header("header_foo", "foo")), config.xds().headers());
    assertEquals(List.of(new Header("a", "1"), new Header("b", "2 3")), config.ca().headers());
  }

  @Test
  void theTrialDirectoryCanBeChosenAndCaAddressIsThenOptional() {
    Config config = config("FAKE_CA", "true", "FAKE_CA_DIR", "/shared", "CA_ADDRESS", "");
    assertEquals(Path.of("/shared"), config.ca().trialDirectory());
    assertNull(config.ca().address());
  }

  @Test
  void aTokenIsNotPrinted() {
    assertFalse(config("AUTH_TOKEN", "hunter2").toString().contains("hunter2"));
    assertFalse(ConfigDescription.yaml(config("AUTH_TOKEN", "hunter2")).contains("hunter2"));
  }

  @Test
  void meshFileAloneSetsPortsAndMetadata() {
    Config config =
        config(
            new FakeHost(2)
                .with(
                    ProxyConfig.MESH_FILE,
                    """
                    rootNamespace: istio-system
                    defaultConfig:
                      statsPort: 15888
                      proxyAdminPort: 15099
                      tracing: {sampling: 1}
                      proxyMetadata:
                        ISTIO_META_FOO: foo
                    """));
    assertEquals("[::]:15888", config.listeners().stats().toString());
    assertEquals(new BindAddress.Localhost(true, 15099), config.listeners().admin());
    assertEquals(Map.of("FOO", "foo"), config.proxyMetadata());
    assertEquals("Kubernetes", config.node().clusterId());
  }

  @Test
  void proxyConfigVariableAloneSetsDiscoveryAndTheEnvironmentWins() {
    Config config =
        config(
            "PROXY_CONFIG",
            "discoveryAddress: istiod:15012\nproxyMetadata: {ISTIO_META_FOO: file, BAR: b}\n",
            "ISTIO_META_FOO",
            "env",
            "ISTIO_META_CLUSTER_ID",
            "test-cluster",
            "FOO",
            "not imported");
    assertEquals("https://istiod:15012", String.valueOf(config.xds().address()));
    assertEquals("https://localhost:15012", String.valueOf(config.ca().address()));
    assertEquals(
        Map.of("FOO", "env", "BAR", "b", "CLUSTER_ID", "test-cluster"), config.proxyMetadata());
    assertEquals("test-cluster", config.node().clusterId());
  }

  @ParameterizedTest(name = "{0}")
  @ValueSource(strings = {"true", "no", "5", "1.10", "2026-11-22", "1:30", "0x10", "'~'"})
  void metadataAreTextsAsTheyAreWritten(String value) {
    assertEquals(
        Map.of("A", value.replace("'", "")),
        config("PROXY_CONFIG", "proxyMetadata: {A: " + value + "}").proxyMetadata());
  }

  @Test
  void dnsMayBeSwitchedOffWithoutQuotes() {
    assertFalse(config("PROXY_CONFIG", "proxyMetadata: {DNS_CAPTURE: false}").dns().proxy());
  }

  @Test
  void keysOfTheProxyConfigMayBeWithoutAValue() {
    Config config =
        config("PROXY_CONFIG", "discoveryAddress:\nstatsPort: ~\nproxyMetadata: null\n");
    assertEquals("https://localhost:15012", String.valueOf(config.xds().address()));
    assertEquals("[::]:15020", config.listeners().stats().toString());
  }

  @Test
  void theVariableOverridesTheMeshFileKeyByKey() {
    Config config =
        config(
            new FakeHost(8)
                .with(
                    ProxyConfig.MESH_FILE,
                    """
                    defaultConfig:
                      statsPort: 15888
                      proxyAdminPort: 15099
                      concurrency: 3
                      proxyMetadata: {SHARED: file, ONLY_FILE: f}
                    """),
            "PROXY_CONFIG",
            "proxyAdminPort: 15999\nproxyMetadata: {SHARED: env}\n");
    assertEquals(new BindAddress.Localhost(true, 15999), config.listeners().admin());
    assertEquals("[::]:15888", config.listeners().stats().toString());
    assertEquals(3, config.engine().workerThreads());
    assertEquals(Map.of("SHARED", "env", "ONLY_FILE", "f"), config.proxyMetadata());
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                    | the document: empty (expected: a mapping)
          defaultConfig: 7      | defaultConfig: 7 (expected: a mapping)
          '- a'                 | the document: [a] (expected: a mapping)
          """)
  void aBadMeshFileIsNamed(String yaml, String reason) {
    Host host = new FakeHost(1).with(ProxyConfig.MESH_FILE, yaml);
    var refused = assertThrows(ConfigException.class, () -> config(host));
    assertEquals(
        "error parsing proxy config: failed parsing mesh config file etc/istio/config/mesh: "
            + reason,
        String.valueOf(refused.getMessage()).replace("./etc", "etc"));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          statsPort: 70000          | statsPort: 70000 (expected: a whole number from 0 to 65535)
          concurrency: many         | concurrency: many (expected: a whole number from 0 to 65535)
          statsPort: 0x3e8c         | statsPort: 0x3e8c (expected: a whole number from 0 to 65535)
          proxyMetadata: {A: [b]}   | proxyMetadata.A: [b] (expected: a string)
          proxyMetadata: x          | proxyMetadata: x (expected: a mapping)
          discoveryAddress: [a]     | discoveryAddress: [a] (expected: a string)
          """)
  void aBadProxyConfigIsNamed(String yaml, String reason) {
    assertEquals(
        "error parsing proxy config: failed parsing proxy config env: " + reason,
        refusal("PROXY_CONFIG", yaml));
  }

  @Test
  void malformedOrDangerousYamlIsRefused() {
    assertTrue(refusal("PROXY_CONFIG", "a: [").startsWith("error parsing proxy config: failed"));
    assertTrue(
        refusal("PROXY_CONFIG", "!!java.net.URL [\"http://x\"]")
            .startsWith("error parsing proxy config: failed"));
  }

  @ParameterizedTest(name = "{0}={1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ENABLE_PROXY                    | yes      | expected: true or false
          IPV6_ENABLED                    | ''       | expected: true or false
          INPOD_PORT_REUSE                | TRUE     | expected: true or false
          PROXY_MODE                      | sidecar  | expected: shared, dedicated or gateway
          HTTP2_FRAME_SIZE                | 1_000    | expected: a whole number from 16384 to 16777215
          HTTP2_FRAME_SIZE                | 99       | expected: a whole number from 16384 to 16777215
          POOL_MAX_STREAMS_PER_CONNECTION | 65536    | expected: a whole number from 1 to 65535
          ZTUNNEL_TRUST_DOMAIN_ALIASES    | A        | expected: names of trust domains, commas between them
          ZTUNNEL_TRUST_DOMAIN_ROOTS      | a        | expected: name=file for each trust domain once, commas between them
          ZTUNNEL_TRUST_DOMAIN_ROOTS      | a=       | expected: name=file for each trust domain once, commas between them
          ZTUNNEL_TRUST_DOMAIN_ROOTS      | a=b,a=c  | expected: name=file for each trust domain once, commas between them
          POOL_MAX_STREAMS_PER_CONNECTION | ''       | expected: a whole number from 1 to 65535
          PACKET_MARK                     | -1       | expected: a whole number from 0 to 4294967295
          SECRET_TTL                      | soon     | expected: a duration such as 30s, 5m or 1h30m
          KEEPALIVE_TIME                  | 0s       | expected: more than 0
          ZTUNNEL_TRANSPORT               | kqueue   | expected: epoll, io_uring or nio
          ZTUNNEL_TLS_PROVIDER            | openssl  | expected: auto, boringssl or jdk
          CA_ADDRESS                      | ''       | expected: an address, unless FAKE_CA=true or ZTUNNEL_CERTIFICATE_DIR is set
          """)
  void aBadVariableIsNamedWithWhatIsExpected(String name, String value, String reason) {
    assertEquals(
        "invalid env var " + name + "=" + value + " (" + reason + ")", refusal(name, value));
  }

  @Test
  void addressesOnDemandGoTogetherWithTheDnsProxy() {
    Config config = config("XDS_ON_DEMAND", "true");
    assertTrue(config.xds().onDemand());
    assertTrue(config.dns().proxy());
  }

  @Test
  void settingsThatDoNotGoTogetherAreRefused() {
    assertEquals(
        "invalid configuration: run without any servers enabled (ENABLE_PROXY, DNS_CAPTURE)",
        refusal("ENABLE_PROXY", "false", "ISTIO_META_DNS_CAPTURE", "false"));
    assertEquals(
        "invalid configuration: LOCAL_XDS_PATH and LOCAL_XDS are both set (expected: one)",
        refusal("LOCAL_XDS_PATH", "a", "LOCAL_XDS", "b"));
    assertEquals(
        "invalid configuration: PROXY_WORKLOAD_INFO is required in dedicated mode"
            + " (namespace/name/serviceaccount)",
        refusal("PROXY_MODE", "dedicated"));
    assertEquals(
        "invalid env var PROXY_WORKLOAD_INFO=a/b (expected: namespace/name/serviceaccount)",
        refusal("PROXY_MODE", "dedicated", "PROXY_WORKLOAD_INFO", "a/b"));
  }

  @ParameterizedTest
  @CsvSource({"not-an-address", "localhost:x", "1.2.3.4", "::1:53", "1.2.3.4:70000", "[1.2.3.4]:5"})
  void aBadDnsAddressNamesKeyAndValue(String value) {
    String refusal = refusal("ISTIO_META_DNS_PROXY_ADDR", value);
    assertTrue(
        refusal.startsWith(
            "invalid configuration: failed to parse DNS_PROXY_ADDR: " + value + " ("),
        refusal);
  }

  @Test
  void whatOpensslReadsInPlaceOfTheSystemsRootsIsReadHereToo() {
    Config config =
        config(
            "XDS_ROOT_CA",
            "SYSTEM",
            "CA_ROOT_CA",
            "SYSTEM",
            "SSL_CERT_FILE",
            "/roots/all.pem",
            "SSL_CERT_DIR",
            "/roots/a:/roots/b");
    RootCertificates expected =
        new RootCertificates.SystemStore(
            Path.of("/roots/all.pem"), List.of(Path.of("/roots/a"), Path.of("/roots/b")));
    assertEquals(expected, config.xds().roots());
    assertEquals(expected, config.ca().roots());
    assertEquals(
        new RootCertificates.SystemStore(null, List.of()),
        config("XDS_ROOT_CA", "SYSTEM", "SSL_CERT_FILE", "", "SSL_CERT_DIR", "").xds().roots());
  }

  @ParameterizedTest
  @CsvSource({
    "XDS_ADDRESS, 'a b:1', 'invalid uri: XDS_ADDRESS=a b:1 ('",
    "XDS_ADDRESS, 'https://', 'invalid uri: XDS_ADDRESS=https:// ('",
    "XDS_ADDRESS, 'istiod:99999', 'invalid uri: XDS_ADDRESS=istiod:99999 ('",
    "CA_ADDRESS, 'https://istiod:0', 'invalid uri: CA_ADDRESS=https://istiod:0 ('",
    "XDS_HEADER_A B, x, 'failed to parse header key: XDS_HEADER_A B ('",
    "XDS_HEADER_A-BIN, x, 'failed to parse header key: XDS_HEADER_A-BIN ('",
    "CA_HEADER_X+TENANT, a, 'failed to parse header key: CA_HEADER_X+TENANT ('",
    "XDS_HEADER_X+TENANT, a, 'failed to parse header key: XDS_HEADER_X+TENANT ('",
    "CA_HEADER_A-BIN, x, 'failed to parse header key: CA_HEADER_A-BIN ('",
    "CA_HEADER_A, 'x\u0007', 'failed to parse header value: CA_HEADER_A ('",
  })
  void badAddressesAndHeadersAreNamed(String name, String value, String start) {
    String refusal = refusal(name, value);
    assertTrue(refusal.startsWith(start), refusal);
  }

  @Test
  void loopbackIsDualStackUnlessTheMachineHasNoIpv6OrHasItSwitchedOff() {
    var loopback = new BindAddress.Localhost(true, 15000);
    Path disabled = Path.of("/proc/sys/net/ipv6/conf/lo/disable_ipv6");
    assertEquals(2, loopback.addresses(withIpv6().with(disabled, "0\n")).size());
    assertEquals(2, loopback.addresses(withIpv6()).size());
    assertEquals(1, loopback.addresses(withIpv6().with(disabled, "1\n")).size());
    assertEquals(1, loopback.addresses(new FakeHost(1)).size(), "a kernel without IPv6");
    assertEquals(1, new BindAddress.Localhost(false, 1).addresses(withIpv6()).size());
  }

  private static FakeHost withIpv6() {
    return new FakeHost(1).with(Path.of("/proc/net/if_inet6"), "");
  }

  @Test
  void theWildcardIsIpv4WhereTheKernelHasNoIpv6() {
    BindAddress stats = config().listeners().stats();
    assertEquals(
        "[0:0:0:0:0:0:0:0]:15020",
        stats.addresses(withIpv6()).getFirst().toString().replaceFirst(".*/", ""));
    assertEquals(
        "0.0.0.0:15020",
        stats.addresses(new FakeHost(1)).getFirst().toString().replaceFirst(".*/", ""));
  }

  @Test
  void theDescriptionHasEveryFieldOfTheReference() {
    Set<String> reference =
        Set.of(
            ("adminAddr altCaHostname altXdsHostname caAddress caHeaders caRootCert clusterDomain"
                    + " clusterId connectionWindowSize crlPath dnsProxy dnsProxyAddr dnsResolverCfg"
                    + " dnsResolverOpts enableEnhancedBaggage fakeCa fakeSelfInbound frameSize"
                    + " illegalPorts inboundAddr inboundPlaintextAddr inpodPortReuse inpodUds"
                    + " ipv6Enabled localNode localhostAppTunnel network numWorkerThreads"
                    + " outboundAddr packetMark poolMaxStreamsPerConn poolUnusedReleaseTimeout"
                    + " preferedServiceNamespace proxy proxyArgs proxyMetadata proxyMode"
                    + " proxyWorkloadInformation readinessAddr requireOriginalSource secretTtl"
                    + " selfTerminationDeadline socketConfig socks5Addr statsAddr windowSize"
                    + " xdsAddress xdsHeaders xdsOnDemand xdsRootCert ztunnelIdentity"
                    + " ztunnelWorkload")
                .split(" "));
    var described = new TreeSet<>(ConfigDescription.of(config()).keySet());
    var ours = new TreeSet<>(described);
    ours.removeAll(reference);
    assertTrue(described.containsAll(reference));
    assertEquals(
        Set.of(
            "transport",
            "tlsProvider",
            "trustDomainAliases",
            "trustDomainRoots",
            "fakeCaDir",
            "connectTimeout",
            "handshakeTimeout",
            "hboneAnswerTimeout",
            "innerConnections",
            "innerRefresh",
            "maxInnerConnections",
            "halfCloseProbe",
            "metricLabelSets",
            "metricIdle"),
        ours);
  }

  @Test
  void theDescriptionHasTheReferencesShapes() {
    Map<String, ?> fields = ConfigDescription.of(config());
    assertEquals(Map.of("Localhost", List.of(true, 15000)), fields.get("adminAddr"));
    assertEquals(Map.of("SocketAddr", "[::]:15020"), fields.get("statsAddr"));
    assertEquals("[::]:15008", fields.get("inboundAddr"));
    assertEquals(Map.of("secs", 300L, "nanos", 0), fields.get("poolUnusedReleaseTimeout"));
    assertEquals("Static", fields.get("caRootCert"));
    assertEquals("Shared", fields.get("proxyMode"));
    assertTrue(ConfigDescription.yaml(config()).startsWith("proxy: true\ndnsProxy: true\n"));
  }

  @Test
  void theLoggedDescriptionTagsKindsAsTheReferenceDoes() {
    String yaml = ConfigDescription.yaml(config());
    for (String part :
        List.of(
            "adminAddr: !Localhost\n- true\n- 15000\nstatsAddr: !SocketAddr '[::]:15020'\n",
            "dnsProxyAddr: !Localhost\n- true\n- 15053\nillegalPorts:\n",
            "  userTimeoutEnabled: false\nxdsHeaders: []\ncaHeaders: []\n")) {
      assertTrue(yaml.contains(part), () -> part + "is not in\n" + yaml);
    }
  }

  @Test
  void headersAreDescribedWithoutTheirValues() {
    Config config = config("XDS_HEADER_AUTHORIZATION", "hunter2", "CA_HEADER_KEY", "hunter3");
    Map<String, ?> fields = ConfigDescription.of(config);
    assertEquals(List.of(List.of("authorization", "***")), fields.get("xdsHeaders"));
    assertEquals(List.of(List.of("key", "***")), fields.get("caHeaders"));
    assertFalse(ConfigDescription.yaml(config).contains("hunter"));
  }
}
