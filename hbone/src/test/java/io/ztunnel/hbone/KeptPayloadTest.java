package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What payload that waits for its reader keeps from being used again. */
class KeptPayloadTest {
  private static final int READ_BYTES = 256 << 10;
  private static final int READS = 100;

  private final PooledByteBufAllocator reads = new PooledByteBufAllocator(true);

  /** Keeps the payload as it is given. */
  private static final class Keeper extends RecordingListener {
    final List<ByteBuf> given = new ArrayList<>();

    @Override
    public void onData(ByteBuf data) {
      given.add(data);
    }
  }

  /** One read of the socket, with a little for one stream and a lot for another. */
  private ByteBuf read(ByteBuf few, ByteBuf many) {
    ByteBuf read = reads.directBuffer(READ_BYTES, READ_BYTES);
    read.writeBytes(few).writeBytes(many);
    few.release();
    many.release();
    return read;
  }

  private void assertLittleIsKept() {
    long kept = reads.pinnedDirectMemory();
    assertTrue(kept <= 2 * READ_BYTES, kept + " bytes are kept");
  }

  @Test
  void aCrumbThatIsHandedOnDoesNotKeepTheReadItCameWith() {
    try (ServerScript script = ServerScript.started()) {
      script.open(1);
      script.send(script.peer.connect(3));
      Keeper keeper = new Keeper();
      script.connects.getLast().accept(ConnectAnswer.PLAIN, keeper);
      script.channel.runPendingTasks();
      for (int i = 0; i < READS; i++) {
        // At the front of a read, and as the rest of one.
        ByteBuf crumb = Frames.data(3, 1, false);
        ByteBuf others = Frames.data(1, 200 << 10, false);
        script.send(i % 2 == 0 ? read(crumb, others) : read(others, crumb));
        script.received();
      }
      assertEquals(READS, keeper.given.stream().mapToInt(ByteBuf::readableBytes).sum());
      assertLittleIsKept();
      keeper.given.forEach(ByteBuf::release);
    }
  }

  @Test
  void aLargePartOfAReadIsHandedOnAsItIs() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      Keeper keeper = new Keeper();
      script.connects.getLast().accept(ConnectAnswer.PLAIN, keeper);
      script.channel.runPendingTasks();
      script.send(read(Frames.data(1, 16 << 10, false), Frames.data(1, 200 << 10, false)));
      assertEquals(2, keeper.given.size());
      keeper.given.getLast().release();
      assertTrue(reads.pinnedDirectMemory() >= READ_BYTES, "copied");
      keeper.given.getFirst().release();
      assertEquals(0, reads.pinnedDirectMemory());
    }
  }

  /** A connection to a peer whose streams have a window of this size. */
  private static ServerScript peerWithWindow(int bytes) {
    ServerScript script = new ServerScript();
    script.send(
        Unpooled.wrappedBuffer(Frames.PREFACE), Frames.settings(4, bytes), Frames.settingsAck());
    script.received();
    return script;
  }

  private ByteBuf readOf(int bytes) {
    return reads.directBuffer(READ_BYTES, READ_BYTES).writeZero(bytes);
  }

  @Test
  void crumbsThatWaitForTheWindowDoNotKeepTheReadsTheyCameWith() {
    try (ServerScript script = peerWithWindow(0)) {
      Tunnel tunnel = script.open(1).tunnel();
      for (int i = 0; i < READS; i++) {
        tunnel.write(readOf(10));
      }
      assertEquals(0, reads.pinnedDirectMemory());
      script.send(Frames.windowUpdate(1, 10 * READS));
      script.expect("DATA 1 " + 10 * READS);
    }
  }

  @Test
  void theRestOfAReadThatWasSentDoesNotKeepIt() {
    try (ServerScript script = peerWithWindow(0)) {
      Tunnel tunnel = script.open(1).tunnel();
      tunnel.write(readOf(READ_BYTES));
      assertEquals(READ_BYTES, reads.pinnedDirectMemory());
      script.send(Frames.windowUpdate(0, READ_BYTES), Frames.windowUpdate(1, READ_BYTES - 10));
      script.received();
      assertEquals(0, reads.pinnedDirectMemory());
      tunnel.shutdownOutput();
      script.send(Frames.windowUpdate(1, 10));
      script.expect("DATA 1 10 END_STREAM");
    }
  }

  @Test
  void partsOfReadsThatWaitForAReaderDoNotKeepThem() {
    try (ServerScript script = ServerScript.started()) {
      script.open(1);
      script.send(script.peer.connect(3)); // its application is still dialled
      int part = 20 << 10;
      for (int i = 0; i < READS; i++) {
        script.send(read(Frames.data(3, part, false), Frames.data(1, 200 << 10, false)));
        script.received();
      }
      assertLittleIsKept();
      RecordingListener listener = new RecordingListener();
      script.connects.getLast().accept(ConnectAnswer.PLAIN, listener);
      script.channel.runPendingTasks();
      assertEquals((long) READS * part, listener.received);
    }
  }
}
