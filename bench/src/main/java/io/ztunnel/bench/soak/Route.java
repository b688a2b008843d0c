package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.ShortCalls;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Calls from one pod to one service that is always there, whose bytes both ends check: none may
 * fail. For the bench's thread, but for {@link #serve}.
 */
final class Route {
  private static final int AT_ONCE = 4;
  private static final Duration SERVERS_DEADLINE = Duration.ofSeconds(20);
  private static final Duration POLL = Duration.ofMillis(20);

  private final String title;
  private final Lab.Pod client;
  private final InetAddress service;
  private final int port;
  private final List<String> wrong = new ArrayList<>();
  private final List<String> failed = new ArrayList<>();
  private long calls;

  /** Set by the bench's thread before there are connections to serve. */
  private volatile @Nullable ShortCalls current;

  Route(String title, Lab.Pod client, InetAddress service, int port) {
    this.title = title;
    this.client = client;
    this.service = service;
    this.port = port;
  }

  void begin(long seed) {
    ShortCalls next = new ShortCalls(client, service, port, AT_ONCE, seed);
    current = next;
    next.begin();
  }

  /** The server's part, on a thread of the connection. */
  void serve(Socket socket) throws IOException {
    now().serve(socket);
  }

  private ShortCalls now() {
    ShortCalls now = current;
    if (now == null) {
      throw new IllegalStateException(title + ": no calls have begun yet");
    }
    return now;
  }

  /** Lets the calls that are under way come to their ends, and takes down what became of all. */
  void end() throws IOException {
    ShortCalls ended = now();
    ended.close();
    long end = System.nanoTime() + SERVERS_DEADLINE.toNanos();
    while (ended.notYetDone() > 0 && System.nanoTime() < end) {
      Pause.of(POLL);
    }
    calls += ended.begun();
    wrong.addAll(ended.wrong());
    ended.lostAtServers().forEach(failure -> wrong.add(failure.what()));
    if (ended.notYetDone() > 0) {
      wrong.add(ended.notYetDone() + " never came to their end at the server");
    }
    ended.failures().forEach(failure -> failed.add(failure.what()));
  }

  String title() {
    return title;
  }

  long calls() {
    return calls;
  }

  /** Of what was sent something did not arrive, or something else. */
  List<String> wrong() {
    return List.copyOf(wrong);
  }

  /** Those that came to nothing. */
  List<String> failed() {
    return List.copyOf(failed);
  }
}
