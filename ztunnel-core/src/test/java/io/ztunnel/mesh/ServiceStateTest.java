package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.ztunnel.hbone.SpiffeId;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ServiceStateTest {
  private final MeshState state = TestMesh.state();

  /**
   * Services are written {@code namespace/name}, followed by {@code !} if visible to their
   * namespace only and by {@code *} if canonical, {@code =} and addresses; {@code -namespace/name}
   * removes one. Addresses are in network net unless they say another.
   */
  @ParameterizedTest(name = "{0} | {1} from {2}: {3}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a/s=10.0.0.1                        | 10.0.0.1     | a | a/s | an exact address
          a/s=10.0.0.1                        | 10.0.0.2     | a |     | another address
          a/s=10.0.0.1                        | x/10.0.0.1   | a |     | another network
          a/s=10.0.0.1,10.0.0.2 b/s=10.0.0.1,10.0.0.3 | 10.0.0.1 | a | a/s | a shared address: own namespace
          a/s=10.0.0.1,10.0.0.2 b/s=10.0.0.1,10.0.0.3 | 10.0.0.1 | b | b/s | a shared address: own namespace
          a/s=10.0.0.1,10.0.0.2 b/s=10.0.0.1,10.0.0.3 | 10.0.0.1 | c | a/s | a shared address: the first for others
          a/s=10.0.0.1,10.0.0.2 b/s=10.0.0.1,10.0.0.3 | 10.0.0.3 | a | b/s | a private address of another namespace
          a/s=10.0.0.1 b/s*=10.0.0.1          | 10.0.0.1     | c | b/s | canonical beats the first
          a/s*=10.0.0.1 b/s*=10.0.0.1         | 10.0.0.1     | c | b/s | the last canonical
          a/s*=10.0.0.1 b/s=10.0.0.1          | 10.0.0.1     | b | b/s | own namespace beats canonical
          a/s=10.0.0.1 b/s=10.0.0.1 -a/s      | 10.0.0.1     | a | b/s | only what is removed goes
          a/s=10.0.0.1 b/s=10.0.0.1 -b/s      | 10.0.0.1     | b | a/s | only what is removed goes
          a/s=10.0.0.1 b/s=10.0.0.1 -a/s -b/s | 10.0.0.1     | a |     | all are removed
          a/s=10.0.0.1 a/s=10.0.0.2           | 10.0.0.1     | a |     | a new version drops an address
          a/s=10.0.0.1 a/t=10.0.0.1           | 10.0.0.1     | a | a/t | of one namespace the later
          a/s=10.0.0.1 a/t=10.0.0.1           | 10.0.0.1     | c | a/t | of one namespace the later
          a/s=10.0.0.1 a/t=10.0.0.1 -a/t      | 10.0.0.1     | a | a/s | the earlier is not lost
          a/s=10.0.0.1 a/t=10.0.0.1 -a/s      | 10.0.0.1     | a | a/t | the later is not lost
          a/s!=10.0.0.1                       | 10.0.0.1     | a | a/s | its own namespace sees it
          a/s!=10.0.0.1                       | 10.0.0.1     | b |     | another namespace does not
          a/s!=10.0.0.1                       | 10.0.0.1     | ? | a/s | a client that is not known does
          a/s!=10.0.0.0/24                    | 10.0.0.1     | a | a/s | a range: its own namespace sees it
          a/s!=10.0.0.0/24                    | 10.0.0.1     | b |     | a range: another does not
          a/s!=10.0.0.0/24                    | 10.0.0.1     | ? | a/s | a range: a client that is not known does
          a/s!=10.0.0.1 b/t=10.0.0.0/24       | 10.0.0.1     | b | b/t | a hidden address leaves its range
          a/s!=10.0.0.1 b/t=10.0.0.0/24       | 10.0.0.1     | c | b/t | a hidden address leaves its range
          a/s!=10.0.0.1 b/t=10.0.0.0/24       | 10.0.0.1     | a | a/s | the owner has its address
          a/s=10.0.0.0/24                     | 10.0.0.77    | a | a/s | inside
          a/s=10.0.0.0/24                     | 10.0.1.77    | a |     | outside
          a/s=10.0.0.9/24                     | 10.0.0.77    | a | a/s | host bits do not count
          a/s=fd00::/112                      | fd00::77     | a | a/s | inside
          a/s=fd00::/112                      | fd00::1:77   | a |     | outside
          a/s=10.0.0.0/16 a/t=10.0.1.0/24     | 10.0.1.77    | a | a/t | the longest prefix
          a/s=10.0.0.0/16 a/t=10.0.1.0/24     | 10.0.2.77    | a | a/s | outside the narrow one
          a/s=fd00::/48 a/t=fd00::/112        | fd00::77     | a | a/t | the longest prefix
          a/s=fd00::/48 a/t=fd00::/112        | fd00::1:77   | a | a/s | outside the narrow one
          a/s=10.0.0.0/24,fd00::/112          | 10.0.0.77    | a | a/s | both families
          a/s=10.0.0.0/24,fd00::/112          | fd00::77     | a | a/s | both families
          a/s=10.0.0.0/24,fd00::/112          | fd01::77     | a |     | both families, outside
          a/s=0.0.0.0/0                       | fd00::77     | a |     | families do not mix
          a/s=::/0                            | 10.0.0.1     | a |     | families do not mix
          a/s=10.0.0.1,fd00::/112             | fd00::77     | a | a/s | address and range of one service
          a/s=10.0.0.1 a/t=10.0.0.0/24        | 10.0.0.1     | a | a/s | an address beats a range
          a/s=fd00::1 a/t=fd00::/112          | fd00::1      | a | a/s | an address beats a range
          a/s=x/10.0.0.0/24                   | 10.0.0.77    | a |     | a range of another network
          a/s=10.0.0.0/24 -a/s                | 10.0.0.77    | a |     | removed
          a/s=10.0.0.0/24 b/s=10.0.0.0/24     | 10.0.0.77    | a | a/s | equal ranges: own namespace
          a/s=10.0.0.0/24 b/s=10.0.0.0/24     | 10.0.0.77    | b | b/s | equal ranges: own namespace
          a/s=10.0.0.0/24 b/s=10.0.0.0/24     | 10.0.0.77    | c | a/s | equal ranges: the first
          a/s=10.0.0.0/24 b/s*=10.0.0.0/24    | 10.0.0.77    | c | b/s | equal ranges: canonical
          a/s=10.0.0.0/24 b/s=10.0.0.0/24 -a/s | 10.0.0.77   | a | b/s | removals do not touch each other
          a/s=10.0.0.0/16 b/s=10.0.0.0/24     | 10.0.0.77    | a | a/s | own namespace beats length
          a/s=10.0.0.0/16 b/s=10.0.0.0/24     | 10.0.0.77    | b | b/s | own namespace, longer too
          a/s=10.0.0.0/16 b/s=10.0.0.0/24     | 10.0.0.77    | c | b/s | others: the longest
          a/s=10.0.0.0/16 b/s=10.0.0.0/24     | 10.0.0.77    | ? | b/s | others: the longest
          a/s=10.0.0.0/16 b/s=10.0.0.0/24     | 10.0.9.77    | b | a/s | outside the narrow one
          a/s*=10.0.0.0/16 b/s=10.0.0.0/24    | 10.0.0.77    | c | b/s | length beats canonical
          """)
  void byAddress(String script, String address, String client, @Nullable String found, String why) {
    run(script);
    NetworkAddress asked =
        address.contains("/") ? TestMesh.address(address) : TestMesh.address("net/" + address);
    assertEquals(found, text(state.view().service(asked, client(client))), why);
  }

  @ParameterizedTest(name = "{0} from {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a/h=                | a | a/h | its own namespace
          a/h=                | b | a/h | another namespace
          a/h=                | ? | a/h | a client that is not known
          a/h!=               | b |     | hidden
          a/h!=               | ? | a/h | not hidden from a client that is not known
          a/h!= b/h=          | c | b/h | the one that can be seen
          a/h!= b/h=          | a | a/h | its own
          a/h= b/h*=          | c | b/h | canonical
          a/h= b/h= a/h=      | c | b/h | a new version is the last
          """)
  void byHostname(String script, String client, @Nullable String found, String why) {
    run(script);
    assertEquals(found, text(state.view().service("h", client(client))), why);
  }

  @ParameterizedTest(name = "{0} from {1} preferring {2}: {3}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a/h= b/h= c/h=      | x | b | b/h | preferred when nothing else decides
          a/h= b/h= c/h=      | a | b | a/h | own namespace first
          a/h= b/h= c/h*=     | x | b | c/h | canonical first
          a/h= b/h!= c/h=     | x | b | a/h | hidden
          """)
  void preferredNamespace(
      String script, String client, String preferred, String found, String why) {
    run(script);
    assertEquals(found, text(BestService.of(state.view().services("h"), client, preferred)), why);
  }

  @Test
  void endpointsShowInEveryIndexWithoutDuplicates() {
    run("a/s=10.0.0.1,10.0.0.0/24");
    for (String uid : List.of("w1", "w2", "w3")) {
      state.update(
          update ->
              update.insertWorkload(
                  Workload.builder(uid)
                      .services(Map.of(TestMesh.key("a/s"), PortMap.EMPTY))
                      .build()));
    }
    MeshView view = state.view();
    for (Service service :
        Arrays.asList(
            view.service(TestMesh.key("a/s")),
            view.service(TestMesh.address("net/10.0.0.1"), null),
            view.service(TestMesh.address("net/10.0.0.9"), null))) {
      assertEquals(3, Objects.requireNonNull(service).endpoints().size());
    }
    run("-a/s");
    assertNull(state.view().service(TestMesh.address("net/10.0.0.9"), null));
  }

  @Test
  void areShownByHostnameAndThenByInsertion() {
    run("b/z= c/a= a/a=");
    assertEquals(
        List.of("c/a", "a/a", "b/z"),
        state.view().sortedServices().stream().map(ServiceStateTest::text).toList());
  }

  @Test
  void anAddressIsAWorkloadFirstAndAHostnameAServiceFirst() {
    run("a/h=10.0.0.1");
    state.update(
        update ->
            update.insertWorkload(
                Workload.builder("w")
                    .identity(new SpiffeId("td", "a", "sa"))
                    .hostname("h")
                    .network("net")
                    .ips(List.of(TestMesh.ip("10.0.0.1")))
                    .build()));
    MeshView view = state.view();
    assertEquals(view.workload("w"), view.find(TestMesh.address("net/10.0.0.1"), "a"));
    assertEquals(view.service(TestMesh.key("a/h")), view.find(TestMesh.key("a/h")));
    run("-a/h");
    assertEquals(view.workload("w"), state.view().find(TestMesh.key("a/h")));
    state.update(update -> update.removeWorkload("w"));
    assertNull(state.view().find(TestMesh.key("a/h")));
    assertNull(state.view().find(TestMesh.address("net/10.0.0.1"), "a"));
  }

  private void run(String script) {
    for (String event : script.split(" ", -1)) {
      if (event.startsWith("-")) {
        state.update(update -> update.removeService(TestMesh.key(event.substring(1))));
      } else {
        state.update(update -> update.insertService(service(event)));
      }
    }
  }

  private static Service service(String text) {
    String[] parts = text.split("=", 2);
    boolean hidden = parts[0].contains("!");
    boolean canonical = parts[0].contains("*");
    NamespacedHostname key = TestMesh.key(parts[0].replace("!", "").replace("*", ""));
    List<String> addresses =
        Stream.of(parts[1].split(",", -1)).filter(address -> !address.isEmpty()).toList();
    return Service.builder(new ServiceName(key.hostname(), key.namespace(), key.hostname()))
        .canonical(canonical)
        .visibility(hidden ? Service.Visibility.NAMESPACE : Service.Visibility.PUBLIC)
        .vips(
            addresses.stream()
                .filter(address -> !address.contains("/"))
                .map(address -> TestMesh.address("net/" + address))
                .toList())
        .cidrVips(
            addresses.stream()
                .filter(address -> address.contains("/"))
                .map(ServiceStateTest::range)
                .toList())
        .build();
  }

  private static NetworkCidr range(String text) {
    Cidr cidr = Cidr.parse(text);
    if (cidr != null) {
      return new NetworkCidr("net", cidr);
    }
    int slash = text.indexOf('/');
    return new NetworkCidr(
        text.substring(0, slash), Objects.requireNonNull(Cidr.parse(text.substring(slash + 1))));
  }

  private static @Nullable String client(String text) {
    return text.equals("?") ? null : text;
  }

  private static @Nullable String text(@Nullable Service service) {
    return service == null ? null : service.key().toString();
  }
}
