package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.hbone.SpiffeId;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class RemovedNameTest {
  /** There are the workloads {@code c//Pod/ns/a} and {@code ns/both}, and services of two names. */
  @ParameterizedTest(name = "{0}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          c//Pod/ns/a       | c//Pod/ns/a    | a workload's uid
          c//Pod/ns/other   | -              | a uid that is not known
          ns/cart           | service cart   | a service
          ns/other          | -              | a service that is not known
          other/cart        | -              | another namespace
          ns/both           | ns/both        | a workload first
          ns/both ns/both   | ns/both, service both | then the service
          cart              | -              | neither
          ns/cart/x         | -              | two slashes: a workload's
          ''                | -              | nothing
          """)
  void standsForAWorkloadOrAService(String names, String removed, String why) {
    MeshState state = TestMesh.state();
    state.update(
        update -> {
          update.insert(workload("c//Pod/ns/a"));
          update.insert(workload("ns/both"));
          update.insert(service("cart"));
          update.insert(service("both"));
        });
    List<String> before = content(state.view());
    state.update(update -> Arrays.stream(names.split(" ", -1)).forEach(update::remove));
    List<String> after = content(state.view());
    List<String> gone = before.stream().filter(name -> !after.contains(name)).toList();
    assertEquals(removed, gone.isEmpty() ? "-" : String.join(", ", gone), why);
  }

  private static List<String> content(MeshView view) {
    return Stream.concat(
            view.sortedWorkloads().stream().map(Workload::uid),
            view.sortedServices().stream().map(service -> "service " + service.hostname()))
        .toList();
  }

  private static Workload workload(String uid) {
    return Workload.builder(uid).identity(new SpiffeId("td", "ns", "sa")).build();
  }

  private static Service service(String hostname) {
    return Service.builder(new ServiceName(hostname, "ns", hostname)).build();
  }
}
