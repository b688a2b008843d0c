package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.channel.Channel;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.SocketProtocolFamily;
import io.ztunnel.redirection.SocketSettings.Keepalive;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** When the kernel probes a connection whose probing changes while it is idle. */
class KeepaliveTest {
  private static final int CONNECTIONS = 3_000;
  private static final int ROUNDS = 4;
  private static final Duration SECOND = Duration.ofSeconds(1);
  private static final Keepalive RARE =
      new Keepalive(true, Duration.ofMinutes(3), Duration.ofMinutes(3), 9);

  /** Several are lost when all are sent at once. */
  private static final Keepalive OFTEN = new Keepalive(true, SECOND, SECOND, 9);

  /**
   * A probe that is due at once, because the connection was idle for so long already, goes out in
   * the midst of the change now and then; what follows it has to be as told, too.
   */
  @Test
  void aChangeHoldsFromTheFirstProbeOn() throws Exception {
    try (Loops loops = new Loops(Transport.EPOLL);
        ServerSocket listener =
            new ServerSocket(0, CONNECTIONS, InetAddress.getLoopbackAddress())) {
      EventLoop loop = loops.next();
      List<Channel> channels = new ArrayList<>();
      List<Socket> peers = new ArrayList<>();
      try {
        for (int i = 0; i < CONNECTIONS; i++) {
          channels.add(connected(loop, listener));
          peers.add(listener.accept());
        }
        for (int round = 0; round < ROUNDS; round++) {
          change(loop, channels, RARE);
          Thread.sleep(SECOND.plusMillis(100)); // the kernel's clock cannot be turned
          change(loop, channels, OFTEN);
          Map<Integer, Duration> next = nextProbes(listener.getLocalPort());
          assertEquals(CONNECTIONS, next.size());
          assertEquals(
              Map.of(),
              next.entrySet().stream()
                  .filter(probe -> probe.getValue().compareTo(SECOND) > 0)
                  .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
        }
      } finally {
        for (Channel channel : channels) {
          Loops.await(channel.close());
        }
        for (Socket peer : peers) {
          peer.close();
        }
      }
    }
  }

  private static Channel connected(EventLoop loop, ServerSocket listener) throws Exception {
    Channel channel = Transport.EPOLL.openChannel(SocketProtocolFamily.INET);
    channel.pipeline().addLast(new ChannelInboundHandlerAdapter());
    Loops.await(loop.register(channel));
    Loops.await(channel.connect(listener.getLocalSocketAddress()));
    return channel;
  }

  private static void change(EventLoop loop, List<Channel> channels, Keepalive keepalive)
      throws Exception {
    Loops.await(
        loop.submit(() -> channels.forEach(channel -> SocketFactory.probe(channel, keepalive))));
  }

  /** When the kernel looks after each connection to a port next, by the connection's own port. */
  private static Map<Integer, Duration> nextProbes(int remotePort) throws IOException {
    try (Stream<String> table = Files.lines(Path.of("/proc/thread-self/net/tcp"))) {
      return table
          .skip(1)
          .map(line -> line.strip().split("\\s+"))
          .filter(columns -> port(columns[2]) == remotePort)
          .collect(Collectors.toMap(columns -> port(columns[1]), KeepaliveTest::untilTimer));
    }
  }

  private static int port(String address) {
    return HexFormat.fromHexDigits(address, address.indexOf(':') + 1, address.length());
  }

  /** In hundredths of a second, after the kind of timer: 02 is keepalive's. */
  private static Duration untilTimer(String[] columns) {
    String timer = columns[5];
    assertEquals("02:", timer.substring(0, 3), () -> String.join(" ", columns));
    return Duration.ofMillis(10L * HexFormat.fromHexDigits(timer, 3, timer.length()));
  }
}
