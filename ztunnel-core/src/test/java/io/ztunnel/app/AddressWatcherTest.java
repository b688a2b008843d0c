package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.SingleThreadEventExecutor;
import io.ztunnel.mesh.MeshChange;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadChange;
import io.ztunnel.mesh.proto.Address;
import io.ztunnel.mesh.proto.PortList;
import io.ztunnel.mesh.proto.WorkloadStatus;
import io.ztunnel.xds.FakeControlPlane.Entry;
import io.ztunnel.xds.ResourceBatch;
import io.ztunnel.xds.ResourceException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Responses on their way into a mesh that has a control thread of its own. */
class AddressWatcherTest {
  private static final String NODE = "node-a";
  private static final int MANY = 5_500;
  private static final int PODS = 11;

  private final Control control = new Control();
  private final MeshState mesh = new MeshState(control, NODE);
  private final AddressWatcher watcher = new AddressWatcher(mesh, control, NODE);

  /** Written on the control thread, read when it has nothing to do. */
  private final List<MeshChange> told = new ArrayList<>();

  /** The control thread; it can refuse to go on with what it has begun. */
  private static final class Control extends SingleThreadEventExecutor {
    volatile boolean refuses;

    Control() {
      super(null, new DefaultThreadFactory("control"), true);
    }

    @Override
    protected void run() {
      do {
        Runnable task = takeTask();
        if (task != null) {
          task.run();
        }
      } while (!confirmShutdown());
    }

    @Override
    public void execute(Runnable task) {
      if (refuses && inEventLoop()) {
        throw new RejectedExecutionException("planned by the test");
      }
      super.execute(task);
    }
  }

  @BeforeEach
  void observe() throws Exception {
    control.submit(() -> mesh.observe(told::add)).get(10, TimeUnit.SECONDS);
  }

  @AfterEach
  void close() {
    assertTrue(
        control.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(10_000),
        "the control thread ends");
  }

  private static String pod(int number) {
    return "c1//Pod/shop/cart-%d-%05d".formatted(number % (MANY / PODS), number);
  }

  private static String service(int number) {
    return "shop/cart-" + number + ".shop";
  }

  /** A pod of one of {@code MANY / PODS} services. */
  private static Entry workload(int number, String node) {
    return workload(number, node, _ -> {});
  }

  /** The same with something of its own. */
  private static Entry workload(
      int number, String node, Consumer<io.ztunnel.mesh.proto.Workload.Builder> more) {
    var workload =
        io.ztunnel.mesh.proto.Workload.newBuilder()
            .setUid(pod(number))
            .setName(pod(number).substring("c1//Pod/shop/".length()))
            .setNamespace("shop")
            .setNode(node)
            .setClusterId("c1")
            .addAddresses(
                ByteString.copyFrom(new byte[] {10, 0, (byte) (number >> 8), (byte) number}))
            .putServices(service(number % (MANY / PODS)), PortList.getDefaultInstance());
    more.accept(workload);
    Address address = Address.newBuilder().setWorkload(workload).build();
    return Entry.of(pod(number), address.toByteArray());
  }

  private static Entry serviceEntry(int number) {
    String hostname = "cart-" + number + ".shop";
    Address address =
        Address.newBuilder()
            .setService(
                io.ztunnel.mesh.proto.Service.newBuilder()
                    .setName("cart-" + number)
                    .setNamespace("shop")
                    .setHostname(hostname))
            .build();
    return Entry.of(service(number), address.toByteArray());
  }

  private ResourceBatch batch(List<Entry> entries) throws ResourceException {
    ResourceBatch batch = watcher.begin(1);
    for (Entry entry : entries) {
      batch.put(entry.received(MeshFeed.ADDRESS));
    }
    return batch;
  }

  private void apply(ResourceBatch batch) throws Exception {
    batch.apply().toCompletableFuture().get(30, TimeUnit.SECONDS);
  }

