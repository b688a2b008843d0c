package io.ztunnel.xds;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Struct;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.time.Duration;
import java.util.List;
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

  /** What is on its way: two windows of 1 MiB, and what they need around them. */
  private static final long MOST_HELD = 6 << 20;

  /** Says how much is held at most while a response of many resources comes. */
  private record Measuring(UnpooledByteBufAllocator allocator, CompletableFuture<Long> held)
      implements ResourceWatcher {
    @Override
    public ResourceBatch begin(long stream) {
      return new ResourceBatch() {
        private int resources;
        private long most;

        @Override
        public void put(Resource resource) {
          resources++;
          most = Math.max(most, allocator.metric().usedDirectMemory());
        }

        @Override
        public void remove(String name) {
          throw new AssertionError("nothing was removed: " + name);
        }

        @Override
        public CompletionStage<Void> apply() {
          if (resources == RESOURCES) {
            held.complete(most);
          }
          return CompletableFuture.completedFuture(null);
        }
      };
    }
  }

  @Test
  void aLargeResponseIsNeverHeldAsAWhole() throws Exception {
    ControlPlanePki pki = ControlPlanePki.create("root");
    UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(true);
    CompletableFuture<Long> held = new CompletableFuture<>();
    try (FakeControlPlane control = FakeControlPlane.options().start(pki);
        ControlPlaneChannels channels = new ControlPlaneChannels(allocator);
        XdsClient client =
            new XdsClient(
                pki.localhost(control.port()),
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
      assertTrue(taken > 0 && taken < MOST_HELD, () -> taken + " bytes held of " + bytes);
      Await.until(
          "the buffers are given back",
          () -> allocator.metric().usedDirectMemory() < 1 << 20,
          () -> allocator.metric().usedDirectMemory());
    }
  }
}
