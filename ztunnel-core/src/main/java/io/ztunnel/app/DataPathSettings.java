package io.ztunnel.app;

import io.ztunnel.dns.DnsContext;
import io.ztunnel.dns.LookupSettings;
import io.ztunnel.dns.ResolverSettings;
import io.ztunnel.dns.SearchDomains;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.hbone.InnerLimit;
import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.proxy.HalfClosedProbing;
import io.ztunnel.proxy.ProxySettings;
import io.ztunnel.proxy.SearchList;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Transport;
import io.ztunnel.routing.GatewaySettings;
import io.ztunnel.routing.InboundSettings;
import io.ztunnel.routing.ReservedPorts;
import io.ztunnel.routing.TrustDomainAliases;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/** The configuration as the leaves and the proxies want it. Stateless. */
final class DataPathSettings {
  private static final int DNS_PORT = 53;

  private DataPathSettings() {}

  static HboneSettings hbone(Config config) {
    Config.Hbone hbone = config.hbone();
    HboneSettings defaults = HboneSettings.defaults();
    return new HboneSettings(
        hbone.streamWindowBytes(),
        hbone.connectionWindowBytes(),
        hbone.frameSizeBytes(),
        hbone.maxStreamsPerConnection(),
        hbone.idleRelease(),
        hbone.handshakeTimeout(),
        hbone.answerTimeout(),
        defaults.pingInterval(),
        defaults.pingTimeout(),
        defaults.heldBytes(),
        new HboneSettings.Nested(
            hbone.innerConnections(),
            hbone.innerRefresh(),
            new InnerLimit(hbone.maxInnerConnections())));
  }

  static ProxySettings proxy(Config config) {
    return new ProxySettings(
        config.node().network(),
        aliases(config.security()),
        new ReservedPorts(config.listeners().illegalPorts()),
        config.listeners().socks5() != null,
        config.sockets().originalSource() != Config.OriginalSource.NEVER,
        config.sockets().localhostAppTunnel()
            ? InboundSettings.TunnelDelivery.LOOPBACK
            : InboundSettings.TunnelDelivery.POD_ADDRESS,
        config.hbone().responseBaggage(),
        config.security().policyDecisionsAtInfo(),
        config.sockets().connectTimeout(),
        HalfClosedProbing.within(config.sockets().halfCloseProbe()),
        config.engine().terminationDeadline(),
        config.engine().handoverWait(),
        hbone(config));
  }

  /** Without roots of its own a trust domain stands for no peer that is dialled. */
  private static TrustDomainAliases aliases(Config.Security security) {
    Set<String> domains = new HashSet<>(security.trustDomainAliases());
    domains.retainAll(security.trustDomainRoots().keySet());
    return new TrustDomainAliases(domains);
  }

  static SocketSettings sockets(Config config) {
    Config.Sockets sockets = config.sockets();
    Config.KeepAlive keepAlive = sockets.keepAlive();
    OptionalInt mark =
        sockets.packetMark() == null
            ? OptionalInt.empty()
            : OptionalInt.of(sockets.packetMark().intValue());
    return new SocketSettings(
        sockets.ipv6(),
        mark,
        switch (config.mode()) {
          case Config.Mode.Shared _ -> mark;
          case Config.Mode.Dedicated _, Config.Mode.Gateway _ -> OptionalInt.empty();
        },
        switch (config.mode()) {
          case Config.Mode.Shared shared -> shared.reusePorts();
          case Config.Mode.Dedicated _ -> false;
          // So that it accepts for a while when it ends: those who dial it learn of the end late.
          case Config.Mode.Gateway _ -> true;
        },
        switch (sockets.originalSource()) {
          case AUTO -> SocketSettings.Transparency.BEST_EFFORT;
          case REQUIRED -> SocketSettings.Transparency.REQUIRED;
          case NEVER -> SocketSettings.Transparency.NEVER;
        },
        new SocketSettings.Keepalive(
            keepAlive.enabled(), keepAlive.time(), keepAlive.interval(), keepAlive.retries()),
        sockets.userTimeout() != null);
  }

