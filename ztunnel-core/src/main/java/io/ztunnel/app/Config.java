package io.ztunnel.app;

import io.ztunnel.metrics.SeriesBounds;
import io.ztunnel.routing.Exports;
import io.ztunnel.routing.TlsPassthrough;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
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
record Config(
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

  Config {
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
  record Listeners(
      boolean proxy,
      BindAddress admin,
      BindAddress stats,
      BindAddress readiness,
      InetSocketAddress outbound,
      InetSocketAddress inboundPlaintext,
      InetSocketAddress inbound,
      @Nullable InetSocketAddress socks5,
      SortedSet<Integer> illegalPorts) {
    Listeners {
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
  record Node(
      String network,
      @Nullable String name,
      String clusterId,
      String clusterDomain,
      String podName,
      String podNamespace,
      String instanceIp,
      @Nullable OwnWorkload self) {}

  /** The daemon's own workload. */
  record OwnWorkload(String name, String namespace, String serviceAccount, String trustDomain) {
    /** The SPIFFE identity. */
    String identity() {
      return "spiffe://" + trustDomain + "/ns/" + namespace + "/sa/" + serviceAccount;
    }
  }

  /** For whom the daemon proxies. */
  sealed interface Mode {
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
  record Hbone(
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
  record Sockets(
      KeepAlive keepAlive,
      @Nullable Duration userTimeout,
      @Nullable Long packetMark,
      OriginalSource originalSource,
      Duration connectTimeout,
      Duration halfCloseProbe,
      boolean localhostAppTunnel,
      boolean ipv6) {}

  /** TCP keepalive. */
  record KeepAlive(boolean enabled, Duration time, Duration interval, int retries) {}

  /** Whether upstream sees the client's address. */
  enum OriginalSource {
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
  record Dns(
      boolean proxy,
      BindAddress address,
      @Nullable String preferredServiceNamespace,
      ResolverConfig resolver) {}

  /** A header of every call to the control plane; the name is in lower case. */
  record Header(String name, String value) {}

  /** Where the certificates come from that a server must be signed by. */
  sealed interface RootCertificates {
    /** A PEM file, read again when it changes. */
    record PemFile(Path path) implements RootCertificates {}

    /** The system's trust store, or what is to be read in its place: a file, or directories. */
    record SystemStore(@Nullable Path file, List<Path> directories) implements RootCertificates {}

    /** PEM text. */
    record Pem(String text) implements RootCertificates {}
  }

  /** How the daemon proves itself to the control plane. */
  sealed interface Authentication {
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
  record Xds(
      @Nullable URI address,
      RootCertificates roots,
      @Nullable String alternativeHostname,
      List<Header> headers,
      boolean onDemand) {
    Xds {
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
  record Ca(
      @Nullable URI address,
      RootCertificates roots,
      @Nullable String alternativeHostname,
      List<Header> headers,
      Authentication authentication,
      Duration secretTtl,
      Duration callTimeout,
      @Nullable Path trialDirectory,
      @Nullable Path certificateDirectory) {
    Ca {
      headers = List.copyOf(headers);
    }
  }

  /** Workloads, services and policies that do not come from the control plane. */
  sealed interface LocalMesh {
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
   * @param trustDomainRoots files with the roots of trust domains whose peers are believed by no
   *     other root
   */
  record Security(
      TlsProvider tlsProvider,
      boolean tls12,
      boolean postQuantumOnly,
      @Nullable Path revocationList,
      boolean policyDecisionsAtInfo,
      Set<String> trustDomainAliases,
      Map<String, Path> trustDomainRoots) {
    Security {
      trustDomainAliases = Set.copyOf(trustDomainAliases);
      trustDomainRoots = Map.copyOf(trustDomainRoots);
    }
  }

  /** Which TLS implementation is used. */
  enum TlsProvider {
    /** BoringSSL where its library loads, else the JDK's. */
    AUTO,
    BORINGSSL,
    JDK
  }

  /** Which sockets Netty uses. */
  enum Transport {
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
  record Engine(
      int workerThreads, Transport transport, Duration terminationDeadline, Duration handoverWait) {
    Engine {
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
  static Config from(Map<String, String> variables, List<String> arguments, Host host) {
    return new ConfigReader(variables, host).read(arguments);
  }
}
