package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ServerChannel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.net.InetSocketAddress;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A listener that keeps what it accepted until the test takes it, and closes all in the end. */
final class TestListener implements AutoCloseable {
  private final Collector collector = new Collector();
  private final ServerChannel channel;

  private TestListener(SocketFactory factory, Loops boss, Loops workers, ListenerSettings settings)
      throws Exception {
    channel = Loops.await(factory.listen(boss.next(), workers.group(), settings, collector));
  }

  static TestListener open(SocketFactory factory, Loops loops, ListenerSettings settings)
      throws Exception {
    return open(factory, loops, loops, settings);
  }

  static TestListener open(
      SocketFactory factory, Loops boss, Loops workers, ListenerSettings settings)
      throws Exception {
    return new TestListener(factory, boss, workers, settings);
  }

  ServerChannel channel() {
    return channel;
  }

  InetSocketAddress address() {
    return (InetSocketAddress) channel.localAddress();
  }

  /** What was accepted next. */
  Channel next() throws InterruptedException {
    Channel accepted = collector.channels.poll(5, TimeUnit.SECONDS);
    if (accepted == null) {
      throw new AssertionError("nothing was accepted");
    }
    return accepted;
  }

  /** How many were accepted and not taken yet. */
  int waiting() {
    return collector.channels.size();
  }

  @Override
  public void close() {
    channel.close().awaitUninterruptibly(5, TimeUnit.SECONDS);
    collector.open.close().awaitUninterruptibly(5, TimeUnit.SECONDS);
  }

  /** Event loops add, the test takes. */
  @ChannelHandler.Sharable
  private static final class Collector extends ChannelInitializer<Channel> {
    private final BlockingQueue<Channel> channels = new LinkedBlockingQueue<>();
    private final ChannelGroup open = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);

    @Override
    protected void initChannel(Channel accepted) {
      accepted.pipeline().addLast(new QuietHandler());
      open.add(accepted);
      channels.add(accepted);
    }
  }
}
