package io.ztunnel.app;

import io.netty.util.NetUtil;
import io.ztunnel.routing.TlsPassthrough;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.Tag;
import org.yaml.snakeyaml.representer.Representer;

/**
 * A configuration as operators see it: the {@code config} part of {@code /config_dump}, and the
 * line logged at start. The names are Istio's; what only this proxy has comes last. Tokens, the
 * values of headers and the text of inline files are not shown.
 */
final class ConfigDescription {
  private static final String HIDDEN = "***";

  private ConfigDescription() {}

  /** Names to strings, numbers, flags, lists, maps and nulls, in the order of the log. */
  static Map<String, @Nullable Object> of(Config config) {
    var fields = new LinkedHashMap<String, @Nullable Object>();
    fields.put("proxy", config.listeners().proxy());
    fields.put("dnsProxy", config.dns().proxy());
    tunnels(config.hbone(), fields);
    listeners(config, fields);
    node(config, fields);
    controlPlane(config, fields);
    fields.put("selfTerminationDeadline", duration(config.engine().terminationDeadline()));
    fields.put("proxyMetadata", config.proxyMetadata());
    fields.put("numWorkerThreads", config.engine().workerThreads());
    fields.put("requireOriginalSource", originalSource(config.sockets().originalSource()));
    fields.put("proxyArgs", config.arguments());
    resolver(config, fields);
    sockets(config, fields);
    own(config, fields);
    return fields;
  }

  /** The same as YAML. */
  static String yaml(Config config) {
    var options = new DumperOptions();
    options.setDefaultFlowStyle(DumperOptions.FlowStyle.BLOCK);
    options.setDereferenceAliases(
        true); // two empty lists are one object, which is no one's business
    return new Yaml(new Tags(options), options).dump(of(config));
  }

  /** Writes the kind of a {@link Variant} as a tag. */
  private static final class Tags extends Representer {
    Tags(DumperOptions options) {
      super(options);
      representers.put(Variant.class, Tags.this::tagged);
    }

    private Node tagged(Object data) {
      var variant = (Variant) data;
      Node node = representData(variant.content());
      node.setTag(new Tag("!" + variant.kind()));
      return node;
    }
  }

  private static void tunnels(Config.Hbone hbone, Map<String, @Nullable Object> fields) {
    fields.put("windowSize", hbone.streamWindowBytes());
    fields.put("connectionWindowSize", hbone.connectionWindowBytes());
    fields.put("frameSize", hbone.frameSizeBytes());
    fields.put("poolMaxStreamsPerConn", hbone.maxStreamsPerConnection());
    fields.put("poolUnusedReleaseTimeout", duration(hbone.idleRelease()));
  }

  private static void listeners(Config config, Map<String, @Nullable Object> fields) {
    Config.Listeners listeners = config.listeners();
    fields.put("socks5Addr", address(listeners.socks5()));
    fields.put("adminAddr", listeners.admin().dump());
    fields.put("statsAddr", listeners.stats().dump());
    fields.put("readinessAddr", listeners.readiness().dump());
    fields.put("inboundAddr", address(listeners.inbound()));
    fields.put("inboundPlaintextAddr", address(listeners.inboundPlaintext()));
    fields.put("outboundAddr", address(listeners.outbound()));
    fields.put("dnsProxyAddr", config.dns().address().dump());
    fields.put("illegalPorts", List.copyOf(listeners.illegalPorts()));
  }

  private static void node(Config config, Map<String, @Nullable Object> fields) {
    fields.put("network", config.node().network());
    fields.put("localNode", config.node().name());
    switch (config.mode()) {
      case Config.Mode.Shared _ -> {
        fields.put("proxyMode", "Shared");
        fields.put("proxyWorkloadInformation", null);
      }
      case Config.Mode.Dedicated workload -> {
        fields.put("proxyMode", "Dedicated");
        fields.put(
            "proxyWorkloadInformation",
            workload(workload.name(), workload.namespace(), workload.serviceAccount()));
      }
      case Config.Mode.Gateway gateway -> {
        fields.put("proxyMode", "Gateway");
        fields.put("proxyWorkloadInformation", null);
        fields.put("gatewayExports", gateway.exports().toString());
        fields.put("gatewayMaxSourceConnections", gateway.maxConnections());
        fields.put("gatewayMaxSourceTunnels", gateway.maxTunnels());
        fields.put("gatewayPolicies", gateway.asksPolicies());
        fields.put(
            "gatewayPassthrough",
            gateway.passthrough().stream().map(TlsPassthrough::toString).toList());
      }
    }
    fields.put("clusterId", config.node().clusterId());
    fields.put("clusterDomain", config.node().clusterDomain());
  }

