package io.ztunnel.app;

import io.netty.util.NetUtil;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.metrics.SeriesBounds;
import io.ztunnel.routing.Exports;
import io.ztunnel.routing.TlsPassthrough;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Reads the configuration from variables, the proxy config and what the machine has. Used once, by
 * one thread.
 */
final class ConfigReader {
  private static final String META = "ISTIO_META_";
  private static final String METAJSON = "ISTIO_METAJSON_";
  private static final long MAX_U32 = 0xffff_ffffL;

  /** At 4 KiB each these are 400 MiB. */
  private static final int MAX_METRIC_LABEL_SETS = 100_000;

  private final Environment env;
  private final Host host;
  private final ProxyConfig proxyConfig;
  private final boolean ipv6;

  ConfigReader(Map<String, String> variables, Host host) {
    this.env = new Environment(variables);
    this.host = host;
    this.proxyConfig = ProxyConfig.load(env, host);
    this.ipv6 = env.flag("IPV6_ENABLED", true);
  }

  /**
   * The configuration; {@link ConfigException} says what is wrong.
   *
   * @param arguments the command line, without the program
   */
  Config read(List<String> arguments) {
    SortedMap<String, String> metadata = metadata();
    Config.Mode mode = mode();
    Config.Listeners listeners = listeners();
    Config.Dns dns = dns(mode, metadata);
    ControlPlaneReader controlPlane =
        new ControlPlaneReader(env, host, proxyConfig.discoveryAddress());
    Config.Xds xds = controlPlane.xds();
    if (!listeners.proxy() && !dns.proxy()) {
      throw ConfigException.state("run without any servers enabled (ENABLE_PROXY, DNS_CAPTURE)");
    }
    if (mode instanceof Config.Mode.Gateway gateway) {
      check(gateway, listeners, xds);
    }
    return new Config(
        listeners,
        node(),
        mode,
        hbone(),
        sockets(mode),
        dns,
        xds,
        controlPlane.ca(),
        localMesh(),
        security(),
        engine(),
        metrics(),
        metadata,
        structuredMetadata(),
        String.join(" ", arguments));
  }

  private static void check(
      Config.Mode.Gateway gateway, Config.Listeners listeners, Config.Xds xds) {
    if (xds.onDemand()) {
      // What it serves must be known before anybody asks: refusals would be guesses else.
      throw ConfigException.variable("XDS_ON_DEMAND", "true", "expected: false in gateway mode");
    }
    SortedSet<Integer> taken =
        new TreeSet<>(
            List.of(
                listeners.inbound().getPort(),
                listeners.admin().port(),
                listeners.stats().port(),
                listeners.readiness().port()));
    for (TlsPassthrough server : gateway.passthrough()) {
      if (taken.contains(server.port())) {
        throw ConfigException.variable(
            "GATEWAY_PASSTHROUGH",
            server.toString(),
            "port %d is the gateway's own, expected: another one than %s"
                .formatted(server.port(), taken));
      }
    }
  }

  private SortedMap<String, String> metadata() {
    var metadata = new TreeMap<String, String>();
    proxyConfig
        .proxyMetadata()
        .forEach(
            (key, value) ->
                metadata.put(key.startsWith(META) ? key.substring(META.length()) : key, value));
    env.withPrefix(META)
        .forEach(
            (name, value) -> {
              String key = name;
              while (key.startsWith(META)) {
                key = key.substring(META.length());
              }
              metadata.put(key, value);
            });
    return metadata;
  }

  private Map<String, String> structuredMetadata() {
    var metadata = new TreeMap<String, String>();
    env.withPrefix(METAJSON)
        .forEach((name, value) -> metadata.put(name.substring(METAJSON.length()), value));
    return metadata;
  }

  private Config.Mode mode() {
    String mode = env.text("PROXY_MODE", "shared");
    return switch (mode) {
      case "shared" ->
          new Config.Mode.Shared(
              env.path("INPOD_UDS", "/var/run/ztunnel/ztunnel.sock"),
              env.flag("INPOD_PORT_REUSE", true));
      case "dedicated" -> dedicated();
      case "gateway" -> gateway();
      default ->
          throw ConfigException.variable(
              "PROXY_MODE", mode, "expected: shared, dedicated or gateway");
    };
  }

