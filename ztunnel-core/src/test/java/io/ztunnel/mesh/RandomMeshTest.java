package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.hbone.SpiffeId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.RepeatedTest;

/** The state against a model that keeps plain lists and looks through all of them. */
final class RandomMeshTest {
  private static final int STEPS = 300;
  private static final List<String> NAMESPACES = List.of("a", "b", "c");
  private static final List<String> HOSTS = List.of("h1", "h2", "h3");
  private static final List<String> IPS =
      List.of("10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "fd00::1", "fd00::2");
  private static final List<String> RANGES =
      List.of("10.0.0.0/24", "10.0.0.7/24", "10.0.0.0/16", "0.0.0.0/0", "fd00::/64", "fd00::/127");

  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);
  private final MeshState state = TestMesh.state();

  /** In order of insertion. */
  private final Map<String, Workload> workloads = new LinkedHashMap<>();

  private final Map<NamespacedHostname, Service> services = new LinkedHashMap<>();

  /** All endpoints by service, whether healthy and whether the service is known or not. */
  private final Map<NamespacedHostname, Map<String, Endpoint>> endpoints = new HashMap<>();

  @RepeatedTest(5)
  void answersAsTheModelDoes() {
    System.out.println("mesh: seed " + seed);
    for (int step = 0; step < STEPS; step++) {
      if (random.nextInt(4) == 0) {
        state.hold(random.nextInt(50));
        for (int i = random.nextInt(4); i > 0; i--) {
          changeSome();
        }
        for (int i = random.nextInt(3); i > 0; i--) {
          boolean _ = state.settle(1);
        }
        state.show();
      } else {
        changeSome();
      }
      compare("seed " + seed + " step " + step);
    }
  }

  private void changeSome() {
    int changes = 1 + random.nextInt(3);
    state.update(
        update -> {
          for (int i = 0; i < changes; i++) {
            change(update);
          }
        });
  }

  private void change(MeshUpdate update) {
    switch (random.nextInt(6)) {
      case 0, 1, 2 -> {
        Workload workload = again(workloads.values(), this::workload);
        update.insertWorkload(workload);
        forget(workload.uid());
        workloads.put(workload.uid(), workload);
        workload
            .serving()
            .services()
            .forEach(
                (key, ports) ->
                    endpoints
                        .computeIfAbsent(key, _ -> new HashMap<>())
                        .put(workload.uid(), workload.endpoint(ports)));
      }
      case 3 -> {
        String uid = uid();
        update.removeWorkload(uid);
        forget(uid);
      }
      case 4 -> {
        Service service = again(services.values(), this::service);
        update.insertService(service);
        services.remove(service.key());
        services.put(service.key(), service);
      }
      default -> {
        NamespacedHostname key = new NamespacedHostname(pick(NAMESPACES), pick(HOSTS));
        update.removeService(key);
        services.remove(key);
      }
    }
  }

  private void forget(String uid) {
    workloads.remove(uid);
    endpoints.values().forEach(set -> set.remove(uid));
  }

  private void compare(String when) {
    MeshView view = state.view();
    assertEquals(workloads.size(), view.workloadCount(), when);
    for (String network : List.of("n1", "n2")) {
      for (String ip : IPS) {
        NetworkAddress address = new NetworkAddress(network, TestMesh.ip(ip));
        assertEquals(byAddress(address), view.workload(address), when);
        for (String client : List.of("a", "b", "x")) {
          assertEquals(byVip(address, client), text(view.service(address, client)), when);
        }
        assertEquals(byVip(address, null), text(view.service(address, null)), when);
      }
    }
    for (Workload workload : workloads.values()) {
      assertEquals(workload, view.workload(workload.uid()), when);
    }
    for (String host : HOSTS) {
      for (String namespace : NAMESPACES) {
        NamespacedHostname key = new NamespacedHostname(namespace, host);
        Service expected = services.get(key);
        Service found = view.service(key);
        assertEquals(expected == null ? null : key.toString(), text(found), when);
        if (found != null) {
          assertEquals(
              accepted(Objects.requireNonNull(expected)), content(found.endpoints()), when);
        }
      }
    }
    Map<String, Map<String, Endpoint>> staged = new TreeMap<>();
    endpoints.forEach(
        (key, set) -> {
          if (!set.isEmpty() && !services.containsKey(key)) {
            staged.put(key.toString(), set);
          }
        });
    Map<String, Map<String, Endpoint>> found = new TreeMap<>();
    view.stagedServices().forEach((key, set) -> found.put(key, content(set)));
    assertEquals(staged, found, when);
  }

  private @Nullable Workload byAddress(NetworkAddress address) {
    Workload best = null;
    int bestRank = -1;
    for (Workload workload : workloads.values()) {
      int rank =
          (workload.uid().contains("//Pod/") ? 2 : 0)
              + (workload.protocol() == Protocol.HBONE ? 1 : 0);
      boolean has =
          workload.networkMode() == NetworkMode.STANDARD
              && workload.network().equals(address.network())
              && workload.ips().contains(address.ip());
      if (has && rank >= bestRank) {
        best = workload;
        bestRank = rank;
      }
    }
    return best;
  }

