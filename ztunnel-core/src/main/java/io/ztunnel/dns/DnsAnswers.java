package io.ztunnel.dns;

import io.ztunnel.mesh.Endpoint;
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
import java.util.List;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Decides what the mesh answers to a question of one of its workloads (Istio, DNS server). Pure but
 * for the order of addresses, which is drawn.
 */
final class DnsAnswers {
  /** For how long clients may keep what the mesh says. */
  static final long TTL_SECONDS = 30;

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
     * Addresses.
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
   */
  Decision decide(MeshView view, Workload client, Question question) {
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
    List<InetAddress> addresses = addresses(view, client, service, ipv6);
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

  private static List<InetAddress> addresses(
      MeshView view, Workload client, Service service, boolean ipv6) {
    List<InetAddress> addresses = new ArrayList<>();
    for (NetworkAddress vip : service.vips()) {
      if (vip.network().equals(client.network()) && isOfFamily(vip.ip(), ipv6)) {
        addresses.add(vip.ip());
      }
    }
    if (service.vips().isEmpty()) { // headless
      service.endpoints().forEach(endpoint -> addFirst(view, endpoint, ipv6, addresses));
    }
    return addresses;
  }

  private static void addFirst(
      MeshView view, Endpoint endpoint, boolean ipv6, List<InetAddress> addresses) {
    Workload workload = view.workload(endpoint.workloadUid());
    if (workload == null) {
      return;
    }
    for (InetAddress ip : workload.ips()) {
      if (isOfFamily(ip, ipv6)) {
        addresses.add(ip);
        return;
      }
    }
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