  private Config.Mode dedicated() {
    String info = env.text("PROXY_WORKLOAD_INFO");
    if (info == null) {
      throw ConfigException.state(
          "PROXY_WORKLOAD_INFO is required in dedicated mode (namespace/name/serviceaccount)");
    }
    String[] parts = info.split("/", 3);
    if (parts.length < 3) {
      throw ConfigException.variable(
          "PROXY_WORKLOAD_INFO", info, "expected: namespace/name/serviceaccount");
    }
    return new Config.Mode.Dedicated(parts[0], parts[1], parts[2]);
  }

  private Config.Mode gateway() {
    Config.OwnWorkload self = self();
    if (self == null) {
      throw ConfigException.state(
          "POD_NAME, POD_NAMESPACE and SERVICE_ACCOUNT are required in gateway mode");
    }
    return new Config.Mode.Gateway(
        self,
        env.parsed("GATEWAY_EXPORTS", new Exports.Global(), Exports::parse),
        env.number("GATEWAY_MAX_SOURCE_CONNECTIONS", 2_000, 1, 1_000_000),
        env.number("GATEWAY_MAX_SOURCE_TUNNELS", 8_000, 1, 1_000_000),
        env.flag("GATEWAY_POLICIES", false),
        env.parsed(
            "GATEWAY_PASSTHROUGH", List.of(), text -> TlsPassthrough.parse(text, clusterDomain())));
  }

  private Config.Listeners listeners() {
    Integer adminPort = proxyConfig.proxyAdminPort();
    Integer statsPort = proxyConfig.statsPort();
    var illegalPorts = new TreeSet<>(List.of(15008, 15006, 15001));
    InetSocketAddress socks5 = null;
    if (env.flag("UNSTABLE_ENABLE_SOCKS5", false)) {
      socks5 = new InetSocketAddress(NetUtil.LOCALHOST4, 15080);
      illegalPorts.add(15080);
    }
    return new Config.Listeners(
        env.flag("ENABLE_PROXY", true),
        new BindAddress.Localhost(ipv6, adminPort == null ? 15000 : adminPort),
        new BindAddress.Socket(wildcard(statsPort == null ? 15020 : statsPort)),
        new BindAddress.Socket(wildcard(15021)),
        wildcard(15001),
        wildcard(15006),
        wildcard(15008),
        socks5,
        illegalPorts);
  }

  private InetSocketAddress wildcard(int port) {
    return socketAddress(ipv6 ? "::" : "0.0.0.0", port);
  }

  private static InetSocketAddress socketAddress(String ip, int port) {
    var address = NetUtil.createInetAddressFromIpAddressString(ip);
    if (address == null || port < 0 || port > 65_535) {
      throw new IllegalArgumentException("expected: an IP address and a port");
    }
    return new InetSocketAddress(address, port);
  }

  private Config.Node node() {
    String podName = env.text("POD_NAME", "");
    String podNamespace = env.text("POD_NAMESPACE", "");
    return new Config.Node(
        env.text("NETWORK", ""),
        env.text("NODE_NAME"),
        env.text("ISTIO_META_CLUSTER_ID", env.text("CLUSTER_ID", "Kubernetes")),
        clusterDomain(),
        podName,
        podNamespace,
        env.text("INSTANCE_IP", "1.1.1.1"),
        self());
  }

  private String clusterDomain() {
    return env.text("CLUSTER_DOMAIN", "cluster.local");
  }

  private Config.@Nullable OwnWorkload self() {
    String name = env.text("POD_NAME");
    String namespace = env.text("POD_NAMESPACE");
    String account = env.text("SERVICE_ACCOUNT");
    String trustDomain = env.text("TRUST_DOMAIN", "cluster.local");
    return name == null || namespace == null || account == null
        ? null
        : new Config.OwnWorkload(name, namespace, account, trustDomain);
  }

