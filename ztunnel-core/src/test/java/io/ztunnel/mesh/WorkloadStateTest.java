package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.netty.util.concurrent.ImmediateEventExecutor;
import io.ztunnel.hbone.SpiffeId;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class WorkloadStateTest {
  private static final NamespacedHostname CART = TestMesh.key("ns/cart");
  private static final NetworkAddress IP = TestMesh.address("net1/10.0.0.1");

  private final MeshState state = TestMesh.state();

  @Test
  void isFoundByUidUntilItIsRemoved() {
    insert(pod("a").build());
    assertEquals("a", name(state.view().workload("c//Pod/ns/a")));
    remove("nobody");
    assertEquals(1, state.view().workloadCount());
    remove("c//Pod/ns/a");
    assertNull(state.view().workload("c//Pod/ns/a"));
    assertNull(state.view().workload(IP));
    assertEquals(0, state.view().workloadCount());
  }

  @Test
  void withTheSameUidTakesThePlaceOfTheOther() {
    insert(pod("a").build());
    insert(pod("a").ips(List.of(TestMesh.ip("10.0.0.2"))).build());
    assertNull(state.view().workload(IP));
    assertEquals("a", name(state.view().workload(TestMesh.address("net1/10.0.0.2"))));
    assertEquals(1, state.view().workloadCount());
  }

  @Test
  void onTheNodesNetworkIsNotFoundByAddress() {
    insert(pod("a").networkMode(NetworkMode.HOST_NETWORK).build());
    assertNull(state.view().workload(IP));
    assertEquals("a", name(state.view().workload("c//Pod/ns/a")));
  }

  @Test
  void ofAnotherNetworkIsNotFoundByAddress() {
    insert(pod("a").network("net2").build());
    assertNull(state.view().workload(IP));
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    "pod hbone entry,        pod,    a pod beats the entry that stands for it",
    "entry pod hbone,        pod,    a pod without HBONE beats HBONE without a pod",
    "entry pod hbone -pod,   hbone,  the next in rank",
    "entry hbone,            hbone,  HBONE beats plain",
    "hbone entry,            hbone,  whatever came first",
    "podhbone pod,           podhbone, a pod with HBONE beats all",
    "entry entry2,           entry2, the last of equals",
    "entry2 entry entry2,    entry2, inserting again counts",
    "entry entry2 entry,     entry,  inserting again counts",
    "pod -pod entry,         entry,  what is removed does not count",
    "pod entry -entry -pod,  ,       nothing is left",
  })
  void ofSeveralWithOneAddressTheHighestRankIsFound(String events, String found, String why) {
    for (String event : events.split(" ", -1)) {
      String name = event.replace("-", "");
      String uid = name.startsWith("pod") ? "c//Pod/ns/" + name : name;
      if (event.startsWith("-")) {
        remove(uid);
      } else {
        insert(
            Workload.builder(uid)
                .name(name)
                .network("net1")
                .ips(List.of(IP.ip()))
                .protocol(name.endsWith("hbone") ? Protocol.HBONE : Protocol.TCP)
                .build());
      }
    }
    assertEquals(found, name(state.view().workload(IP)), why);
  }

  @Test
  void ofThisNodeIsFoundByNameNamespaceAndServiceAccount() {
    insert(pod("a").build());
    insert(pod("b").node("node-b").build());
    assertEquals("a", name(state.view().localWorkload(new WorkloadInfo("a", "ns", "sa"))));
    assertNull(state.view().localWorkload(new WorkloadInfo("b", "ns", "sa")), "another node");
    assertNull(state.view().localWorkload(new WorkloadInfo("a", "ns", "other")));
    assertNull(state.view().localWorkload(new WorkloadInfo("a", "other", "sa")));
  }

  @Test
  void everyWorkloadIsLocalToANodeWithoutAName() {
    MeshState nameless = new MeshState(ImmediateEventExecutor.INSTANCE, null);
    nameless.update(update -> update.insertWorkload(pod("b").node("node-b").build()));
    assertEquals("b", name(nameless.view().localWorkload(new WorkloadInfo("b", "ns", "sa"))));
  }

  @Test
  void isFoundByItsHostnameWithinItsNamespace() {
    insert(pod("a").hostname("a.example.com").build());
    assertEquals("a", name(state.view().workload(TestMesh.key("ns/a.example.com"))));
    assertNull(state.view().workload(TestMesh.key("other/a.example.com")));
    insert(pod("a").build());
    assertNull(state.view().workload(TestMesh.key("ns/a.example.com")));
  }

  @Test
  void endpointsWaitForTheirServiceAndFollowTheirWorkload() {
    insert(pod("a").services(serving(80, 8080)).build());
    assertEquals("{ns/cart=[c//Pod/ns/a]}", staged());
    state.update(update -> update.insertService(cart().build()));
    assertEquals("{}", staged());
    assertEquals("[c//Pod/ns/a]", endpoints());

    state.update(
        update ->
            update.insertService(cart().vips(List.of(TestMesh.address("net1/10.1.0.1"))).build()));
    assertEquals("[c//Pod/ns/a]", endpoints(), "a new version of the service keeps them");
    assertSame(
        state.view().service(CART), state.view().service(TestMesh.address("net1/10.1.0.1"), null));

    insert(pod("b").services(serving(80, 8081)).build());
    assertEquals("[c//Pod/ns/a, c//Pod/ns/b]", endpoints());
    assertSame(
        state.view().service(CART),
        state.view().service(TestMesh.address("net1/10.1.0.1"), null),
        "every index has the same object");

    remove("c//Pod/ns/b");
    assertEquals("[c//Pod/ns/a]", endpoints());
    insert(pod("a").build());
    assertEquals("[]", endpoints(), "it does not serve it any more");
    insert(pod("a").services(serving(80, 8080)).build());
    insert(pod("a").services(serving(80, 8080)).status(HealthStatus.UNHEALTHY).build());
    assertEquals("[]", endpoints(), "it is not healthy any more");
  }

  @Test
  void anEndpointTakesTheNewPorts() {
    state.update(update -> update.insertService(cart().build()));
    insert(pod("a").services(serving(80, 8080)).build());
    insert(pod("a").services(serving(80, 9090)).build());
    Endpoint endpoint =
        Objects.requireNonNull(
            Objects.requireNonNull(state.view().service(CART)).endpoints().get("c//Pod/ns/a"));
    assertEquals(9090, endpoint.ports().target(80));
  }

  @Test
  void oneUpdateMayBringWorkloadsBeforeAndAfterTheirService() {
    state.update(
        update -> {
          for (int i = 0; i < 50; i++) {
            if (i == 25) {
              update.insertService(cart().build());
            }
            update.insertWorkload(pod("w" + i).services(serving(80, 8080)).build());
          }
          update.insertWorkload(pod("gone").services(serving(80, 8080)).build());
          update.removeWorkload("c//Pod/ns/gone");
        });
    assertEquals(50, Objects.requireNonNull(state.view().service(CART)).endpoints().size());
    assertEquals("{}", staged());
  }

  @Test
  void stagedEndpointsDoNotOutliveTheirWorkloads() {
    insert(pod("a").services(serving(80, 8080)).build());
    insert(pod("a").build());
    assertEquals("{}", staged());
    insert(pod("a").services(serving(80, 8080)).build());
    remove("c//Pod/ns/a");
    assertEquals("{}", staged());
  }

  @Test
  void aServiceThatComesBackHasItsWorkloadsAgain() {
    state.update(update -> update.insertService(cart().build()));
    insert(pod("a").services(serving(80, 8080)).build());
    insert(pod("bad").services(serving(80, 8080)).status(HealthStatus.UNHEALTHY).build());
    insert(pod("gone").services(serving(80, 8080)).build());
    state.update(update -> update.removeService(CART));
    assertNull(state.view().service(CART));
    assertEquals("{ns/cart=[c//Pod/ns/a, c//Pod/ns/bad, c//Pod/ns/gone]}", staged());

    remove("c//Pod/ns/gone");
    state.update(update -> update.removeService(CART)); // once more: there is none
    insert(pod("b").services(serving(80, 8080)).build());
    state.update(update -> update.insertService(cart().build()));
    assertEquals("{}", staged());
    assertEquals("[c//Pod/ns/a, c//Pod/ns/b]", endpoints());
    state.update(update -> update.insertService(cart().loadBalancer(allowAll()).build()));
    assertEquals("[c//Pod/ns/a, c//Pod/ns/b, c//Pod/ns/bad]", endpoints());
  }

  @Test
  void oneUpdateMayReplaceAServiceByItsRemoval() {
    insert(pod("a").services(serving(80, 8080)).build());
    state.update(update -> update.insertService(cart().build()));
    state.update(
        update -> {
          update.insertWorkload(pod("b").services(serving(80, 8080)).build());
          update.removeService(CART);
          update.insertService(cart().build());
          update.removeWorkload("c//Pod/ns/a");
        });
    assertEquals("{}", staged());
    assertEquals("[c//Pod/ns/b]", endpoints());
  }

  @Test
  void unhealthyEndpointsComeAndGoWithTheHealthPolicy() {
    insert(pod("good").services(serving(80, 8080)).build());
    insert(pod("bad").services(serving(80, 8080)).status(HealthStatus.UNHEALTHY).build());
    state.update(update -> update.insertService(cart().build()));
    assertEquals("[c//Pod/ns/good]", endpoints());
    state.update(update -> update.insertService(cart().loadBalancer(allowAll()).build()));
    assertEquals("[c//Pod/ns/bad, c//Pod/ns/good]", endpoints(), "better than the reference");
    state.update(update -> update.insertService(cart().build()));
    assertEquals("[c//Pod/ns/good]", endpoints());
    remove("c//Pod/ns/bad");
    state.update(update -> update.insertService(cart().loadBalancer(allowAll()).build()));
    assertEquals("[c//Pod/ns/good]", endpoints());
  }

  @Test
  void anUpdateThatFailsChangesNothing() {
    insert(pod("a").build());
    MeshView before = state.view();
    try {
      state.update(
          update -> {
            update.insertWorkload(pod("b").build());
            throw new DeliberateException();
          });
    } catch (DeliberateException _) {
      assertSame(before, state.view());
      return;
    }
    throw new AssertionError("it did not fail");
  }

  @Test
  void oldViewsStayAsTheyWere() {
    insert(pod("a").build());
    MeshView old = state.view();
    remove("c//Pod/ns/a");
    assertEquals("a", name(old.workload(IP)));
  }

  private static final class DeliberateException extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private void insert(Workload workload) {
    state.update(update -> update.insertWorkload(workload));
  }

  private void remove(String uid) {
    state.update(update -> update.removeWorkload(uid));
  }

  private String endpoints() {
    return Objects.requireNonNull(state.view().service(CART)).endpoints().sorted().stream()
        .map(Endpoint::workloadUid)
        .toList()
        .toString();
  }

  private String staged() {
    Map<String, List<String>> staged = new TreeMap<>();
    state
        .view()
        .stagedServices()
        .forEach(
            (key, set) ->
                staged.put(key, set.sorted().stream().map(Endpoint::workloadUid).toList()));
    return staged.toString();
  }

  private static Workload.Builder pod(String name) {
    return Workload.builder("c//Pod/ns/" + name)
        .name(name)
        .identity(new SpiffeId("td", "ns", "sa"))
        .network("net1")
        .node("node-a")
        .ips(List.of(IP.ip()));
  }

  private static Map<NamespacedHostname, PortMap> serving(int port, int target) {
    return Map.of(CART, PortMap.of(Map.of(port, target)));
  }

  private static Service.Builder cart() {
    return Service.builder(new ServiceName("cart", "ns", "cart"))
        .ports(PortMap.of(Map.of(80, 8080)));
  }

  private static LoadBalancer allowAll() {
    return new LoadBalancer(
        List.of(), LoadBalancer.Mode.STANDARD, LoadBalancer.HealthPolicy.ALLOW_ALL);
  }

  private static @Nullable String name(@Nullable Workload workload) {
    return workload == null ? null : workload.name();
  }
}
