package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Calls that end in all the ways in which they should not, and calls to where nobody is. What
 * becomes of them is nobody's business here; only that nothing of them stays. For any thread.
 */
final class RudeCalls {
  private static final Duration DEADLINE = Duration.ofSeconds(5);
  private static final Duration PATIENCE = Duration.ofMillis(150);
  private static final int SOME_BYTES = 64 << 10;
  private static final int MORE_THAN_ALL_WINDOWS = 32 << 20;

  private final Lab.Pod client;
  private final List<InetSocketAddress> targets;
  private final AtomicLong calls = new AtomicLong();

  private enum Manner {
    IN_ORDER,
    RESET_AT_ONCE,
    RESET_BEHIND_DATA,
    CLOSED_UNREAD,
    CLOSED_HALF_ENDED,
    RESET_WHILE_STALLED;

    private static final List<Manner> ALL = List.of(values());
  }

  /**
   * Calls from a pod.
   *
   * @param targets servers that echo, and places where none is
   */
  RudeCalls(Lab.Pod client, List<InetSocketAddress> targets) {
    this.client = client;
    this.targets = List.copyOf(targets);
  }

  /** Calls once. */
  void call(Random random) {
    InetSocketAddress target = targets.get(random.nextInt(targets.size()));
    Manner manner = Manner.ALL.get(random.nextInt(Manner.ALL.size()));
    byte[] data = new byte[1 + random.nextInt(SOME_BYTES)];
    calls.incrementAndGet();
    try (Socket socket = Peer.connect(client, target.getAddress(), target.getPort(), DEADLINE)) {
      speak(socket, manner, data);
    } catch (IOException e) {
      // as it was meant, or nobody was there
    }
  }

  private static void speak(Socket socket, Manner manner, byte[] data) throws IOException {
    OutputStream out = socket.getOutputStream();
    switch (manner) {
      case IN_ORDER -> {
        out.write(data);
        socket.shutdownOutput();
        byte[] _ = socket.getInputStream().readAllBytes();
      }
      case RESET_AT_ONCE -> Application.reset(socket);
      case RESET_BEHIND_DATA -> {
        out.write(data);
        Application.reset(socket);
      }
      case CLOSED_UNREAD -> {
        out.write(data);
        int _ = socket.getInputStream().read(); // the rest of the echo is on its way
      }
      case CLOSED_HALF_ENDED -> {
        out.write(data);
        socket.shutdownOutput();
      }
      case RESET_WHILE_STALLED -> {
        Thread _ = Thread.ofVirtual().start(() -> resetLater(socket));
        out.write(new byte[MORE_THAN_ALL_WINDOWS]);
      }
    }
  }

  private static void resetLater(Socket socket) {
    try {
      Pause.of(PATIENCE);
      Application.reset(socket);
    } catch (IOException e) {
      // it has failed before
    }
  }

  long calls() {
    return calls.get();
  }
}