  private Config.Hbone hbone() {
    return new Config.Hbone(
        env.number("HTTP2_STREAM_WINDOW_SIZE", 4 << 20, 1, Integer.MAX_VALUE),
        env.number("HTTP2_CONNECTION_WINDOW_SIZE", 16 << 20, 65_535, Integer.MAX_VALUE),
        env.number("HTTP2_FRAME_SIZE", 1 << 20, 16_384, 16_777_215),
        env.number("POOL_MAX_STREAMS_PER_CONNECTION", 100, 1, 65_535),
        env.duration("POOL_UNUSED_RELEASE_TIMEOUT", Duration.ofMinutes(5)),
        env.timeout("ZTUNNEL_HANDSHAKE_TIMEOUT", Duration.ofSeconds(10)),
        env.timeout("ZTUNNEL_HBONE_ANSWER_TIMEOUT", Duration.ofSeconds(20)),
        env.number("ZTUNNEL_INNER_CONNECTIONS", 8, 0, 1_000),
        env.timeout("ZTUNNEL_INNER_REFRESH", Duration.ofSeconds(30)),
        env.number(
            "ZTUNNEL_MAX_INNER_CONNECTIONS", HboneSettings.Nested.DEFAULT_LIMIT, 1, 1_000_000),
        env.flag("ENABLE_RESPONSE_BAGGAGE", true));
  }

  private Config.Sockets sockets(Config.Mode mode) {
    var keepAlive =
        new Config.KeepAlive(
            env.flag("KEEPALIVE_ENABLED", true),
            env.timeout("KEEPALIVE_TIME", Duration.ofMinutes(3)),
            env.timeout("KEEPALIVE_INTERVAL", Duration.ofMinutes(3)),
            // TCP_KEEPCNT's limit (tcp(7))
            env.number("KEEPALIVE_RETRIES", 9, 1, 127));
    Duration userTimeout =
        env.flag("USER_TIMEOUT_ENABLED", false)
            ? keepAlive.time().plus(keepAlive.interval().multipliedBy(keepAlive.retries()))
            : null;
    long unmarked = 0;
    long mark =
        switch (mode) {
          case Config.Mode.Shared _ -> env.number("PACKET_MARK", 1337L, 0, MAX_U32);
          case Config.Mode.Dedicated _, Config.Mode.Gateway _ ->
              env.number("PACKET_MARK", unmarked, 0, MAX_U32);
        };
    return new Config.Sockets(
        keepAlive,
        userTimeout,
        mark == unmarked ? null : mark,
        originalSource(),
        env.timeout("ZTUNNEL_CONNECT_TIMEOUT", Duration.ofSeconds(10)),
        env.timeout("ZTUNNEL_HALF_CLOSE_PROBE", Duration.ofMinutes(1)),
        env.flag("LOCALHOST_APP_TUNNEL", true),
        ipv6);
  }

  private Config.OriginalSource originalSource() {
    if (env.text("ENABLE_ORIG_SRC") == null) {
      return Config.OriginalSource.AUTO;
    }
    return env.flag("ENABLE_ORIG_SRC", false)
        ? Config.OriginalSource.REQUIRED
        : Config.OriginalSource.NEVER;
  }

  private Config.Dns dns(Config.Mode mode, SortedMap<String, String> metadata) {
    String capture = metadata.get("DNS_CAPTURE");
    String address = metadata.getOrDefault("DNS_PROXY_ADDR", "localhost:15053");
    return new Config.Dns(
        !(mode instanceof Config.Mode.Gateway)
            && (capture == null || capture.equalsIgnoreCase("true")),
        dnsAddress(address),
        env.text("PREFERED_SERVICE_NAMESPACE"),
        ResolverConfig.load(host));
  }

  private BindAddress dnsAddress(String text) {
    int colon = text.lastIndexOf(':');
    try {
      String host = text.substring(0, Math.max(0, colon));
      int port = (int) Environment.wholeNumber(text.substring(colon + 1), 0, 65_535);
      if (host.equals("localhost")) {
        return new BindAddress.Localhost(ipv6, port);
      }
      boolean bracketed = host.startsWith("[") && host.endsWith("]");
      if (host.contains(":") != bracketed) {
        throw new IllegalArgumentException("expected: brackets around an IPv6 address, only");
      }
      String ip = bracketed ? host.substring(1, host.length() - 1) : host;
      return new BindAddress.Socket(socketAddress(ip, port));
    } catch (IllegalArgumentException e) {
      throw ConfigException.state(
          "failed to parse DNS_PROXY_ADDR: " + text + " (" + e.getMessage() + ")");
    }
  }

  private Config.LocalMesh localMesh() {
    String path = env.text("LOCAL_XDS_PATH");
    String yaml = env.text("LOCAL_XDS");
    if (path != null && yaml != null) {
      throw ConfigException.state("LOCAL_XDS_PATH and LOCAL_XDS are both set (expected: one)");
    }
    if (path != null) {
      return new Config.LocalMesh.YamlFile(Path.of(path));
    }
    return yaml == null ? new Config.LocalMesh.None() : new Config.LocalMesh.Inline(yaml);
  }