  private @Nullable String byVip(NetworkAddress address, @Nullable String client) {
    Map<String, Service> latest = new LinkedHashMap<>(); // of each namespace
    for (Service service : services.values()) {
      if (service.vips().contains(address)) {
        latest.remove(service.namespace());
        latest.put(service.namespace(), service);
      }
    }
    List<Service> exact = latest.values().stream().filter(it -> it.visibleTo(client)).toList();
    for (Service service : exact) {
      if (service.namespace().equals(client)) {
        return text(service);
      }
    }
    if (!exact.isEmpty()) {
      return text(
          exact.stream()
              .filter(Service::canonical)
              .reduce((_, last) -> last)
              .orElse(exact.getFirst()));
    }
    Service best = null;
    int bestRank = -1;
    for (Service service : services.values()) {
      for (NetworkCidr range : service.cidrVips()) {
        int rank =
            (service.namespace().equals(client) ? 10_000 : 0)
                + range.cidr().length() * 10
                + (service.canonical() ? 1 : 0);
        if (range.network().equals(address.network())
            && range.cidr().contains(IpBits.of(address.ip()))
            && service.visibleTo(client)
            && rank > bestRank) {
          best = service;
          bestRank = rank;
        }
      }
    }
    return text(best);
  }

  private Map<String, Endpoint> accepted(Service service) {
    Map<String, Endpoint> accepted = new HashMap<>();
    endpoints
        .getOrDefault(service.key(), Map.of())
        .forEach(
            (uid, endpoint) -> {
              if (service.accepts(endpoint.status())) {
                accepted.put(uid, endpoint);
              }
            });
    return accepted;
  }

  private static Map<String, Endpoint> content(EndpointSet endpoints) {
    Map<String, Endpoint> content = new HashMap<>();
    endpoints.forEach(endpoint -> content.put(endpoint.workloadUid(), endpoint));
    return content;
  }

  private Workload workload() {
    Map<NamespacedHostname, PortMap> serving = new HashMap<>();
    for (int i = random.nextInt(3); i > 0; i--) {
      serving.put(
          new NamespacedHostname(pick(NAMESPACES), pick(HOSTS)),
          PortMap.of(Map.of(80, 8080 + random.nextInt(2))));
    }
    return Workload.builder(uid())
        .name("w")
        .identity(new SpiffeId("td", pick(NAMESPACES), "sa"))
        .network(random.nextBoolean() ? "n1" : "n2")
        .ips(some(IPS).stream().map(TestMesh::ip).toList())
        .protocol(random.nextBoolean() ? Protocol.HBONE : Protocol.TCP)
        .networkMode(random.nextInt(5) == 0 ? NetworkMode.HOST_NETWORK : NetworkMode.STANDARD)
        .status(random.nextInt(3) == 0 ? HealthStatus.UNHEALTHY : HealthStatus.HEALTHY)
        .services(serving)
        .build();
  }

  private Service service() {
    String host = pick(HOSTS);
    return Service.builder(new ServiceName(host, pick(NAMESPACES), host))
        .vips(
            some(IPS).stream()
                .map(ip -> new NetworkAddress(random.nextBoolean() ? "n1" : "n2", TestMesh.ip(ip)))
                .toList())
        .cidrVips(
            some(RANGES).stream()
                .map(range -> new NetworkCidr("n1", Objects.requireNonNull(Cidr.parse(range))))
                .toList())
        .canonical(random.nextInt(3) == 0)
        .visibility(
            random.nextInt(3) == 0 ? Service.Visibility.NAMESPACE : Service.Visibility.PUBLIC)
        .loadBalancer(
            random.nextBoolean()
                ? null
                : new LoadBalancer(
                    List.of(),
                    LoadBalancer.Mode.STANDARD,
                    pick(List.of(LoadBalancer.HealthPolicy.values()))))
        .build();
  }

  /** One that is there once more, or a new one. */
  private <T> T again(Collection<T> present, Supplier<T> fresh) {
    return random.nextInt(3) == 0 && !present.isEmpty() ? pick(List.copyOf(present)) : fresh.get();
  }

  private String uid() {
    return (random.nextBoolean() ? "c//Pod/ns/w" : "entry") + random.nextInt(12);
  }

  private <T> List<T> some(List<T> all) {
    List<T> some = new ArrayList<>();
    for (int i = random.nextInt(4); i > 0; i--) {
      some.add(pick(all));
    }
    return some;
  }

  private <T> T pick(List<T> all) {
    return all.get(random.nextInt(all.size()));
  }

  private static @Nullable String text(@Nullable Service service) {
    return service == null ? null : service.key().toString();
  }
}
