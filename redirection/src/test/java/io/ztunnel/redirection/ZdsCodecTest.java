package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertFalse;

import io.ztunnel.redirection.ZdsCodec.Decoded;
import io.ztunnel.redirection.proto.AddWorkload;
import io.ztunnel.redirection.proto.WorkloadInfo;
import io.ztunnel.redirection.proto.WorkloadRequest;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ZdsCodecTest {
  @Test
  void anyPacketIsDecodedOrRefusedAndLeavesNoDescriptor() throws Exception {
    long seed = System.nanoTime();
    System.out.println("ZdsCodecTest seed: " + seed);
    Random random = new Random(seed);
    byte[] good =
        WorkloadRequest.newBuilder()
            .setAdd(
                AddWorkload.newBuilder()
                    .setUid("0a1b")
                    .setWorkloadInfo(WorkloadInfo.newBuilder().setName("web").setNamespace("shop")))
            .build()
            .toByteArray();
    Descriptors before = Descriptors.now();
    for (int i = 0; i < 20_000; i++) {
      byte[] bytes = good.clone();
      for (int changes = random.nextInt(4); changes > 0; changes--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      }
      boolean withDescriptor = random.nextBoolean();
      List<Integer> descriptors =
          withDescriptor ? List.of(Libc.open(NetworkNamespace.OF_THIS_THREAD)) : List.of();
      ByteBuffer data = ByteBuffer.wrap(bytes, 0, random.nextInt(bytes.length + 1));
      switch (ZdsCodec.decode(new Libc.Packet(data, descriptors, false))) {
        case Decoded.Message(ZdsMessage.Add add) -> add.namespace().close();
        case Decoded.Message _, Decoded.Answered _ -> {}
        case Decoded.Unreadable(String reason) -> assertFalse(reason.isEmpty());
      }
    }
    before.assertNoneLeaked();
  }
}
