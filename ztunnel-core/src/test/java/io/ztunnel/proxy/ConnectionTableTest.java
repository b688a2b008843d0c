package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.channel.DefaultEventLoop;
import io.netty.channel.EventLoop;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ConnectionTableTest {
  private final EventLoop loop = new DefaultEventLoop();
  private final BlockingQueue<ConnectionFailure> cuts = new LinkedBlockingQueue<>();
  private final ConnectionTable table = new ConnectionTable(new Drains(new MeshRegistry()));

  @AfterEach
  void stopLoop() {
    loop.shutdownGracefully(0, 5, TimeUnit.SECONDS);
  }

  @Test
  void allThatAreThereAreCut() throws Exception {
    ConnectionFailure drained = new ConnectionFailure.Drained();
    table.add(new Cuttable());
    table.add(new Cuttable());
    table.cutAll(drained);
    assertEquals(List.of(drained, drained), List.of(nextCut(), nextCut()));
  }

  @Test
  void oneThatIsRegisteredWhenAllHaveBeenCutIsCutToo() throws Exception {
    ConnectionFailure drained = new ConnectionFailure.Drained();
    table.cutAll(drained);
    table.add(new Cuttable());
    assertEquals(drained, nextCut());
  }

  private ConnectionFailure nextCut() throws InterruptedException {
    ConnectionFailure cut = cuts.poll(5, TimeUnit.SECONDS);
    if (cut == null) {
      throw new AssertionError("no connection was cut within 5 s");
    }
    return cut;
  }

  private final class Cuttable implements LiveConnection {
    private static final InetSocketAddress ADDRESS =
        new InetSocketAddress(InetAddress.getLoopbackAddress(), 1);

    @Override
    public EventLoop loop() {
      return loop;
    }

    @Override
    public ConnectionSummary summary() {
      return new ConnectionSummary(
          ConnectionSummary.Direction.OUTBOUND, ADDRESS, "", ADDRESS, "TCP");
    }

    @Override
    public void onCut(ConnectionFailure cause) {
      cuts.add(cause);
    }
  }
}
