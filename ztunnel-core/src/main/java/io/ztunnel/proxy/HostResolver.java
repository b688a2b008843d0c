package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.channel.socket.DatagramChannel;
import io.netty.resolver.ResolvedAddressTypes;
import io.netty.resolver.dns.DefaultDnsCache;
import io.netty.resolver.dns.DnsCache;
import io.netty.resolver.dns.DnsNameResolver;
import io.netty.resolver.dns.DnsNameResolverBuilder;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Resolves the host names of workloads that have one instead of addresses: {@code /etc/hosts}, then
 * the name servers and search domains of {@code /etc/resolv.conf}, from the proxy's own namespace.
 * Answers are kept for their time to live, in one cache.
 *
 * <p>Thread-safe; each event loop has its own resolver, made at its first question.
 */
public final class HostResolver implements AutoCloseable {
  private static final int MIN_TTL_SECONDS = 1;
  private static final int MAX_TTL_SECONDS = 300;
  private static final int NEGATIVE_TTL_SECONDS = 1;
  private static final long QUERY_TIMEOUT_MILLIS = 5_000;

  private final Class<? extends DatagramChannel> channelType;
  private final boolean ipv6;
  private final DnsCache cache =
      new DefaultDnsCache(MIN_TTL_SECONDS, MAX_TTL_SECONDS, NEGATIVE_TTL_SECONDS);
  private final Map<EventLoop, DnsNameResolver> resolvers = new ConcurrentHashMap<>();

  public HostResolver(Class<? extends DatagramChannel> channelType, boolean ipv6) {
    this.channelType = channelType;
    this.ipv6 = ipv6;
  }

  /** Every address of the name. Bounded in time; completes on the given loop. */
  Future<List<InetAddress>> resolve(EventLoop loop, String hostname) {
    return resolvers.computeIfAbsent(loop, this::create).resolveAll(hostname);
  }

  private DnsNameResolver create(EventLoop loop) {
    return new DnsNameResolverBuilder(loop)
        .datagramChannelType(channelType)
        .resolveCache(cache)
        .queryTimeoutMillis(QUERY_TIMEOUT_MILLIS)
        .resolvedAddressTypes(
            ipv6 ? ResolvedAddressTypes.IPV4_PREFERRED : ResolvedAddressTypes.IPV4_ONLY)
        .build();
  }

  @Override
  public void close() {
    resolvers.values().forEach(DnsNameResolver::close);
  }
}
