package io.ztunnel.xds;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Struct;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What a response takes while it is on its way. */
class ResponseMemoryTest {
  private static final int RESOURCES = 96;
  private static final int RESOURCE_BYTES = 256 << 10;

  /**
   * A TLS record is kept for the end of one frame beside the copy of the next frame's beginning.
   */
  private static final double OVERHEAD = 1.9;

  /** Says how much is held when a response of many resources has come. */
  private record Measuring(ExactBufferAllocator allocator, CompletableFuture<Long> held)
      implements ResourceWatcher {
    @Override
    public ResourceBatch begin(long stream) {
      long now = allocator.metric().usedDirectMemory();
      return new ResourceBatch() {
        private int resources;

        @Override
        public String put(Resource resource) {
          resources++;
          return resource.name();
        }

        @Override
        public void remove(String name) {
          throw new AssertionError("nothing was removed: " + name);
        }

        @Override
        public CompletionStage<Void> apply() {
          if (resources == RESOURCES) {
            held.complete(now);
          }
          return CompletableFuture.completedFuture(null);
        }
      };
    }
  }

  @Test
  void aLargeResponseTakesLessThanTwiceItsBytesAndGivesThemBack() throws Exception {
    ControlPlanePki pki = ControlPlanePki.create("root");
    ExactBufferAllocator allocator = new ExactBufferAllocator();
    CompletableFuture<Long> held = new CompletableFuture<>();
    try (FakeControlPlane control = FakeControlPlane.options().start(pki);
        ControlPlaneChannels channels = new ControlPlaneChannels(allocator);
        XdsClient client =
            new XdsClient(
                new ControlPlane(
                    URI.create("https://localhost:" + control.port()),
                    new RootSource.Pem(pki.rootPem()),
                    null,
                    TlsPolicy.defaults(),
                    new TokenSource.None(),
                    "cluster-1",
                    Map.of()),
                new XdsSettings(
                    new XdsNode("ztunnel", Struct.getDefaultInstance()),
                    List.of(
                        new Subscription(
                            FakeControlPlane.ADDRESS,
                            Subscription.Mode.WILDCARD,
                            new Measuring(allocator, held))),
                    Duration.ofSeconds(5),
                    100),
                channels,
                new RecordingXdsObserver(),
                System::nanoTime,
                new SplittableRandom(7))) {
      control.put(
          FakeControlPlane.ADDRESS,
          IntStream.range(0, RESOURCES)
              .mapToObj(i -> FakeControlPlane.Entry.of("r-" + i, new byte[RESOURCE_BYTES]))
              .toList());
      client.start();
      long bytes = (long) RESOURCES * RESOURCE_BYTES;
      long taken = held.get(30, TimeUnit.SECONDS);
      assertTrue(
          taken >= bytes && taken < OVERHEAD * bytes, () -> taken + " bytes held for " + bytes);
      Await.until(
          "the buffers are given back",
          () -> allocator.metric().usedDirectMemory() < bytes / 10,
          () -> allocator.metric().usedDirectMemory());
    }
  }
}
