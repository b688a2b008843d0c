package io.ztunnel.app;

import io.netty.util.NetUtil;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.metrics.SeriesBounds;
import io.ztunnel.routing.Exports;
import io.ztunnel.routing.TlsPassthrough;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Everything that can be set, read once at start from the environment and the mesh config file.
 * Immutable. The table of all variables is {@code docs/configuration.md}; names, defaults and
 * derived numbers are those of Istio's ztunnel, except the few that the table marks as our own.
 *
 * @param proxyMetadata what the control plane is told of this proxy, as strings
 * @param structuredMetadata the same as JSON texts, by key
 * @param arguments the command line, only for the dump
 */
public record Config(
    Listeners listeners,
    Node node,
    Mode mode,
    Hbone hbone,
    Sockets sockets,
    Dns dns,
    Xds xds,
    Ca ca,
    LocalMesh localMesh,
    Security security,
    Engine engine,
    SeriesBounds metrics,
    Map<String, String> proxyMetadata,
    Map<String, String> structuredMetadata,
    String arguments) {

  private static final String META = "ISTIO_META_";
  private static final String METAJSON = "ISTIO_METAJSON_";
  private static final Pattern HEADER_NAME = Pattern.compile("[a-z0-9!#$%&'*+.^_`|~-]+");
  private static final long MAX_U32 = 0xffff_ffffL;

  /** At 4 KiB each these are 400 MiB. */
  private static final int MAX_METRIC_LABEL_SETS = 100_000;

  public Config {
    proxyMetadata = Collections.unmodifiableMap(new TreeMap<>(proxyMetadata));
    structuredMetadata = Collections.unmodifiableMap(new TreeMap<>(structuredMetadata));
  }

  /**
   * What the daemon listens on.
   *
   * @param proxy whether user traffic is proxied at all
   * @param socks5 null unless switched on
   * @param illegalPorts destinations that user traffic may not name, because they are our own
   */
  public record Listeners(
      boolean proxy,
      BindAddress admin,
      BindAddress stats,
      BindAddress readiness,
      InetSocketAddress outbound,
      InetSocketAddress inboundPlaintext,
      InetSocketAddress inbound,
      @Nullable InetSocketAddress socks5,
      SortedSet<Integer> illegalPorts) {
    public Listeners {
      illegalPorts = Collections.unmodifiableSortedSet(new TreeSet<>(illegalPorts));
    }
  }

  /**
   * Where and as whom the daemon runs.
   *
   * @param network the network of this node, may be empty
   * @param name the node's name; null makes every workload a local one
   * @param self the daemon's own workload; null unless the pod's name, namespace and account are
   *     all known
   */
  public record Node(
      String network,
      @Nullable String name,
      String clusterId,
      String clusterDomain,
      String podName,
      String podNamespace,
      String instanceIp,
      @Nullable OwnWorkload self) {}

  /** The daemon's own workload. */
  public record OwnWorkload(
      String name, String namespace, String serviceAccount, String trustDomain) {
    /** The SPIFFE identity. */
    public String identity() {
      return "spiffe://" + trustDomain + "/ns/" + namespace + "/sa/" + serviceAccount;
    }
  }

  /** For whom the daemon proxies. */
  public sealed interface Mode {
    /**
     * For all pods of the node that the CNI agent announces.
     *
     * @param agentSocket the agent's Unix socket
     * @param reusePorts SO_REUSEPORT on listeners, so that an old and a new daemon can overlap
     */
    record Shared(Path agentSocket, boolean reusePorts) implements Mode {}

    /** For one workload, in the daemon's own network namespace. */
    record Dedicated(String namespace, String name, String serviceAccount) implements Mode {}

    /**
     * For no workload: the daemon is a gateway for tunnels from other networks.
     *
     * @param self its own workload, whose identity it shows
     * @param exports the services that it serves
     * @param maxConnections of one source
     * @param maxTunnels of one source
     * @param asksPolicies whether those of its own pod are asked about each tunnel
     * @param passthrough servers that clients reach by TLS that the gateway does not end
     */
    record Gateway(
        OwnWorkload self,
        Exports exports,
        int maxConnections,
        int maxTunnels,
        boolean asksPolicies,
        List<TlsPassthrough> passthrough)
        implements Mode {
      public Gateway {
        passthrough = List.copyOf(passthrough);
        if (maxConnections < 1 || maxTunnels < 1) {
          throw new IllegalArgumentException(
              "maxConnections, maxTunnels: %d, %d (expected: >= 1)"
                  .formatted(maxConnections, maxTunnels));
        }
      }
    }
  }

  /**
   * Tunnels.
   *
   * @param handshakeTimeout for TLS and the HTTP/2 preface together, on both ends
   * @param answerTimeout for the answer to a CONNECT
   * @param innerConnections kept for each service of another network, on each loop; 0: none is
   * @param innerRefresh how long one of them is used
   * @param maxInnerConnections the most of the process
   * @param responseBaggage whether peers are told, and asked, who they are by baggage headers
   */
  public record Hbone(
      int streamWindowBytes,
      int connectionWindowBytes,
      int frameSizeBytes,
      int maxStreamsPerConnection,
      Duration idleRelease,
      Duration handshakeTimeout,
      Duration answerTimeout,
      int innerConnections,
      Duration innerRefresh,
      int maxInnerConnections,
      boolean responseBaggage) {}

  /**
   * TCP.
   *
   * @param userTimeout null if TCP_USER_TIMEOUT stays as it is
   * @param packetMark SO_MARK; null for none
   * @param connectTimeout for socket, bind and connect of one upstream
   * @param halfCloseProbe how long a dead peer goes unnoticed once one side has ended
   * @param localhostAppTunnel whether tunnelled application traffic is delivered on loopback
   */
  public record Sockets(
      KeepAlive keepAlive,
      @Nullable Duration userTimeout,
      @Nullable Long packetMark,
      OriginalSource originalSource,
      Duration connectTimeout,
      Duration halfCloseProbe,
      boolean localhostAppTunnel,
      boolean ipv6) {}

  /** TCP keepalive. */
  public record KeepAlive(boolean enabled, Duration time, Duration interval, int retries) {}

  /** Whether upstream sees the client's address. */
  public enum OriginalSource {
    /** Where the process is permitted to. */
    AUTO,
    /** Or the start fails. */
    REQUIRED,
    NEVER
  }

  /**
   * DNS of the pods.
   *
   * @param preferredServiceNamespace decides between services of one name, may be null
   */
  public record Dns(
      boolean proxy,
      BindAddress address,
      @Nullable String preferredServiceNamespace,
      ResolverConfig resolver) {}

  /** A header of every call to the control plane; the name is in lower case. */
  public record Header(String name, String value) {}

  /** Where the certificates come from that a server must be signed by. */
  public sealed interface RootCertificates {
    /** A PEM file, read again when it changes. */
    record PemFile(Path path) implements RootCertificates {}

    /** The system's trust store. */
    record SystemStore() implements RootCertificates {}

    /** PEM text. */
    record Pem(String text) implements RootCertificates {}
  }

  /** How the daemon proves itself to the control plane. */
  public sealed interface Authentication {
    /** Not at all. */
    record None() implements Authentication {}

    /** By a token in a file, read for every call. */
    record TokenFile(Path path) implements Authentication {}

    /** By this token. */
    record Token(String value) implements Authentication {
      // The token is a secret.
      @Override
      public String toString() {
        return "Token[...]";
      }
    }
  }

  /**
   * The control plane.
   *
   * @param address null if there is none
   * @param alternativeHostname a name the server may have beside that of the address, may be null
   * @param onDemand whether addresses are asked for when they are needed
   */
  public record Xds(
      @Nullable URI address,
      RootCertificates roots,
      @Nullable String alternativeHostname,
      List<Header> headers,
      boolean onDemand) {
    public Xds {
      headers = List.copyOf(headers);
    }
  }

  /**
   * Who signs workload certificates.
   *
   * @param address null only with a trial directory or certificates in files
   * @param callTimeout for one answer
   * @param trialDirectory if not null, certificates are signed by a root kept there, which several
   *     daemons of a trial share
   * @param certificateDirectory if not null, certificates are taken from files there, for the
   *     identities that have them
   */
  public record Ca(
      @Nullable URI address,
      RootCertificates roots,
      @Nullable String alternativeHostname,
      List<Header> headers,
      Authentication authentication,
      Duration secretTtl,
      Duration callTimeout,
      @Nullable Path trialDirectory,
      @Nullable Path certificateDirectory) {
    public Ca {
      headers = List.copyOf(headers);
    }
  }

  /** Workloads, services and policies that do not come from the control plane. */
  public sealed interface LocalMesh {
    /** None. */
    record None() implements LocalMesh {}

    /** A YAML file. */
    record YamlFile(Path path) implements LocalMesh {}

    /** YAML text. */
    record Inline(String yaml) implements LocalMesh {}
  }

  /**
   * TLS and policy.
   *
   * @param postQuantumOnly whether only X25519MLKEM768 is offered and accepted
   * @param revocationList a CRL file, may be null
   * @param policyDecisionsAtInfo whether policy decisions are logged at info instead of debug
   * @param trustDomainAliases other trust domains whose clients are let in
   */
  public record Security(
      TlsProvider tlsProvider,
      boolean tls12,
      boolean postQuantumOnly,
      @Nullable Path revocationList,
      boolean policyDecisionsAtInfo,
      Set<String> trustDomainAliases) {
    public Security {
      trustDomainAliases = Set.copyOf(trustDomainAliases);
    }
  }

  /** Which TLS implementation is used. */
  public enum TlsProvider {
    /** BoringSSL where its library loads, else the JDK's. */
    AUTO,
    BORINGSSL,
    JDK
  }

  /** Which sockets Netty uses. */
  public enum Transport {
    EPOLL,
    IO_URING,
    NIO
  }

  /**
   * What moves the bytes.
   *
   * @param terminationDeadline how long connections may go on after the order to end
   * @param handoverWait how long new ones are accepted then, if no other process takes over
   */
  public record Engine(
      int workerThreads, Transport transport, Duration terminationDeadline, Duration handoverWait) {
    public Engine {
      if (workerThreads < 1) {
        throw new IllegalArgumentException("workerThreads: " + workerThreads + " (expected: >= 1)");
      }
    }
  }

  /**
   * The configuration of these variables; {@link ConfigException} says what is wrong.
   *
   * @param variables the environment
   * @param arguments the command line, without the program
   */
  public static Config from(Map<String, String> variables, List<String> arguments, Host host) {
    var env = new Environment(variables);
    ProxyConfig proxyConfig = ProxyConfig.load(env, host);
    SortedMap<String, String> metadata = metadata(env, proxyConfig);
    boolean ipv6 = env.flag("IPV6_ENABLED", true);
    Mode mode = mode(env);
    Listeners listeners = listeners(env, proxyConfig, ipv6);
    Dns dns = dns(env, mode, metadata, ipv6, host);
    Xds xds = xds(env, proxyConfig, host);
    if (!listeners.proxy() && !dns.proxy()) {
      throw ConfigException.state("run without any servers enabled (ENABLE_PROXY, DNS_CAPTURE)");
    }
    if (mode instanceof Mode.Gateway gateway) {
      check(gateway, listeners, xds);
    }
    return new Config(
        listeners,
        node(env),
        mode,
        hbone(env),
        sockets(env, mode, ipv6),
        dns,
        xds,
        ca(env, host),
        localMesh(env),
        security(env),
        engine(env, proxyConfig, host),
        metrics(env),
        metadata,
        structuredMetadata(env),
        String.join(" ", arguments));
  }

  private static void check(Mode.Gateway gateway, Listeners listeners, Xds xds) {
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

  private static SortedMap<String, String> metadata(Environment env, ProxyConfig proxyConfig) {
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

  private static Map<String, String> structuredMetadata(Environment env) {
    var metadata = new TreeMap<String, String>();
    env.withPrefix(METAJSON)
        .forEach((name, value) -> metadata.put(name.substring(METAJSON.length()), value));
    return metadata;
  }

  private static Mode mode(Environment env) {
    String mode = env.text("PROXY_MODE", "shared");
    return switch (mode) {
      case "shared" ->
          new Mode.Shared(
              env.path("INPOD_UDS", "/var/run/ztunnel/ztunnel.sock"),
              env.flag("INPOD_PORT_REUSE", true));
      case "dedicated" -> dedicated(env);
      case "gateway" -> gateway(env);
      default ->
          throw ConfigException.variable(
              "PROXY_MODE", mode, "expected: shared, dedicated or gateway");
    };
  }

  private static Mode dedicated(Environment env) {
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
    return new Mode.Dedicated(parts[0], parts[1], parts[2]);
  }

  private static Mode gateway(Environment env) {
    OwnWorkload self = self(env);
    if (self == null) {
      throw ConfigException.state(
          "POD_NAME, POD_NAMESPACE and SERVICE_ACCOUNT are required in gateway mode");
    }
    return new Mode.Gateway(
        self,
        env.parsed("GATEWAY_EXPORTS", new Exports.Global(), Exports::parse),
        env.number("GATEWAY_MAX_SOURCE_CONNECTIONS", 2_000, 1, 1_000_000),
        env.number("GATEWAY_MAX_SOURCE_TUNNELS", 8_000, 1, 1_000_000),
        env.flag("GATEWAY_POLICIES", false),
        env.parsed(
            "GATEWAY_PASSTHROUGH",
            List.of(),
            text -> TlsPassthrough.parse(text, clusterDomain(env))));
  }

  private static Listeners listeners(Environment env, ProxyConfig proxyConfig, boolean ipv6) {
    Integer adminPort = proxyConfig.proxyAdminPort();
    Integer statsPort = proxyConfig.statsPort();
    var illegalPorts = new TreeSet<>(List.of(15008, 15006, 15001));
    InetSocketAddress socks5 = null;
    if (env.flag("UNSTABLE_ENABLE_SOCKS5", false)) {
      socks5 = new InetSocketAddress(NetUtil.LOCALHOST4, 15080);
      illegalPorts.add(15080);
    }
    return new Listeners(
        env.flag("ENABLE_PROXY", true),
        new BindAddress.Localhost(ipv6, adminPort == null ? 15000 : adminPort),
        new BindAddress.Socket(wildcard(ipv6, statsPort == null ? 15020 : statsPort)),
        new BindAddress.Socket(wildcard(ipv6, 15021)),
        wildcard(ipv6, 15001),
        wildcard(ipv6, 15006),
        wildcard(ipv6, 15008),
        socks5,
        illegalPorts);
  }

  private static InetSocketAddress wildcard(boolean ipv6, int port) {
    return socketAddress(ipv6 ? "::" : "0.0.0.0", port);
  }

  private static InetSocketAddress socketAddress(String ip, int port) {
    var address = NetUtil.createInetAddressFromIpAddressString(ip);
    if (address == null || port < 0 || port > 65_535) {
      throw new IllegalArgumentException("expected: an IP address and a port");
    }
    return new InetSocketAddress(address, port);
  }

  private static Node node(Environment env) {
    String podName = env.text("POD_NAME", "");
    String podNamespace = env.text("POD_NAMESPACE", "");
    return new Node(
        env.text("NETWORK", ""),
        env.text("NODE_NAME"),
        env.text("ISTIO_META_CLUSTER_ID", env.text("CLUSTER_ID", "Kubernetes")),
        clusterDomain(env),
        podName,
        podNamespace,
        env.text("INSTANCE_IP", "1.1.1.1"),
        self(env));
  }

  private static String clusterDomain(Environment env) {
    return env.text("CLUSTER_DOMAIN", "cluster.local");
  }

  private static @Nullable OwnWorkload self(Environment env) {
    String name = env.text("POD_NAME");
    String namespace = env.text("POD_NAMESPACE");
    String account = env.text("SERVICE_ACCOUNT");
    String trustDomain = env.text("TRUST_DOMAIN", "cluster.local");
    return name == null || namespace == null || account == null
        ? null
        : new OwnWorkload(name, namespace, account, trustDomain);
  }

  private static Hbone hbone(Environment env) {
    return new Hbone(
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

  private static Sockets sockets(Environment env, Mode mode, boolean ipv6) {
    var keepAlive =
        new KeepAlive(
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
          case Mode.Shared _ -> env.number("PACKET_MARK", 1337L, 0, MAX_U32);
          case Mode.Dedicated _, Mode.Gateway _ -> env.number("PACKET_MARK", unmarked, 0, MAX_U32);
        };
    return new Sockets(
        keepAlive,
        userTimeout,
        mark == unmarked ? null : mark,
        originalSource(env),
        env.timeout("ZTUNNEL_CONNECT_TIMEOUT", Duration.ofSeconds(10)),
        env.timeout("ZTUNNEL_HALF_CLOSE_PROBE", Duration.ofMinutes(1)),
        env.flag("LOCALHOST_APP_TUNNEL", true),
        ipv6);
  }

  private static OriginalSource originalSource(Environment env) {
    if (env.text("ENABLE_ORIG_SRC") == null) {
      return OriginalSource.AUTO;
    }
    return env.flag("ENABLE_ORIG_SRC", false) ? OriginalSource.REQUIRED : OriginalSource.NEVER;
  }

  private static Dns dns(
      Environment env, Mode mode, SortedMap<String, String> metadata, boolean ipv6, Host host) {
    String capture = metadata.get("DNS_CAPTURE");
    String address = metadata.getOrDefault("DNS_PROXY_ADDR", "localhost:15053");
    return new Dns(
        !(mode instanceof Mode.Gateway) && (capture == null || capture.equalsIgnoreCase("true")),
        dnsAddress(address, ipv6),
        env.text("PREFERED_SERVICE_NAMESPACE"),
        ResolverConfig.load(host));
  }

  private static BindAddress dnsAddress(String text, boolean ipv6) {
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

  private static Xds xds(Environment env, ProxyConfig proxyConfig, Host host) {
    String discovery = proxyConfig.discoveryAddress();
    String fallback = discovery == null ? istiod(env) : discovery;
    return new Xds(
        uri("XDS_ADDRESS", env.text("XDS_ADDRESS", fallback)),
        roots(env, "XDS_ROOT_CA", host),
        env.text("ALT_XDS_HOSTNAME"),
        headers(env, "XDS_HEADER_"),
        env.flag("XDS_ON_DEMAND", false));
  }

  private static Ca ca(Environment env, Host host) {
    Path trialDirectory =
        env.path("FAKE_CA_DIR", host.temporaryDirectory().resolve("ztunnel-fake-ca").toString());
    boolean trial = env.flag("FAKE_CA", false);
    URI address = uri("CA_ADDRESS", env.text("CA_ADDRESS", istiod(env)));
    String certificates = env.nonEmpty("ZTUNNEL_CERTIFICATE_DIR");
    if (address == null && !trial && certificates == null) {
      throw ConfigException.variable(
          "CA_ADDRESS",
          "",
          "expected: an address, unless FAKE_CA=true or ZTUNNEL_CERTIFICATE_DIR is set");
    }
    return new Ca(
        address,
        roots(env, "CA_ROOT_CA", host),
        env.text("ALT_CA_HOSTNAME"),
        headers(env, "CA_HEADER_"),
        authentication(env, host),
        env.timeout("SECRET_TTL", Duration.ofHours(24)),
        env.timeout("ZTUNNEL_CA_TIMEOUT", Duration.ofSeconds(10)),
        trial ? trialDirectory : null,
        certificates == null ? null : Path.of(certificates));
  }

  private static String istiod(Environment env) {
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
      return uri;
    } catch (URISyntaxException e) {
      throw new ConfigException(
          "invalid uri: " + name + "=" + text + " (" + e.getReason() + ")", e);
    }
  }

  private static RootCertificates roots(Environment env, String name, Host host) {
    String value = env.text(name, "./var/run/secrets/istio/root-cert.pem");
    if (isFile(value, host)) {
      return new RootCertificates.PemFile(Path.of(value));
    }
    return value.equals("SYSTEM")
        ? new RootCertificates.SystemStore()
        : new RootCertificates.Pem(value);
  }

  private static Authentication authentication(Environment env, Host host) {
    String file = "./var/run/secrets/tokens/istio-token";
    String value = env.text("AUTH_TOKEN", file);
    if (isFile(value, host)) {
      return new Authentication.TokenFile(Path.of(value));
    }
    return env.text("AUTH_TOKEN") == null
        ? new Authentication.None()
        : new Authentication.Token(value);
  }

  private static boolean isFile(String value, Host host) {
    try {
      return !value.isEmpty() && host.exists(Path.of(value));
    } catch (InvalidPathException _) {
      return false;
    }
  }

  private static List<Header> headers(Environment env, String prefix) {
    var headers = new ArrayList<Header>();
    env.withPrefix(prefix)
        .forEach(
            (variable, value) -> {
              String name = variable.substring(prefix.length()).toLowerCase(Locale.ROOT);
              if (!HEADER_NAME.matcher(name).matches() || name.endsWith("-bin")) {
                throw new ConfigException(
                    "failed to parse header key: " + variable + " (expected: a header name)");
              }
              if (!value.chars().allMatch(c -> c >= ' ' && c < 0x7f)) {
                throw new ConfigException(
                    "failed to parse header value: "
                        + variable
                        + " (expected: printable characters)");
              }
              headers.add(new Header(name, value));
            });
    return headers;
  }

  private static LocalMesh localMesh(Environment env) {
    String path = env.text("LOCAL_XDS_PATH");
    String yaml = env.text("LOCAL_XDS");
    if (path != null && yaml != null) {
      throw ConfigException.state("LOCAL_XDS_PATH and LOCAL_XDS are both set (expected: one)");
    }
    if (path != null) {
      return new LocalMesh.YamlFile(Path.of(path));
    }
    return yaml == null ? new LocalMesh.None() : new LocalMesh.Inline(yaml);
  }

  private static Security security(Environment env) {
    String crl = env.nonEmpty("CRL_PATH");
    return new Security(
        env.parsed(
            "ZTUNNEL_TLS_PROVIDER",
            TlsProvider.AUTO,
            value ->
                switch (value) {
                  case "auto" -> TlsProvider.AUTO;
                  case "boringssl" -> TlsProvider.BORINGSSL;
                  case "jdk" -> TlsProvider.JDK;
                  default -> throw new IllegalArgumentException("expected: auto, boringssl or jdk");
                }),
        env.text("TLS12_ENABLED", "").equals("true"),
        env.text("COMPLIANCE_POLICY", "").equals("pqc"),
        crl == null ? null : Path.of(crl),
        env.text("AUTHZ_POLICY_INFO_LOGGING", "").equals("true"),
        env.parsed("ZTUNNEL_TRUST_DOMAIN_ALIASES", Set.of(), Config::trustDomains));
  }

  /** Names with commas between them (SPIFFE ID, 2.1: lower case letters, digits, dots, dashes). */
  private static Set<String> trustDomains(String value) {
    Set<String> domains = new LinkedHashSet<>();
    for (String domain : value.isEmpty() ? new String[0] : value.split(",", -1)) {
      String name = domain.strip();
      if (!name.matches("[a-z0-9._-]{1,255}")) {
        throw new IllegalArgumentException("expected: names of trust domains, commas between them");
      }
      domains.add(name);
    }
    return domains;
  }

  private static SeriesBounds metrics(Environment env) {
    return new SeriesBounds(
        env.number(
            "ZTUNNEL_METRIC_LABEL_SETS",
            SeriesBounds.DEFAULT.maxLabelSets(),
            1,
            MAX_METRIC_LABEL_SETS),
        env.duration("ZTUNNEL_METRIC_IDLE", SeriesBounds.DEFAULT.idle()));
  }

  private static Engine engine(Environment env, ProxyConfig proxyConfig, Host host) {
    Duration deadline = terminationDeadline(env);
    // The last quarter is for what was accepted: most connections are short.
    Duration handoverWait = deadline.multipliedBy(3).dividedBy(4);
    return new Engine(
        WorkerThreads.count(env, host.processors(), proxyConfig.concurrency()),
        env.parsed(
            "ZTUNNEL_TRANSPORT",
            Transport.EPOLL,
            value ->
                switch (value) {
                  case "epoll" -> Transport.EPOLL;
                  case "io_uring" -> Transport.IO_URING;
                  case "nio" -> Transport.NIO;
                  default -> throw new IllegalArgumentException("expected: epoll, io_uring or nio");
                }),
        deadline,
        env.duration("ZTUNNEL_HANDOVER_WAIT", handoverWait));
  }

  private static Duration terminationDeadline(Environment env) {
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
