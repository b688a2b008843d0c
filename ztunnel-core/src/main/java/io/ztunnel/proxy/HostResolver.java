package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.channel.socket.DatagramChannel;
import io.netty.handler.codec.dns.DnsResponseCode;
import io.netty.resolver.ResolvedAddressTypes;
import io.netty.resolver.dns.DefaultDnsCache;
import io.netty.resolver.dns.DnsCache;
import io.netty.resolver.dns.DnsErrorCauseException;
import io.netty.resolver.dns.DnsNameResolver;
import io.netty.resolver.dns.DnsNameResolverBuilder;
import io.netty.resolver.dns.DnsNameResolverChannelStrategy;
import io.netty.resolver.dns.DnsServerAddressStreamProvider;
import io.netty.resolver.dns.DnsServerAddressStreamProviders;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseNotifier;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Resolves the host names of workloads that have one instead of addresses: {@code /etc/hosts}, then
 * the name servers and search domains of {@code /etc/resolv.conf}, from the proxy's own namespace.
 * Answers are kept for their time to live, in one cache. When that is up and name servers fail, or
 * take long, the last answer is used on ({@link LastAnswers}); a name that they deny has none. It
 * is denied only if all is denied that it may be short for.
 *
 * <p>Thread-safe; each event loop has its own resolver, made at its first question.
 */
public final class HostResolver implements AutoCloseable {
  private static final int MIN_TTL_SECONDS = 1;
  private static final int MAX_TTL_SECONDS = 300;
  private static final int NEGATIVE_TTL_SECONDS = 1;
  private static final long QUERY_TIMEOUT_MILLIS = 5_000;

  /**
   * How many of one name may be under way on one loop; who comes then waits with the last of them.
   * Each has a socket, and name servers that are silent would have all ports used up.
   */
  private static final int MAX_LOOKUPS = 8;

  /** How long a new answer is waited for when there is an old one. */
  private static final long PATIENCE_MILLIS = 200;

  private final Class<? extends DatagramChannel> channelType;
  private final ResolvedAddressTypes types;
  private final SearchList searchList;
  private final DnsServerAddressStreamProvider nameServers;
  private final DnsCache cache;
  private final LastAnswers lastAnswers;
  private final Map<EventLoop, DnsNameResolver> resolvers = new ConcurrentHashMap<>();

  /** The lookups that have no answer yet. Each list is confined to its loop. */
  private final Map<Lookup, Deque<Future<List<InetAddress>>>> underWay = new ConcurrentHashMap<>();

  public HostResolver(
      Class<? extends DatagramChannel> channelType,
      boolean ipv6,
      SearchList searchList,
      LongSupplier nanoClock) {
    this(
        channelType,
        ipv6,
        searchList,
        nanoClock,
        DnsServerAddressStreamProviders.platformDefault(),
        new DefaultDnsCache(MIN_TTL_SECONDS, MAX_TTL_SECONDS, NEGATIVE_TTL_SECONDS));
  }

  /**
   * @param cache of answers whose time to live is not up
   */
  HostResolver(
      Class<? extends DatagramChannel> channelType,
      boolean ipv6,
      SearchList searchList,
      LongSupplier nanoClock,
      DnsServerAddressStreamProvider nameServers,
      DnsCache cache) {
    this.channelType = channelType;
    this.types = ipv6 ? ResolvedAddressTypes.IPV4_PREFERRED : ResolvedAddressTypes.IPV4_ONLY;
    this.searchList = searchList;
    this.nameServers = nameServers;
    this.cache = cache;
    this.lastAnswers = new LastAnswers(nanoClock);
  }

  private record Lookup(EventLoop loop, String hostname) {}

  /** Every address of the name. Bounded in time; called and completed on the given loop. */
  Future<List<InetAddress>> resolve(EventLoop loop, String hostname) {
    assert loop.inEventLoop();
    @Nullable List<InetAddress> last = lastAnswers.withoutAsking(hostname);
    if (last != null) {
      return loop.newSucceededFuture(last);
    }
    Future<List<InetAddress>> lookup = lookUpOrShare(new Lookup(loop, hostname));
    if (lookup.isSuccess()) { // by the cache
      lastAnswers.onAnswer(hostname, lookup.getNow());
      return lookup;
    }
    Promise<List<InetAddress>> outcome = loop.newPromise();
    lastAnswers.onAsked(hostname);
    Future<?> patience =
        loop.schedule(
            () -> useLast(hostname, "no answer yet", outcome),
            PATIENCE_MILLIS,
            TimeUnit.MILLISECONDS);
    lookup.addListener(
        (Future<List<InetAddress>> done) -> {
          patience.cancel(false);
          onLookup(hostname, done, outcome);
        });
    return outcome;
  }