  /** For tunnels to the daemon itself: its sockets are not redirected, so they need no mark. */
  static SocketSettings ownSockets(Config config) {
    SocketSettings sockets = sockets(config);
    return new SocketSettings(
        sockets.ipv6(),
        OptionalInt.empty(),
        sockets.portReuse(),
        SocketSettings.Transparency.NEVER,
        sockets.keepalive(),
        sockets.userTimeout());
  }

  /** For a gateway: it dials as itself, with the mark that was asked for. */
  static SocketSettings gatewaySockets(Config config) {
    SocketSettings sockets = sockets(config);
    return new SocketSettings(
        sockets.ipv6(),
        sockets.mark(),
        sockets.listenerMark(),
        sockets.portReuse(),
        SocketSettings.Transparency.NEVER,
        sockets.keepalive(),
        sockets.userTimeout());
  }

  static GatewaySettings gateway(Config config, Config.Mode.Gateway mode) {
    return new GatewaySettings(config.node().network(), ProxySettings.HBONE_PORT, mode.exports());
  }

  static DnsContext.Address dnsAddress(Config config) {
    return switch (config.dns().address()) {
      case BindAddress.Localhost(boolean _, int port) -> new DnsContext.Address.Loopback(port);
      case BindAddress.Socket(InetSocketAddress address) -> new DnsContext.Address.Exact(address);
    };
  }

  /** With the resolver as it is now: its file may have changed since the daemon started. */
  static DnsContext.Start dns(Config config, Host host) throws IOException {
    ResolverConfig resolver;
    try {
      resolver = ResolverConfig.load(host);
    } catch (ConfigException e) {
      throw new IOException(e.getMessage(), e);
    }
    return new DnsContext.Start(
        new LookupSettings(
            config.node().clusterDomain(),
            config.dns().preferredServiceNamespace(),
            config.sockets().ipv6(),
            switch (config.mode()) {
              case Config.Mode.Shared _ -> new SearchDomains.OfNamespace();
              case Config.Mode.Dedicated _, Config.Mode.Gateway _ ->
                  new SearchDomains.Listed(resolver.search());
            }),
        new ResolverSettings(
            resolver.nameservers().stream()
                .map(server -> new InetSocketAddress(server, DNS_PORT))
                .toList(),
            resolver.timeout(),
            resolver.attempts(),
            resolver.edns0()));
  }

  /** For host names of workloads, which are looked up from the proxy's own namespace. */
  static SearchList searchList(Config config) {
    ResolverConfig resolver = config.dns().resolver();
    boolean single = resolver.search().isEmpty() && !resolver.domain().isEmpty();
    return new SearchList(
        single ? List.of(resolver.domain()) : resolver.search(), resolver.ndots());
  }

  static TlsSettings tls(Config config) throws StartException {
    try {
      return new TlsSettings(
          switch (config.security().tlsProvider()) {
            case AUTO -> TlsSettings.Provider.best();
            case BORINGSSL -> TlsSettings.Provider.BORINGSSL;
            case JDK -> TlsSettings.Provider.JDK;
          },
          config.security().tls12(),
          config.security().postQuantumOnly(),
          config.security().trustDomainAliases());
    } catch (IllegalArgumentException e) {
      throw new StartException("COMPLIANCE_POLICY, ZTUNNEL_TLS_PROVIDER: " + e.getMessage());
    }
  }

  static Transport transport(Config config) throws StartException {
    Transport transport =
        switch (config.engine().transport()) {
          case EPOLL -> Transport.EPOLL;
          case IO_URING -> Transport.IO_URING;
          case NIO -> Transport.NIO;
        };
    if (transport == Transport.NIO && config.mode() instanceof Config.Mode.Shared) {
      throw new StartException(
          "ZTUNNEL_TRANSPORT: nio (expected: epoll or io_uring in shared mode, where packets need marks)");
    }
    if (!transport.available()) {
      throw new StartException(
          "transport %s is not available here: %s"
              .formatted(transport, transport.unavailabilityReason()));
    }
    return transport;
  }
}