  private static Map<String, Object> workload(String name, String namespace, String account) {
    var workload = new LinkedHashMap<String, Object>();
    workload.put("name", name);
    workload.put("namespace", namespace);
    workload.put("serviceAccount", account);
    return workload;
  }

  private static void controlPlane(Config config, Map<String, @Nullable Object> fields) {
    Config.Ca ca = config.ca();
    Config.Xds xds = config.xds();
    fields.put("caAddress", ca.address() == null ? null : ca.address().toString());
    fields.put("caRootCert", roots(ca.roots()));
    fields.put("altCaHostname", ca.alternativeHostname());
    fields.put("xdsAddress", xds.address() == null ? null : xds.address().toString());
    fields.put("xdsRootCert", roots(xds.roots()));
    fields.put("altXdsHostname", xds.alternativeHostname());
    fields.put("preferedServiceNamespace", config.dns().preferredServiceNamespace());
    fields.put("secretTtl", duration(ca.secretTtl()));
    fields.put("xdsOnDemand", xds.onDemand());
    fields.put("fakeCa", ca.trialDirectory() != null);
    fields.put("fakeSelfInbound", false);
  }

  private static Object roots(Config.RootCertificates roots) {
    return switch (roots) {
      case Config.RootCertificates.PemFile file -> new Variant("File", file.path().toString());
      case Config.RootCertificates.Pem _ -> "Static";
      case Config.RootCertificates.SystemStore _ -> "Default";
    };
  }

  /** Without their values, which may be credentials. */
  private static List<List<String>> headers(List<Config.Header> headers) {
    return headers.stream().map(header -> List.of(header.name(), HIDDEN)).toList();
  }

  private static void resolver(Config config, Map<String, @Nullable Object> fields) {
    ResolverConfig resolver = config.dns().resolver();
    var servers = new ArrayList<Object>();
    for (InetAddress server : resolver.nameservers()) {
      var one = new LinkedHashMap<String, Object>();
      one.put("ip", NetUtil.toAddressString(server));
      one.put("trust_negative_responses", true);
      one.put("connections", List.of(port53("udp"), port53("tcp")));
      servers.add(one);
    }
    var addresses = new LinkedHashMap<String, @Nullable Object>();
    addresses.put("domain", resolver.domain().isEmpty() ? null : resolver.domain());
    addresses.put("search", resolver.search());
    addresses.put("name_servers", servers);
    fields.put("dnsResolverCfg", addresses);
    var options = new LinkedHashMap<String, @Nullable Object>();
    options.put("ndots", resolver.ndots());
    options.put("timeout", resolver.timeout().toSeconds());
    options.put("attempts", resolver.attempts());
    options.put("edns0", resolver.edns0());
    options.put("ip_strategy", config.sockets().ipv6() ? "Ipv4AndIpv6" : "Ipv4Only");
    options.put("cache_size", 4096);
    // Of the reference's resolver; ours has no such settings and keeps to the same.
    options.put("use_hosts_file", "Auto");
    options.put("positive_min_ttl", null);
    options.put("negative_min_ttl", null);
    options.put("positive_max_ttl", null);
    options.put("negative_max_ttl", null);
    options.put("num_concurrent_reqs", 2);
    options.put("max_active_requests", 32);
    options.put("preserve_intermediates", true);
    options.put("try_tcp_on_error", false);
    options.put("server_ordering_strategy", "QueryStatistics");
    options.put("recursion_desired", true);
    options.put("avoid_local_udp_ports", List.of());
    options.put("os_port_selection", false);
    options.put("case_randomization", false);
    options.put("trust_anchor", null);
    options.put("allow_answers", List.of());
    options.put("deny_answers", List.of());
    options.put("edns_payload_len", 1232);
    fields.put("dnsResolverOpts", options);
  }