  /**
   * A lookup of its own, or the outcome of the last one if too many are under way. Should that one
   * have no answer in what was left of its time, another follows it.
   */
  private Future<List<InetAddress>> lookUpOrShare(Lookup asked) {
    @Nullable Future<List<InetAddress>> last = lastOfMany(asked);
    if (last == null) {
      return lookUp(asked);
    }
    Promise<List<InetAddress>> outcome = asked.loop().newPromise();
    last.addListener(
        (Future<List<InetAddress>> shared) -> {
          boolean answered = shared.isSuccess() || isDenial(shared.cause());
          PromiseNotifier.cascade(answered ? shared : lookUp(asked), outcome);
        });
    return outcome;
  }

  /** The last one of as many as there may be; null: there may be another. */
  private @Nullable Future<List<InetAddress>> lastOfMany(Lookup asked) {
    @Nullable Deque<Future<List<InetAddress>>> begun = underWay.get(asked);
    return begun == null || begun.size() < MAX_LOOKUPS ? null : begun.getLast();
  }

  private Future<List<InetAddress>> lookUp(Lookup asked) {
    @Nullable Future<List<InetAddress>> last = lastOfMany(asked);
    if (last != null) {
      return last;
    }
    EventLoop loop = asked.loop();
    String hostname = asked.hostname();
    DnsNameResolver resolver = resolvers.computeIfAbsent(loop, this::create);
    boolean inHostsFile = resolver.hostsFileEntriesResolver().address(hostname, types) != null;
    List<String> names = inHostsFile ? List.of(hostname) : searchList.names(hostname);
    Search search = new Search(resolver, names.iterator(), loop.newPromise());
    search.next();
    if (!search.found.isDone()) { // else by the cache
      underWay.computeIfAbsent(asked, _ -> new ArrayDeque<>()).add(search.found);
      search.found.addListener(_ -> onEnded(asked, search.found));
    }
    return search.found;
  }

  private void onEnded(Lookup asked, Future<List<InetAddress>> lookup) {
    underWay.computeIfPresent(
        asked, (_, begun) -> begun.remove(lookup) && begun.isEmpty() ? null : begun);
  }

  private void onLookup(
      String hostname, Future<List<InetAddress>> lookup, Promise<List<InetAddress>> outcome) {
    if (lookup.isSuccess()) {
      lastAnswers.onAnswer(hostname, lookup.getNow());
      outcome.trySuccess(lookup.getNow());
      return;
    }
    if (isDenial(lookup.cause())) {
      lastAnswers.onDenial(hostname);
    }
    useLast(hostname, SocketErrors.text(lookup.cause()), outcome);
    outcome.tryFailure(lookup.cause());
  }

  private void useLast(String hostname, String why, Promise<List<InetAddress>> outcome) {
    @Nullable List<InetAddress> last = lastAnswers.last(hostname);
    if (last != null && outcome.trySuccess(last)) {
      ProxyLog.lastAddressesUsed(hostname, why);
    }
  }

  /** Whether a name server has answered that there is no such name, or no address of it. */
  private static boolean isDenial(Throwable failure) {
    return failure instanceof UnknownHostException
        && (failure.getCause() == null
            || (failure.getCause() instanceof DnsErrorCauseException told
                && told.getCode().equals(DnsResponseCode.NXDOMAIN)));
  }

  /**
   * Each lookup has a socket of its own: a port that nobody can guess (RFC 5452, 9.2), and if it
   * cannot be had, the next lookup tries again.
   */
  private DnsNameResolver create(EventLoop loop) {
    return new DnsNameResolverBuilder(loop)
        .datagramChannelType(channelType)
        .datagramChannelStrategy(DnsNameResolverChannelStrategy.ChannelPerResolution)
        .nameServerProvider(nameServers)
        .resolveCache(cache)
        .searchDomains(List.of())
        .queryTimeoutMillis(QUERY_TIMEOUT_MILLIS)
        .resolvedAddressTypes(types)
        .build();
  }

  @Override
  public void close() {
    resolvers.values().forEach(DnsNameResolver::close);
  }

  /** The names that one may be short for, one after the other. Confined to the resolver's loop. */
  private static final class Search {
    private final DnsNameResolver resolver;
    private final Iterator<String> names;
    private final Promise<List<InetAddress>> found;
    private @Nullable Throwable failure;

    Search(DnsNameResolver resolver, Iterator<String> names, Promise<List<InetAddress>> found) {
      this.resolver = resolver;
      this.names = names;
      this.found = found;
    }

    void next() {
      resolver
          .resolveAll(names.next())
          .addListener((Future<List<InetAddress>> lookup) -> onEnded(lookup));
    }

    private void onEnded(Future<List<InetAddress>> lookup) {
      if (lookup.isSuccess()) {
        found.trySuccess(lookup.getNow());
        return;
      }
      Throwable cause = lookup.cause();
      if (failure == null || isDenial(failure)) { // whether the name is one is not known else
        failure = cause;
      }
      if (names.hasNext() && !DnsNameResolver.isTransportOrTimeoutError(cause)) {
        next();
      } else {
        found.tryFailure(failure);
      }
    }
  }
}
