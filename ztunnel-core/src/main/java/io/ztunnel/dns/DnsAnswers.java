package io.ztunnel.dns;

import io.ztunnel.mesh.EndpointSet;
import io.ztunnel.mesh.IpFamilies;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Decides what the mesh answers to a question of one of its workloads (Istio, DNS server). Pure but
 * for the order of addresses, which is drawn, and of too many for an answer, which ones.
 */
final class DnsAnswers {
  /** For how long clients may keep what the mesh says. */
  static final long TTL_SECONDS = 30;

  /** What a record of an address takes beside it, when its name is a pointer. */
  private static final int RECORD_BYTES = 12;

  private static final int IPV4_BYTES = 4;
  private static final int IPV6_BYTES = 16;

  private final LookupSettings settings;
  private final ServiceSearch search;
  private final Supplier<? extends RandomGenerator> random;

  DnsAnswers(LookupSettings settings, Supplier<? extends RandomGenerator> random) {
    this.settings = settings;
    this.search = new ServiceSearch(settings);
    this.random = random;
  }

  /** What becomes of a question. */
  sealed interface Decision {
    /** The service that has the name; null: there is none in the mesh. */
    @Nullable Service service();

    /** Not for the mesh: the name servers know. */
    record Forward() implements Decision {
      @Override
      public @Nullable Service service() {
        return null;
      }
    }

    /** The service has the name but, by its families or ours, no such addresses. */
    record Unsupported(Service service) implements Decision {}

    /** The service has the name, and no address now. */
    record Empty(Service service) implements Decision {}

    /**
     * Addresses; of very many pods as many as an answer can hold, and one more at least, so that it
     * shows that there are more.
     *
     * @param stripped the name that owns them, to which the asked one is an alias; null if the
     *     asked one owns them
     */
    record Addresses(Service service, @Nullable DomainName stripped, List<InetAddress> addresses)
        implements Decision {
      public Addresses {
        addresses = List.copyOf(addresses);
      }
    }
  }

  /**
   * @param question in lower case
   * @param limitBytes how long the answer can be
   */
  Decision decide(MeshView view, Workload client, Question question, int limitBytes) {
    if (!RecordType.isAddress(question.type()) || question.name().isRoot()) {
      return new Decision.Forward();
    }
    ServiceSearch.Match match = search.find(view, client, question.name().text());
    if (match == null) {
      return new Decision.Forward();
    }
    Service service = match.service();
    boolean ipv6 = question.type() == RecordType.AAAA;
    if (ipv6
        ? !settings.ipv6() || isOnly(service, IpFamilies.IPV4)
        : isOnly(service, IpFamilies.IPV6)) {
      return new Decision.Unsupported(service);
    }
    List<InetAddress> addresses =
        service.vips().isEmpty()
            ? podAddresses(view, service.endpoints(), ipv6, most(limitBytes, ipv6))
            : vips(client, service, ipv6);
    if (addresses.isEmpty()) {
      return new Decision.Empty(service);
    }
    Collections.shuffle(addresses, random.get());
    return new Decision.Addresses(service, owner(match), addresses);
  }

  /** Whom to ask the control plane for before the decision is final; nobody if it is. */
  List<NamespacedHostname> unknown(Workload client, Question question, Decision decision) {
    return switch (decision) {
      case Decision.Forward _ ->
          RecordType.isAddress(question.type()) && !question.name().isRoot()
              ? search.candidates(client, question.name().text())
              : List.of();
      // Its endpoints are known only once it was asked for.
      case Decision.Empty(Service service) ->
          service.vips().isEmpty() ? List.of(service.key()) : List.of();
      case Decision.Unsupported _, Decision.Addresses _ -> List.of();
    };
  }

  private static boolean isOnly(Service service, IpFamilies family) {
    return service.ipFamilies() == family;
  }

  /** More than fit into so many bytes. */
  private static int most(int limitBytes, boolean ipv6) {
    return limitBytes / (RECORD_BYTES + (ipv6 ? IPV6_BYTES : IPV4_BYTES)) + 1;
  }

  private static List<InetAddress> vips(Workload client, Service service, boolean ipv6) {
    List<InetAddress> addresses = new ArrayList<>();
    for (NetworkAddress vip : service.vips()) {
      if (vip.network().equals(client.network()) && isOfFamily(vip.ip(), ipv6)) {
        addresses.add(vip.ip());
      }
    }
    return addresses;
  }

  /** The first address of each endpoint of a headless service, or of so many that are drawn. */
  private List<InetAddress> podAddresses(
      MeshView view, EndpointSet endpoints, boolean ipv6, int most) {
    List<InetAddress> named = new ArrayList<>(0);
    endpoints.forEachNamed(
        endpoint -> {
          Workload workload = view.workload(endpoint.workloadUid());
          InetAddress ip = workload == null ? null : workload.firstIp(ipv6);
          if (ip != null) {
            named.add(ip);
          }
        });
    List<Workload> workloads = endpoints.workloadsWithIp(ipv6);
    return draw(workloads.size() + named.size(), most)
        .mapToObj(
            i ->
                i < workloads.size()
                    ? Objects.requireNonNull(workloads.get(i).firstIp(ipv6))
                    : named.get(i - workloads.size()))
        .collect(Collectors.toCollection(ArrayList::new));
  }

  /** All numbers below one, or so many of them, each equally likely (Floyd's algorithm). */
  private IntStream draw(int all, int most) {
    if (all <= most) {
      return IntStream.range(0, all);
    }
    RandomGenerator generator = random.get();
    Set<Integer> drawn = HashSet.newHashSet(most);
    for (int last = all - most; last < all; last++) {
      if (!drawn.add(generator.nextInt(last + 1))) {
        drawn.add(last);
      }
    }
    return drawn.stream().mapToInt(Integer::intValue);
  }

  private static boolean isOfFamily(InetAddress address, boolean ipv6) {
    return address instanceof Inet6Address == ipv6;
  }

  /**
   * A client whose resolver put a search domain behind the name learns that the name without it is
   * what it means, except through a wildcard, which would match either.
   */
  private static @Nullable DomainName owner(ServiceSearch.Match match) {
    String stripped = match.stripped();
    return stripped == null || match.service().hostname().startsWith("*.")
        ? null
        : DomainName.parse(stripped);
  }

  /**
   * The reply of a decision of the mesh.
   *
   * @param question in lower case
   */
  static Reply reply(Question question, Decision.Addresses decision) {
    List<ResourceRecord> records = new ArrayList<>(decision.addresses().size() + 1);
    DomainName owner = question.name();
    if (decision.stripped() != null) {
      records.add(ResourceRecord.alias(owner, decision.stripped(), TTL_SECONDS));
      owner = decision.stripped();
    }
    for (InetAddress address : decision.addresses()) {
      records.add(ResourceRecord.address(owner, address, TTL_SECONDS));
    }
    return new Reply.Found(Reply.Source.MESH, records, List.of());
  }
}
