package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Names;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A node's daemon is replaced under load. Each test has daemons of its own. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TakeoverIT {
  private static final int PORT = 8080;
  private static final int LONG_CONNECTIONS = 50;
  private static final int PER_SECOND = 200;
  private static final int WARM_UP = 300;

  /** One lookup for so many connections, every other one by TCP. */
  private static final int CONNECTIONS_PER_LOOKUP = 4;

  private static final InetAddress NAME_SERVER = InetAddress.ofLiteral("10.96.0.10");
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Duration STEADY = Duration.ofSeconds(2);
  private static final Map<String, String> ENVIRONMENT =
      Map.of("CONNECTION_TERMINATION_DEADLINE", "60s");

  private interface Attempt {
    void run() throws IOException;
  }

  /** When the fresh daemon starts. */
  enum Start {
    /** As a DaemonSet that surges does it. */
    BEFORE_THE_OLD_ONE_IS_TOLD_TO_END,
    AFTER_THE_OLD_ONE_WAS_TOLD_TO_END
  }

  private Scene scene;
  private Lab.Node node;
  private Lab.Node otherPlace;
  private Lab.Pod client;
  private Lab.Pod server;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("takeover");
    node = scene.lab().addNode();
    otherPlace = scene.lab().addNode();
    client = scene.pod(node, "client");
    server = scene.pod(node, "server");
    scene.service(Entry.service("web", "10.96.1.1", "{80: 8080}"));
    scene.app(
        server,
        PORT,
        connection -> {
          long _ = connection.getInputStream().transferTo(connection.getOutputStream());
        });
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Daemon old(String name) throws IOException {
    Daemon daemon = scene.daemon(name, node, ENVIRONMENT, client, server);
    for (int i = 0; i < WARM_UP; i++) {
      callOnce();
    }
    return daemon;
  }

  /** Elsewhere, as on a real node, where each daemon is in a pod of its own. */
  private Daemon fresh(String name) throws IOException {
    return scene.daemon(
        name, otherPlace, Map.of("NODE_NAME", Daemon.nodeName(node)), client, server);
  }

  private void callOnce() throws IOException {
    try (Socket socket = PodSockets.connect(client, server.ipv4(), PORT)) {
      exchange(socket, 64);
      socket.shutdownOutput();
      assertEquals(-1, socket.getInputStream().read(), "end");
    }
  }

  /** Sends bytes that depend on their position, and checks that the same ones come back. */
  private static void exchange(Socket socket, int bytes) throws IOException {
    byte[] sent = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      sent[i] = (byte) (i * 31 + bytes);
    }
    socket.getOutputStream().write(sent);
    byte[] heard = socket.getInputStream().readNBytes(bytes);
    if (!Arrays.equals(sent, heard)) {
      throw new IOException("%d bytes came back of %d".formatted(heard.length, bytes));
    }
  }

  private void lookUp(Names.Way way) throws IOException {
    assertEquals(
        new Names.Answer(0, true, List.of("10.96.1.1")),
        Names.ask(client, NAME_SERVER, way, "web.shop", Names.A));
  }

  /** Connections that open and close, lookups, and connections that stay, until the end. */
  private final class Traffic implements AutoCloseable {
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final Queue<String> failures = new ConcurrentLinkedQueue<>();
    private final AtomicInteger begun = new AtomicInteger();
    private final AtomicInteger lookups = new AtomicInteger();
    private final AtomicInteger done = new AtomicInteger();
    private final AtomicInteger longDone = new AtomicInteger();
    private final AtomicLong bytes = new AtomicLong();
    private final Future<?> opening;
    private volatile boolean finished;

    Traffic() throws IOException {
      for (int i = 0; i < LONG_CONNECTIONS; i++) {
        Socket socket = PodSockets.connect(client, server.ipv4(), PORT);
        exchange(socket, 10);
        threads.execute(() -> talk(socket));
      }
      opening = threads.submit(this::openAndClose);
    }

    private void talk(Socket socket) {
      try (socket) {
        while (!finished) {
          exchange(socket, 1000);
          long _ = bytes.addAndGet(1000);
          Pause.of(Duration.ofMillis(25));
        }
        socket.shutdownOutput();
        InputStream in = socket.getInputStream();
        assertEquals(-1, in.read(), "end of a long connection");
        int _ = longDone.incrementAndGet();
      } catch (IOException | AssertionError e) {
        failures.add("long connection: " + e);
      }
    }

    private void openAndClose() {
      long next = System.nanoTime();
      while (!finished) {
        int number = begun.incrementAndGet();
        threads.execute(() -> attempt("call", TakeoverIT.this::callOnce));
        if (number % CONNECTIONS_PER_LOOKUP == 0) {
          Names.Way way =
              number % (2 * CONNECTIONS_PER_LOOKUP) == 0 ? Names.Way.TCP : Names.Way.UDP;
          int _ = lookups.incrementAndGet();
          threads.execute(() -> attempt("lookup by " + way, () -> lookUp(way)));
        }
        next += TimeUnit.SECONDS.toNanos(1) / PER_SECOND;
        LockSupport.parkNanos(next - System.nanoTime());
      }
    }

    private void attempt(String what, Attempt attempt) {
      long begin = System.nanoTime();
      try {
        attempt.run();
        int _ = done.incrementAndGet();
      } catch (IOException | AssertionError e) {
        failures.add(
            "%s: %s after %d ms".formatted(what, e, (System.nanoTime() - begin) / 1_000_000));
      }
    }

    /** Ends all in order; none may have failed. */
    void finish() throws Exception {
      finished = true;
      opening.get(SOON.toSeconds(), TimeUnit.SECONDS); // what it counts as begun is begun
      threads.shutdown();
      assertTrue(threads.awaitTermination(SOON.toSeconds(), TimeUnit.SECONDS), "clients end");
      System.out.printf(
          "%d connections, %d lookups, %d bytes on %d long ones, failed: %s%n",
          begun.get(), lookups.get(), bytes.get(), LONG_CONNECTIONS, failures);
      assertEquals(List.of(), List.copyOf(failures));
      assertEquals(begun.get() + lookups.get(), done.get());
      assertEquals(LONG_CONNECTIONS, longDone.get());
      assertTrue(begun.get() > 500, () -> "only " + begun + " connections");
    }

    @Override
    public void close() {
      finished = true;
      List<Runnable> _ = threads.shutdownNow();
    }
  }

  @ParameterizedTest
  @EnumSource
  @Timeout(120)
  void noConnectionIsRefusedOrCutAndNoNameUnanswered(Start start) throws Exception {
    String name = start.name().substring(0, 5).toLowerCase(Locale.ROOT);
    try (Daemon old = old(name + "-old");
        Traffic traffic = new Traffic()) {
      Daemon fresh =
          switch (start) {
            case BEFORE_THE_OLD_ONE_IS_TOLD_TO_END -> {
              Daemon early = fresh(name + "-fresh");
              Pause.of(STEADY);
              old.signal("TERM");
              yield early;
            }
            case AFTER_THE_OLD_ONE_WAS_TOLD_TO_END -> {
              old.signal("TERM");
              Pause.of(STEADY);
              yield fresh(name + "-fresh");
            }
          };
      try (fresh) {
        Journal log = Journal.whole(old);
        String _ = log.awaitAny("another process has taken the listeners over", "client");
        String _ = log.awaitAny("another process has taken the listeners over", "server");
        Pause.of(STEADY);
        assertTrue(old.isAlive(), "it has long connections still");
        double left = Counters.sum(Counters.read(old), "ztunnel_drain_connections_left");
        assertTrue(left >= LONG_CONNECTIONS, () -> left + " connections left");
        traffic.finish();
        assertEquals(0, old.awaitExit(SOON));
        callOnce();
      }
    }
  }

  @Test
  @Timeout(60)
  void aFreshDaemonThatListensOnLessTakesOverToo() throws Exception {
    try (Daemon old = old("more");
        Socket held = PodSockets.connect(client, server.ipv4(), PORT)) {
      exchange(held, 10);
      Map<String, String> less =
          Map.of("NODE_NAME", Daemon.nodeName(node), "ISTIO_META_DNS_CAPTURE", "false");
      try (Daemon _ = scene.daemon("less", otherPlace, less, client, server)) {
        old.signal("TERM");
        Journal log = Journal.whole(old);
        String _ = log.awaitAny("another process has taken the listeners over", "client");
        exchange(held, 10);
        held.shutdownOutput();
        assertEquals(-1, held.getInputStream().read());
        assertEquals(0, old.awaitExit(SOON));
      }
    }
  }

  private static boolean isCut(Socket socket) throws IOException {
    socket.setSoTimeout(2000);
    try {
      exchange(socket, 10);
      return false;
    } catch (SocketTimeoutException e) {
      throw new AssertionError("a connection of the dead daemon hangs", e);
    } catch (IOException _) {
      return true;
    }
  }

  private void hold(List<Socket> sockets) throws IOException {
    for (int i = 0; i < 20; i++) {
      Socket socket = PodSockets.connect(client, server.ipv4(), PORT);
      sockets.add(socket);
      exchange(socket, 10);
    }
  }

  @Test
  @Timeout(120)
  void aFreshDaemonServesOnWhenTheOldOneIsKilled() throws Exception {
    List<Socket> ofTheOldOne = new ArrayList<>();
    List<Socket> ofEither = new ArrayList<>();
    try (Daemon old = old("killed")) {
      hold(ofTheOldOne);
      try (Daemon _ = fresh("survivor")) {
        hold(ofEither);
        old.signal("KILL");
        int _ = old.awaitExit(SOON);
        for (Socket socket : ofTheOldOne) {
          assertTrue(isCut(socket), "served by a dead daemon");
        }
        // Through the survivor alone, or cut: also a tunnel from the survivor to the dead one.
        int cut = 0;
        for (Socket socket : ofEither) {
          cut += isCut(socket) ? 1 : 0;
        }
        System.out.printf("%d of %d were cut%n", cut, ofEither.size());
        for (int i = 0; i < 100; i++) {
          callOnce();
        }
      }
    } finally {
      for (Socket socket : ofTheOldOne) {
        socket.close();
      }
      for (Socket socket : ofEither) {
        socket.close();
      }
    }
  }
}