  private Config.Security security() {
    String crl = env.nonEmpty("CRL_PATH");
    return new Config.Security(
        env.parsed(
            "ZTUNNEL_TLS_PROVIDER",
            Config.TlsProvider.AUTO,
            value ->
                switch (value) {
                  case "auto" -> Config.TlsProvider.AUTO;
                  case "boringssl" -> Config.TlsProvider.BORINGSSL;
                  case "jdk" -> Config.TlsProvider.JDK;
                  default -> throw new IllegalArgumentException("expected: auto, boringssl or jdk");
                }),
        env.text("TLS12_ENABLED", "").equals("true"),
        env.text("COMPLIANCE_POLICY", "").equals("pqc"),
        crl == null ? null : Path.of(crl),
        env.text("AUTHZ_POLICY_INFO_LOGGING", "").equals("true"),
        env.parsed("ZTUNNEL_TRUST_DOMAIN_ALIASES", Set.of(), ConfigReader::trustDomains),
        env.parsed("ZTUNNEL_TRUST_DOMAIN_ROOTS", Map.of(), ConfigReader::trustDomainRoots));
  }

  /** Names with commas between them (SPIFFE ID, 2.1: lower case letters, digits, dots, dashes). */
  private static Set<String> trustDomains(String value) {
    Set<String> domains = new LinkedHashSet<>();
    for (String domain : pieces(value)) {
      if (!isTrustDomain(domain)) {
        throw new IllegalArgumentException("expected: names of trust domains, commas between them");
      }
      domains.add(domain);
    }
    return domains;
  }

  private static Map<String, Path> trustDomainRoots(String value) {
    Map<String, Path> roots = new TreeMap<>();
    for (String piece : pieces(value)) {
      String[] sides = piece.split("=", 2);
      if (sides.length < 2
          || !isTrustDomain(sides[0])
          || sides[1].isEmpty()
          || roots.put(sides[0], Path.of(sides[1])) != null) {
        throw new IllegalArgumentException(
            "expected: name=file for each trust domain once, commas between them");
      }
    }
    return roots;
  }

  private static List<String> pieces(String value) {
    return value.isEmpty()
        ? List.of()
        : Arrays.stream(value.split(",", -1)).map(String::strip).toList();
  }

  private static boolean isTrustDomain(String name) {
    return name.matches("[a-z0-9._-]{1,255}");
  }

  private SeriesBounds metrics() {
    return new SeriesBounds(
        env.number(
            "ZTUNNEL_METRIC_LABEL_SETS",
            SeriesBounds.DEFAULT.maxLabelSets(),
            1,
            MAX_METRIC_LABEL_SETS),
        env.duration("ZTUNNEL_METRIC_IDLE", SeriesBounds.DEFAULT.idle()));
  }

  private Config.Engine engine() {
    Duration deadline = terminationDeadline();
    // The last quarter is for what was accepted: most connections are short.
    Duration handoverWait = deadline.multipliedBy(3).dividedBy(4);
    return new Config.Engine(
        WorkerThreads.count(env, host.processors(), proxyConfig.concurrency()),
        env.parsed(
            "ZTUNNEL_TRANSPORT",
            Config.Transport.EPOLL,
            value ->
                switch (value) {
                  case "epoll" -> Config.Transport.EPOLL;
                  case "io_uring" -> Config.Transport.IO_URING;
                  case "nio" -> Config.Transport.NIO;
                  default -> throw new IllegalArgumentException("expected: epoll, io_uring or nio");
                }),
        deadline,
        env.duration("ZTUNNEL_HANDOVER_WAIT", handoverWait));
  }

  private Duration terminationDeadline() {
    long unset = -1;
    long grace = env.number("TERMINATION_GRACE_PERIOD_SECONDS", unset, 0, 1L << 32);
    Duration fallback = Duration.ofSeconds(5);
    if (grace != unset) {
      // What is left for the rest of the shutdown before the pod is killed.
      fallback = Duration.ofSeconds(Math.max(1, grace > 10 ? grace - 5 : grace - 1));
    }
    return env.duration("CONNECTION_TERMINATION_DEADLINE", fallback);
  }
}