  private static List<Entry> wholeMesh() {
    List<Entry> all = new ArrayList<>();
    for (int i = 0; i < MANY; i++) {
      all.add(workload(i, "node-b"));
    }
    for (int i = 0; i < MANY / PODS; i++) {
      all.add(serviceEntry(i));
    }
    return all;
  }

  private Service known(int number) {
    NamespacedHostname key =
        Objects.requireNonNull(NamespacedHostname.parse(service(number)), "a key");
    return Objects.requireNonNull(mesh.view().service(key), () -> "no " + key);
  }

  @Test
  void nothingIsVisibleBeforeAResponseIsApplied() throws Exception {
    ResourceBatch batch = batch(List.of(workload(1, NODE), serviceEntry(1)));
    control.submit(() -> {}).get(10, TimeUnit.SECONDS);
    assertEquals(0, mesh.view().workloadCount());
    apply(batch);
    assertEquals(1, mesh.view().workloadCount());
    assertEquals(1, known(1).endpoints().size());
  }

  @Test
  void aLargeResponseLeavesTimeForOthersAndBecomesVisibleAtOnce() throws Exception {
    ResourceBatch batch = batch(wholeMesh());
    CountDownLatch free = new CountDownLatch(1);
    control.execute(() -> awaitQuietly(free));
    CompletableFuture<Void> applied = batch.apply().toCompletableFuture();
    List<Integer> seen = new ArrayList<>(); // by the control thread
    CompletableFuture<Void> looked = new CompletableFuture<>();
    control.execute(() -> look(seen, looked));
    free.countDown();

    applied.get(30, TimeUnit.SECONDS);
    looked.get(30, TimeUnit.SECONDS);
    assertEquals(MANY, seen.removeLast());
    assertTrue(seen.size() > MANY / 1_000, () -> "a look between any two slices: " + seen);
    assertTrue(seen.stream().allMatch(count -> count == 0), () -> "nothing before: " + seen);
    assertEquals(1, told.size());
    assertEquals(MANY, told.getFirst().workloads().size());
    assertEquals(PODS, known(3).endpoints().size());
  }