  private static Map<String, @Nullable Object> port53(String protocol) {
    var connection = new LinkedHashMap<String, @Nullable Object>();
    connection.put("port", 53);
    connection.put("protocol", Map.of("type", protocol));
    connection.put("bind_addr", null);
    return connection;
  }

  private static void sockets(Config config, Map<String, @Nullable Object> fields) {
    Config.Sockets sockets = config.sockets();
    switch (config.mode()) {
      case Config.Mode.Shared shared -> {
        fields.put("inpodUds", shared.agentSocket().toString());
        fields.put("inpodPortReuse", shared.reusePorts());
      }
      case Config.Mode.Dedicated _, Config.Mode.Gateway _ -> {
        fields.put("inpodUds", null);
        fields.put("inpodPortReuse", false);
      }
    }
    fields.put("packetMark", sockets.packetMark());
    Config.KeepAlive keepAlive = sockets.keepAlive();
    var options = new LinkedHashMap<String, Object>();
    options.put("keepaliveTime", duration(keepAlive.time()));
    options.put("keepaliveInterval", duration(keepAlive.interval()));
    options.put("keepaliveRetries", keepAlive.retries());
    options.put("keepaliveEnabled", keepAlive.enabled());
    options.put("userTimeoutEnabled", sockets.userTimeout() != null);
    fields.put("socketConfig", options);
    fields.put("xdsHeaders", headers(config.xds().headers()));
    fields.put("caHeaders", headers(config.ca().headers()));
    fields.put("localhostAppTunnel", sockets.localhostAppTunnel());
    Config.OwnWorkload self = config.node().self();
    fields.put("ztunnelIdentity", self == null ? null : self.identity());
    fields.put(
        "ztunnelWorkload",
        self == null ? null : workload(self.name(), self.namespace(), self.serviceAccount()));
    fields.put("ipv6Enabled", sockets.ipv6());
    fields.put(
        "crlPath",
        config.security().revocationList() == null
            ? null
            : config.security().revocationList().toString());
    fields.put("enableEnhancedBaggage", config.hbone().responseBaggage());
  }

  /** What the reference does not have. */
  private static void own(Config config, Map<String, @Nullable Object> fields) {
    fields.put("transport", name(config.engine().transport()));
    fields.put("tlsProvider", name(config.security().tlsProvider()));
    fields.put(
        "trustDomainAliases", config.security().trustDomainAliases().stream().sorted().toList());
    Map<String, @Nullable Object> roots = new TreeMap<>();
    config
        .security()
        .trustDomainRoots()
        .forEach((domain, path) -> roots.put(domain, path.toString()));
    fields.put("trustDomainRoots", roots);
    fields.put(
        "fakeCaDir",
        config.ca().trialDirectory() == null ? null : config.ca().trialDirectory().toString());
    fields.put("connectTimeout", duration(config.sockets().connectTimeout()));
    fields.put("handshakeTimeout", duration(config.hbone().handshakeTimeout()));
    fields.put("hboneAnswerTimeout", duration(config.hbone().answerTimeout()));
    fields.put("innerConnections", config.hbone().innerConnections());
    fields.put("innerRefresh", duration(config.hbone().innerRefresh()));
    fields.put("maxInnerConnections", config.hbone().maxInnerConnections());
    fields.put("halfCloseProbe", duration(config.sockets().halfCloseProbe()));
    fields.put("metricLabelSets", config.metrics().maxLabelSets());
    fields.put("metricIdle", duration(config.metrics().idle()));
  }

  private static String name(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  private static @Nullable Boolean originalSource(Config.OriginalSource source) {
    return switch (source) {
      case AUTO -> null;
      case REQUIRED -> true;
      case NEVER -> false;
    };
  }

  private static @Nullable String address(@Nullable InetSocketAddress address) {
    return address == null ? null : NetUtil.toSocketAddressString(address);
  }

  private static Map<String, Object> duration(Duration duration) {
    var parts = new LinkedHashMap<String, Object>();
    parts.put("secs", duration.toSeconds());
    parts.put("nanos", duration.toNanosPart());
    return parts;
  }
}
