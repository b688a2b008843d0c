package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.Struct;
import io.netty.channel.DefaultEventLoop;
import io.netty.channel.EventLoop;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.proto.Address;
import io.ztunnel.mesh.proto.NetworkAddress;
import io.ztunnel.mesh.proto.Service;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.XdsMetrics;
import io.ztunnel.telemetry.XdsTelemetry;
import io.ztunnel.xds.ControlPlaneChannels;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import io.ztunnel.xds.FakeControlPlane.Entry;
import io.ztunnel.xds.Subscription;
import io.ztunnel.xds.XdsClient;
import io.ztunnel.xds.XdsNode;
import io.ztunnel.xds.XdsSettings;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What is asked for on demand, against a real gRPC server over TLS on loopback. */
class OnDemandDiscoveryTest {
  private static final int MAX_DEMANDED = 10;

  private final ControlPlanePki pki = ControlPlanePki.create("on-demand test root");
  private final FakeControlPlane control = FakeControlPlane.options().start(pki);
  private final ControlPlaneChannels channels = new ControlPlaneChannels();
  private final MeshRegistry registry = new MeshRegistry();
  private final EventLoop loop = new DefaultEventLoop();
  private final MeshState mesh = new MeshState(loop, "node-a");
  private final XdsClient client =
      new XdsClient(
          pki.localhost(control.port()),
          new XdsSettings(
              new XdsNode("id", Struct.getDefaultInstance()),
              List.of(
                  new Subscription(
                      MeshFeed.ADDRESS,
                      Subscription.Mode.ON_DEMAND,
                      new AddressWatcher(mesh, loop, "node-a"))),
              Duration.ofSeconds(20),
              MAX_DEMANDED),
          channels,
          new XdsTelemetry(new XdsMetrics(registry), () -> {}),
          System::nanoTime,
          new SplittableRandom(3));
  private final OnDemandDiscovery discovery = new OnDemandDiscovery(mesh, client);

  @BeforeEach
  void start() {
    client.start();
  }

  @AfterEach
  void close() {
    client.close();
    control.close();
    channels.close();
    registry.close();
    assertTrue(
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(10_000), "ends");
  }

  private static NamespacedHostname key(int number) {
    return new NamespacedHostname("shop", "s%d.shop.svc.cluster.local".formatted(number));
  }

  private void put(int number) {
    NamespacedHostname key = key(number);
    Address address =
        Address.newBuilder()
            .setService(
                Service.newBuilder()
                    .setName("s" + number)
                    .setNamespace(key.namespace())
                    .setHostname(key.hostname())
                    .addAddresses(
                        NetworkAddress.newBuilder()
                            .setAddress(
                                ByteString.copyFrom(new byte[] {10, 96, 0, (byte) number}))))
            .build();
    control.put(
        MeshFeed.ADDRESS,
        Entry.of(key.toString(), address.toByteArray()).aliases("/10.96.0." + number));
  }

  /** Asks for a service as the DNS server does. */
  private void demand(int number) throws Exception {
    loop.submit(() -> discovery.demand(loop, List.of(key(number))))
        .get(30, TimeUnit.SECONDS)
        .get(30, TimeUnit.SECONDS);
    assertNotNull(mesh.view().service(key(number)), () -> "no " + key(number));
  }

  /** A connection to the service's address. */
  private void connect(int number) throws Exception {
    CountDownLatch known = new CountDownLatch(1);
    discovery.await(loop, TestMesh.address("/10.96.0." + number), known::countDown);
    assertTrue(known.await(30, TimeUnit.SECONDS), "it does not go on");
  }

  @Test
  void aServiceThatWasAskedForByNameIsUsedByConnectionsToItsAddress() throws Exception {
    assertStaysWhileUsed(() -> connect(0));
  }

  @Test
  void soIsAWaypointByTheDecisionsThatMeetIt() throws Exception {
    NamespacedHostname unknown = new NamespacedHostname("shop", "none.shop.svc.cluster.local");
    assertStaysWhileUsed(
        () -> assertEquals(Set.of(unknown), discovery.unknown(Set.of(key(0), unknown))));
  }

  private void assertStaysWhileUsed(Executable use) throws Exception {
    for (int i = 0; i <= MAX_DEMANDED; i++) {
      put(i);
      demand(i);
      assertDoesNotThrow(use);
    }
    List<String> letGo =
        control
            .await("unsubscribe", one -> one.request().getResourceNamesUnsubscribeCount() > 1)
            .request()
            .getResourceNamesUnsubscribeList();
    assertTrue(letGo.contains(key(1).toString()), letGo::toString);
    assertFalse(letGo.contains(key(0).toString()), letGo::toString);
  }
}
