package io.ztunnel.xds;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The requests about many names. */
class TypeStateTest {
  private static final int MAX_REQUEST_BYTES = 4 << 20; // istiod

  /** 7 MB. */
  private static final List<String> MANY =
      IntStream.range(0, 100_000)
          .mapToObj(
              i ->
                  "cluster-1//Pod/some-namespace/a-workload-of-usual-name-6c5f9d7b8c-%05d"
                      .formatted(i))
          .toList();

  private final TypeState type =
      new TypeState(
          new Subscription(
              FakeControlPlane.ADDRESS, Subscription.Mode.ON_DEMAND, new RecordingWatcher()),
          100,
          System::nanoTime);

  private static void assertNames(
      List<DeltaDiscoveryRequest> requests, Function<DeltaDiscoveryRequest, List<String>> field) {
    List<String> names = new ArrayList<>();
    for (DeltaDiscoveryRequest request : requests) {
      assertTrue(request.getSerializedSize() < MAX_REQUEST_BYTES, "it would end the stream");
      names.addAll(field.apply(request));
    }
    assertEquals(MANY, names);
  }

  @Test
  void namesAreSubscribedInRequestsThatTheControlPlaneTakes() {
    assertNames(type.subscribe(MANY), DeltaDiscoveryRequest::getResourceNamesSubscribeList);
  }

  @Test
  void namesAreUnsubscribedInRequestsThatTheControlPlaneTakes() {
    assertNames(type.unsubscribe(MANY), DeltaDiscoveryRequest::getResourceNamesUnsubscribeList);
  }
}