  /** Looks at the mesh, again and again until something is there; each time behind other tasks. */
  private void look(List<Integer> seen, CompletableFuture<Void> done) {
    int count = mesh.view().workloadCount();
    seen.add(count);
    if (count > 0) {
      done.complete(null);
    } else {
      control.execute(() -> look(seen, done));
    }
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      assertTrue(latch.await(30, TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void whatIsGoneGoesWithTheSlicesToo() throws Exception {
    apply(batch(wholeMesh()));
    ResourceBatch batch = watcher.begin(2);
    for (int i = 0; i < MANY; i += 2) {
      batch.remove(pod(i));
    }
    batch.remove(service(1));
    batch.remove(pod(MANY));
    apply(batch);
    assertEquals(MANY / 2, mesh.view().workloadCount());
    assertEquals(2, told.size());
    assertEquals(
        MANY / 2,
        told.getLast().workloads().stream()
            .filter(WorkloadChange.Removed.class::isInstance)
            .count());
    assertEquals(
        0,
        mesh.view().services("cart-1.shop").size(),
        "a service goes, and its workloads stay without it");
  }

  @Test
  void aLargeResponseTakesTheEndpointsOfAServiceFromOnesThatChanged() throws Exception {
    apply(batch(wholeMesh()));
    List<Entry> moved = new ArrayList<>();
    for (int i = 0; i < MANY; i++) {
      moved.add(workload(i, "node-c"));
    }
    apply(batch(moved));
    assertEquals(PODS, known(7).endpoints().size());
    assertEquals(MANY, told.getLast().workloads().size());
    assertTrue(
        told.getLast().workloads().stream().allMatch(WorkloadChange.Replaced.class::isInstance));
  }

  @Test
  void nothingRemainsOfALargeResponseWithASliceThatThrows() throws Exception {
    ResourceBatch batch = batch(wholeMesh());
    control.refuses = true;
    CompletableFuture<Void> applied = batch.apply().toCompletableFuture();
    ExecutionException failed =
        assertThrows(ExecutionException.class, () -> applied.get(30, TimeUnit.SECONDS));
    assertInstanceOf(RejectedExecutionException.class, failed.getCause());
    control.refuses = false;
    apply(batch(List.of(workload(1, NODE))));
    assertEquals(1, mesh.view().workloadCount());
    assertEquals(1, told.size());
    assertEquals(1, told.getFirst().workloads().size());
  }

  @Test
  void whatIsSentAgainAsItIsStaysTheSameObject() throws Exception {
    apply(batch(wholeMesh()));
    Workload workload = Objects.requireNonNull(mesh.view().workload(pod(7)), "a pod");
    Service service = known(7);
    apply(batch(wholeMesh()));
    assertSame(workload, mesh.view().workload(pod(7)));
    assertSame(service, known(7));
    assertEquals(List.of(), told.getLast().workloads());
  }

  @Test
  void whatCannotBeUsedIsRejectedAlone() throws Exception {
    ResourceBatch batch = batch(List.of(workload(1, NODE)));
    Entry broken = Entry.of("broken", new byte[] {0x0a, 5, 1});
    ResourceException rejected =
        assertThrows(ResourceException.class, () -> batch.put(broken.received(MeshFeed.ADDRESS)));
    assertTrue(rejected.reason().startsWith("decode error: "), rejected::reason);
    apply(batch);
    assertEquals(1, mesh.view().workloadCount());
  }

  @Test
  void aServiceThatNobodyAsksForAnyMoreGoesWithWhatServesItAlone() throws Exception {
    int other = MANY / PODS;
    apply(batch(List.of(serviceEntry(0), workload(0, "node-b"), workload(other, NODE))));
    assertEquals(Set.of(service(0), pod(0)), watcher.released(Set.of(service(0))));
    assertEquals(Set.of(service(5)), watcher.released(Set.of(service(5))), "it is not known");
  }

  @Test
  void servicesThatGoTogetherTakeTheWorkloadsWithThemThatTheyShare() throws Exception {
    Entry shared =
        workload(0, "node-b", more -> more.putServices(service(1), PortList.getDefaultInstance()));
    apply(batch(List.of(serviceEntry(0), serviceEntry(1), shared)));
    assertEquals(Set.of(service(0)), watcher.released(Set.of(service(0))));
    assertEquals(
        Set.of(service(0), service(1), pod(0)), watcher.released(Set.of(service(0), service(1))));
    assertEquals(
        Set.of(service(0), service(1), pod(0)),
        watcher.released(Set.of(service(0), service(1), pod(0))),
        "asked for by itself, too");
  }

  @Test
  void workloadsThatAServiceDoesNotSendToGoWithIt() throws Exception {
    Entry unhealthy = workload(0, "node-b", more -> more.setStatus(WorkloadStatus.UNHEALTHY));
    apply(batch(List.of(serviceEntry(0), unhealthy)));
    assertEquals(0, known(0).endpoints().size());
    assertEquals(Set.of(service(0), pod(0)), watcher.released(Set.of(service(0))));
  }

  @Test
  void aWorkloadThatNobodyAsksForAnyMoreStaysWhereItIsNeeded() throws Exception {
    int other = MANY / PODS;
    apply(batch(List.of(serviceEntry(0), workload(0, "node-b"), workload(other, NODE))));
    assertEquals(Set.of(), watcher.released(Set.of(pod(other))), "it is of this node");
    assertEquals(Set.of(), watcher.released(Set.of(pod(0))), "it serves a service");
    ResourceBatch gone = watcher.begin(2);
    gone.remove(service(0));
    apply(gone);
    assertEquals(Set.of(pod(0)), watcher.released(Set.of(pod(0))));
  }
}
