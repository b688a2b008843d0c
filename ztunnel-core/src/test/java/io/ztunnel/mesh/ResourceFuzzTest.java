package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import io.ztunnel.mesh.proto.Address;
import io.ztunnel.mesh.proto.security.Authorization;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Arbitrary bytes become a resource or a reason, and nothing else. */
final class ResourceFuzzTest {
  private static final int ROUNDS = 50_000;

  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);
  private final ResourceDecoder decoder = new ResourceDecoder();

  @Test
  void arbitraryBytesNeverCrashTheDecoders() {
    System.out.println("resources: seed " + seed);
    int good = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] bytes = new byte[random.nextInt(80)];
      random.nextBytes(bytes);
      good += decodes(bytes, round) ? 1 : 0;
    }
    assertTrue(good < ROUNDS, "seed " + seed);
  }

  @Test
  void brokenMessagesNeverCrashTheDecoders() {
    System.out.println("resources: seed " + seed);
    byte[][] samples = {
      TestResources.workload().toByteArray(),
      TestResources.service().toByteArray(),
      TestResources.policy().toByteArray()
    };
    int good = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] bytes = samples[random.nextInt(samples.length)].clone();
      for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
      }
      good +=
          decodes(Arrays.copyOf(bytes, bytes.length - random.nextInt(2) * random.nextInt(9)), round)
              ? 1
              : 0;
    }
    assertTrue(good > ROUNDS / 100, "some are still messages, seed " + seed);
  }

  /** What protoc's code refuses is refused here too; what is accepted here it accepts. */
  private boolean decodes(byte[] bytes, int round) {
    boolean address = false;
    boolean policy = false;
    try {
      assertNotNull(decoder.address(bytes));
      address = true;
    } catch (ResourceException e) {
      assertNotNull(e.getMessage());
    } catch (RuntimeException e) {
      throw new AssertionError("seed " + seed + " round " + round, e);
    }
    try {
      assertNotNull(decoder.authorization(bytes));
      policy = true;
    } catch (ResourceException e) {
      assertNotNull(e.getMessage());
    } catch (RuntimeException e) {
      throw new AssertionError("seed " + seed + " round " + round, e);
    }
    assertTrue(!address || parses(Address.getDefaultInstance(), bytes), "seed " + seed);
    assertTrue(!policy || parses(Authorization.getDefaultInstance(), bytes), "seed " + seed);
    return address || policy;
  }

  private static boolean parses(Message type, byte[] bytes) {
    try {
      type.getParserForType().parseFrom(bytes);
      return true;
    } catch (InvalidProtocolBufferException e) {
      return false;
    }
  }
}
