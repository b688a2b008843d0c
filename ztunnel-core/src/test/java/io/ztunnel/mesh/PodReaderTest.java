package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.ztunnel.mesh.proto.Address;
import io.ztunnel.mesh.proto.Locality;
import io.ztunnel.mesh.proto.PortList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Pods that are read as others like them, and what is not. */
final class PodReaderTest {
  private static final int ROUNDS = 50_000;

  private final PodReader reader = new PodReader();

  private static io.ztunnel.mesh.proto.Workload.Builder pod(
      String deployment, String tail, String node) {
    String name = deployment + "-" + tail;
    return io.ztunnel.mesh.proto.Workload.newBuilder()
        .setUid("c1//Pod/shop/" + name)
        .setName(name)
        .setNamespace("shop")
        .setClusterId("c1")
        .setServiceAccount(deployment)
        .setCanonicalName(deployment)
        .setNode(node)
        .setLocality(Locality.newBuilder().setRegion("r").setZone("z"))
        .addAddresses(ByteString.copyFrom(new byte[] {10, 0, 0, (byte) tail.hashCode()}))
        .putServices("shop/" + deployment + ".shop", PortList.getDefaultInstance());
  }

  private static byte[] bytes(io.ztunnel.mesh.proto.Workload.Builder workload) {
    return Address.newBuilder().setWorkload(workload).build().toByteArray();
  }

  private @Nullable Workload read(byte[] message) {
    return reader.read(message, 0, message.length);
  }

  private void learn(io.ztunnel.mesh.proto.Workload.Builder workload) throws ResourceException {
    byte[] message = bytes(workload);
    assertNull(read(message));
    reader.learn((Workload) new ResourceDecoder().address(message));
  }

  @Test
  void aPodIsKnownByItsDeploymentAndItsNode() throws ResourceException {
    learn(pod("cart", "x2x8z", "node-a"));
    learn(pod("shipping", "bbbbb", "node-b"));
    byte[] message = bytes(pod("cart", "7wkkp", "node-b"));
    byte[] behindOthers = new byte[message.length + 7];
    System.arraycopy(message, 0, behindOthers, 5, message.length);
    assertEquals(
        new ResourceDecoder().address(message), reader.read(behindOthers, 5, message.length));
    assertNull(read(bytes(pod("cart", "7wkkp", "node-c"))), "of a node that is not known");
    assertNull(read(bytes(pod("carts", "7wkkp", "node-a"))), "of an unknown deployment");
  }

  @Test
  void whatIsPeculiarIsLeftToOthers() throws ResourceException {
    learn(pod("cart", "x2x8z", "node-a"));
    io.ztunnel.mesh.proto.Workload.Builder usual = pod("cart", "7wkkp", "node-a");
    assertNotNull(read(bytes(usual)));
    ByteString v6 = ByteString.copyFrom(new byte[16]);
    for (io.ztunnel.mesh.proto.Workload.Builder peculiar :
        List.of(
            usual.clone().setUid("c1//Pod/shop/cart-other"),
            usual.clone().setUid("c2//Pod/shop/cart-7wkkp"),
            usual.clone().setUid("c1//Job/shop/cart-7wkkp"),
            usual.clone().setUid("c1//Pod/ship/cart-7wkkp"),
            usual.clone().clearUid(),
            usual.clone().clearName(),
            usual.clone().setName("cart-"),
            usual.clone().setName("cart-123456789").setUid("c1//Pod/shop/cart-123456789"),
            usual.clone().setName("cart-ü").setUid("c1//Pod/shop/cart-ü"),
            usual.clone().setName("cart").setUid("c1//Pod/shop/cart"),
            usual.clone().clearAddresses(),
            usual.clone().addAddresses(v6),
            usual.clone().clearAddresses().addAddresses(v6),
            usual.clone().setHostname("cart.example"),
            usual.clone().setServiceAccount("x".repeat(2_000)))) {
      assertNull(read(bytes(peculiar)), peculiar::toString);
    }
  }

  @Test
  void nothingIsKnownAfterTheEndOfAResponse() throws ResourceException {
    learn(pod("cart", "x2x8z", "node-a"));
    reader.forget();
    assertNull(read(bytes(pod("cart", "7wkkp", "node-a"))));
  }

  /** Whatever a decoder has met before, a message says what it says by itself. */
  @Test
  void everyMessageIsReadAsByItself() {
    long seed = new Random().nextLong();
    System.out.println("pods: seed " + seed);
    Random random = new Random(seed);
    ResourceDecoder experienced = new ResourceDecoder();
    int pods = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] message = bytes(any(random));
      for (int changes = random.nextInt(4) - 1; changes > 0; changes--) {
        message[random.nextInt(message.length)] = (byte) random.nextInt();
      }
      if (random.nextInt(20) == 0) {
        message = Arrays.copyOf(message, random.nextInt(message.length));
      }
      String expected = outcome(new ResourceDecoder(), message);
      assertEquals(expected, outcome(experienced, message), "seed " + seed + " round " + round);
      pods += expected.startsWith("Workload") ? 1 : 0;
      if (random.nextInt(5_000) == 0) {
        experienced.endResponse();
      }
    }
    assertTrue(pods > ROUNDS / 10 && pods < ROUNDS, "seed " + seed + ": " + pods);
  }

  private static io.ztunnel.mesh.proto.Workload.Builder any(Random random) {
    io.ztunnel.mesh.proto.Workload.Builder pod =
        pod("app-" + random.nextInt(4), "t" + random.nextInt(1000), "n" + random.nextInt(4));
    if (random.nextInt(4) == 0) {
      switch (random.nextInt(6)) {
        case 0 -> pod.setNamespace("ship");
        case 1 -> pod.setClusterId("");
        case 2 -> pod.setNetwork("net");
        case 3 -> pod.setName("app-" + random.nextInt(4));
        case 4 -> pod.addAddresses(ByteString.copyFrom(new byte[4]));
        default -> pod.setCapacity(com.google.protobuf.UInt32Value.of(random.nextInt(3)));
      }
    }
    return pod;
  }

  private static String outcome(ResourceDecoder decoder, byte[] message) {
    try {
      return switch (decoder.address(message)) {
        case Workload workload ->
            workload + " " + workload.profile() + workload.location() + workload.ips();
        case Service service -> service.toString();
      };
    } catch (ResourceException e) {
      return String.valueOf(e.getMessage());
    }
  }
}
