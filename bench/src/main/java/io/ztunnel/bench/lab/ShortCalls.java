package io.ztunnel.bench.lab;

import io.netty.util.NetUtil;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Many short connections to a service at once, each of another size and manner, drawn from a seed.
 * Both directions end with their length and checksum, so that each end knows whether an end of the
 * stream that came in order was the right one. Its clients are threads of their own, which end with
 * {@link #close}; what became of the calls may be asked by any thread.
 */
public final class ShortCalls implements Closeable {
  /** Limit of every connect and read. */
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private static final int BLOCK_BYTES = 1 << 20;
  private static final int TRAILER_BYTES = 2 * Long.BYTES;
  private static final int LARGEST_PIECE = 40_000;

  /** Who ends its half first. */
  private enum Manner {
    CLIENT_ENDS_FIRST,
    SERVER_ENDS_FIRST,
    BOTH_AT_ONCE;

    private static final List<Manner> ALL = List.of(values());
  }

  /**
   * What a call is to do.
   *
   * @param up bytes that the client sends, in pieces
   * @param down bytes that the server sends
   * @param pauseMillis how long the client waits in the middle
   */
  private record Plan(int id, Manner manner, int up, int down, int pauseMillis) {
    static Plan draw(int id, Random random) {
      return new Plan(
          id,
          Manner.ALL.get(random.nextInt(Manner.ALL.size())),
          size(random),
          size(random),
          random.nextInt(4) == 0 ? random.nextInt(400) : 0);
    }

    /** Mostly small, sometimes more than a window. */
    private static int size(Random random) {
      return switch (random.nextInt(20)) {
        case 0 -> 0;
        case 1 -> random.nextInt(2 << 20);
        case 2, 3, 4 -> random.nextInt(100_000);
        default -> random.nextInt(3_000);
      };
    }

    void writeTo(OutputStream out) throws IOException {
      ByteArrayOutputStream header = new ByteArrayOutputStream();
      DataOutputStream fields = new DataOutputStream(header);
      fields.writeUTF(manner.name());
      fields.writeInt(id);
      fields.writeInt(up);
      fields.writeInt(down);
      header.writeTo(out);
    }

    static Plan readFrom(InputStream in) throws IOException {
      DataInputStream fields = new DataInputStream(in);
      Manner manner = Manner.valueOf(fields.readUTF());
      return new Plan(fields.readInt(), manner, fields.readInt(), fields.readInt(), 0);
    }
  }

  /** A stream that came to its end in order, and is not what was sent. */
  private static final class WrongBytesException extends IOException {
    private static final long serialVersionUID = 1;

    WrongBytesException(String message) {
      super(message);
    }
  }

  /** A call as its client has begun it. */
  private record Begun(String caller, long nanos) {
    Failure failed(String what, long endedNanos) {
      return new Failure(what, caller, nanos, endedNanos);
    }
  }

  /** What a server has met with. */
  private record ServerFailure(String what, long nanos) {}

  /**
   * A call that came to nothing.
   *
   * @param caller the client's address and port, as access logs name it
   * @param begunNanos when the client began it, of {@link System#nanoTime}
   * @param endedNanos when it failed
   */
  public record Failure(String what, String caller, long begunNanos, long endedNanos) {
    /** Whether it was under way at some time between these two. */
    public boolean overlaps(long fromNanos, long toNanos) {
      return begunNanos - toNanos <= 0 && endedNanos - fromNanos >= 0;
    }
  }

  private final Lab.Place client;
  private final InetAddress service;
  private final int port;
  private final int atOnce;
  private final long seed;
  private final byte[] block = new byte[BLOCK_BYTES];
  private final AtomicInteger begun = new AtomicInteger();
  private final Map<Integer, Begun> doneByClients = new ConcurrentHashMap<>();
  private final Set<Integer> doneByServers = ConcurrentHashMap.newKeySet();
  private final Map<Integer, ServerFailure> failedAtServers = new ConcurrentHashMap<>();
  private final Queue<Failure> failures = new ConcurrentLinkedQueue<>();
  private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
  private final List<Thread> clients = new ArrayList<>();
  private volatile boolean over;

  /**
   * Calls that are not begun yet.
   *
   * @param atOnce how many clients there are
   * @param seed what the calls are drawn from
   */
  public ShortCalls(Lab.Place client, InetAddress service, int port, int atOnce, long seed) {
    this.client = client;
    this.service = service;
    this.port = port;
    this.atOnce = atOnce;
    this.seed = seed;
    new Random(seed).nextBytes(block);
  }

  /** Begins; goes on until {@link #close}. */
  public void begin() {
    over = false;
    for (int i = 0; i < atOnce; i++) {
      clients.add(Thread.ofPlatform().daemon().name("calls-" + i).start(this::callAndCall));
    }
  }

  /** Lets the calls that are under way come to their ends. */
  @Override
  public void close() throws IOException {
    over = true;
    try {
      for (Thread each : clients) {
        each.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    clients.clear();
  }

  private void callAndCall() {
    while (!over) {
      int id = begun.incrementAndGet();
      call(Plan.draw(id, new Random(seed + id)));
    }
  }

  private void call(Plan plan) {
    Begun call = new Begun("not connected", System.nanoTime());
    try (Socket socket = Peer.connect(client, service, port, DEADLINE)) {
      call =
          new Begun(
              NetUtil.toSocketAddressString(
                  new InetSocketAddress(socket.getLocalAddress(), socket.getLocalPort())),
              call.nanos());
      plan.writeTo(socket.getOutputStream());
      switch (plan.manner()) {
        case CLIENT_ENDS_FIRST -> {
          send(socket, plan.up(), plan);
          receive(socket, plan.down());
        }
        case SERVER_ENDS_FIRST -> {
          receive(socket, plan.down());
          send(socket, plan.up(), plan);
        }
        case BOTH_AT_ONCE -> both(socket, plan.up(), plan.down(), plan);
      }
      doneByClients.put(plan.id(), call);
    } catch (WrongBytesException e) {
      wrong.add("client of " + plan + ": " + e.getMessage());
    } catch (IOException e) {
      failures.add(call.failed(plan + ": " + e, System.nanoTime()));
    }
  }

  /** The server's part. */
  public void serve(Socket socket) throws IOException {
    socket.setSoTimeout((int) DEADLINE.toMillis());
    Plan plan = Plan.readFrom(socket.getInputStream());
    try {
      switch (plan.manner()) {
        case CLIENT_ENDS_FIRST -> {
          receive(socket, plan.up());
          send(socket, plan.down(), plan);
        }
        case SERVER_ENDS_FIRST -> {
          send(socket, plan.down(), plan);
          receive(socket, plan.up());
        }
        case BOTH_AT_ONCE -> both(socket, plan.down(), plan.up(), plan);
      }
      doneByServers.add(plan.id());
    } catch (WrongBytesException e) {
      wrong.add("server of " + plan + ": " + e.getMessage());
    } catch (IOException e) {
      failedAtServers.put(plan.id(), new ServerFailure(plan + ": " + e, System.nanoTime()));
    }
  }

  private void both(Socket socket, int sent, int received, Plan plan) throws IOException {
    Queue<IOException> thrown = new ConcurrentLinkedQueue<>();
    Thread sender =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  try {
                    send(socket, sent, plan);
                  } catch (IOException e) {
                    thrown.add(e);
                  }
                });
    try {
      receive(socket, received);
      sender.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    @Nullable IOException failure = thrown.peek();
    if (failure != null) {
      throw failure;
    }
  }

  /** Sends so many bytes, tells how many and their checksum, and ends this half. */
  private void send(Socket socket, int bytes, Plan plan) throws IOException {
    Random random = new Random(plan.id());
    CRC32C sum = new CRC32C();
    OutputStream out = socket.getOutputStream();
    int middle = bytes / 2;
    boolean paused = plan.pauseMillis() == 0;
    for (int at = 0; at < bytes; ) {
      int n = Math.min(bytes - at, 1 + random.nextInt(LARGEST_PIECE));
      int from = random.nextInt(BLOCK_BYTES - n);
      sum.update(block, from, n);
      out.write(block, from, n);
      at += n;
      if (!paused && at >= middle) {
        paused = true;
        Pause.of(Duration.ofMillis(plan.pauseMillis()));
      }
    }
    out.write(trailer(bytes, sum));
    socket.shutdownOutput();
  }

  /** Reads to the end of the stream, and looks whether it is what was sent. */
  private static void receive(Socket socket, int expected) throws IOException {
    CRC32C sum = new CRC32C();
    byte[] buffer = new byte[64 << 10];
    InputStream in = socket.getInputStream();
    int got = 0;
    while (got < expected) {
      int n = in.read(buffer, 0, Math.min(buffer.length, expected - got));
      if (n < 0) {
        throw new WrongBytesException("ended after %d bytes of %d".formatted(got, expected));
      }
      sum.update(buffer, 0, n);
      got += n;
    }
    byte[] rest = in.readAllBytes();
    if (!Arrays.equals(trailer(expected, sum), rest)) {
      throw new WrongBytesException(
          "%d bytes, then %d (expected: %d, which tell length and checksum)"
              .formatted(got, rest.length, TRAILER_BYTES));
    }
  }

  private static byte[] trailer(int bytes, CRC32C sum) {
    return ByteBuffer.allocate(TRAILER_BYTES).putLong(bytes).putLong(sum.getValue()).array();
  }

  /** Those that their clients have begun. */
  public int begun() {
    return begun.get();
  }

  /** Those that both ends have brought to their ends. */
  public int done() {
    return (int) doneByClients.keySet().stream().filter(doneByServers::contains).count();
  }

  /** Those that came to nothing, for their clients. */
  public List<Failure> failures() {
    return List.copyOf(failures);
  }

  /** Streams that ended in order and were not what was sent. */
  public List<String> wrong() {
    return List.copyOf(wrong);
  }

  /**
   * Calls that were well for their client and failed at the server: what the client had sent when
   * it left was lost with something on the way.
   */
  public List<Failure> lostAtServers() {
    List<Failure> lost = new ArrayList<>();
    failedAtServers.forEach(
        (id, failure) -> {
          Begun call = doneByClients.get(id);
          if (call != null) {
            lost.add(call.failed(failure.what(), failure.nanos()));
          }
        });
    return lost;
  }

  /** Calls that were well for their client and are under way at the server, or never got there. */
  public long notYetDone() {
    return doneByClients.keySet().stream()
        .filter(id -> !doneByServers.contains(id) && !failedAtServers.containsKey(id))
        .count();
  }
}
