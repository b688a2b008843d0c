package io.ztunnel.dns;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoop;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.DatagramChannel;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.redirection.ListenerSettings;
import io.ztunnel.redirection.SocketFactory;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The DNS server of one workload: listens in its network namespace by UDP and TCP, and answers from
 * the mesh or from the system's name servers.
 *
 * <p>Confined to the event loop that it was made with, on which all its sockets are, those to name
 * servers included; public methods may be called from any thread.
 */
public final class DnsServer {
  /** The port where pods' questions are redirected to (Istio). */
  public static final int PORT = 15_053;

  /** Of one pod; more are hung up on at once. */
  static final int MAX_CONNECTIONS = 128;

  /** How often a graceful end looks whether the last question was answered. */
  private static final long DRAIN_POLL_MILLIS = 10;

  private final EventLoop loop;
  private final DnsContext context;
  private final SocketFactory sockets;
  private final NameService names;
  private final List<Channel> listeners = new ArrayList<>();
  private final Map<Channel, StreamQuestions> connections = new HashMap<>();

  /** Of the sockets that get no new questions any more; what waits in them is read still. */
  private final List<DatagramQuestions> leaving = new ArrayList<>();

  private long readOfLeaving;
  private final Promise<Void> closed;
  private @Nullable ScheduledFuture<?> poll;

  /** Set by the loop, read by any thread. */
  private volatile List<InetSocketAddress> listening = List.of();

  private boolean starting;
  private boolean draining;
  private boolean closing;

  /**
   * A server that does not listen yet.
   *
   * @throws IOException if its settings cannot be read
   */
  public DnsServer(EventLoop loop, DnsContext context, SocketFactory sockets, LocalClient client)
      throws IOException {
    DnsContext.Start start = context.setup().read();
    this.loop = loop;
    this.context = context;
    this.sockets = sockets;
    this.names =
        new NameService(
            loop,
            context,
            client,
            start.lookup(),
            new Forwarder(
                loop,
                sockets,
                start.resolver(),
                context.random(),
                context.memory(),
                context.nanoClock()));
    this.closed = loop.newPromise();
  }

  /** Binds all addresses, or fails with the first that cannot be bound and leaves none behind. */
  public Future<Void> start() {
    Promise<Void> started = loop.newPromise();
    loop.execute(
        () -> {
          starting = true;
          try {
            List<InetSocketAddress> addresses = addresses();
            DnsLog.starting(
                switch (context.address()) {
                  case DnsContext.Address.Loopback(int port) -> "localhost:" + port;
                  case DnsContext.Address.Exact(InetSocketAddress address) ->
                      NetUtil.toSocketAddressString(address);
                });
            bindNext(addresses, 0, started);
          } catch (IOException e) {
            failStart(e, started);
          }
        });
    return started;
  }

  private List<InetSocketAddress> addresses() throws IOException {
    return switch (context.address()) {
      case DnsContext.Address.Exact(InetSocketAddress address) -> List.of(address);
      case DnsContext.Address.Loopback(int port) ->
          sockets.loopback().stream().map(ip -> new InetSocketAddress(ip, port)).toList();
    };
  }

  /** Each address first for datagrams, then for connections. */
  private void bindNext(List<InetSocketAddress> addresses, int next, Promise<Void> started) {
    assert loop.inEventLoop();
    if (next == addresses.size()) {
      starting = false;
      listening = List.copyOf(addresses);
      started.trySuccess(null);
      return;
    }
    InetSocketAddress address = addresses.get(next);
    sockets
        .bindDatagrams(loop, address, new DatagramQuestions(names))
        .addListener(
            (Future<DatagramChannel> datagrams) -> {
              if (isBound(datagrams, started)) {
                listen(address)
                    .addListener(
                        (Future<ServerChannel> streams) -> {
                          if (isBound(streams, started)) {
                            bindNext(addresses, next + 1, started);
                          }
                        });
              }
            });
  }

  private Future<ServerChannel> listen(InetSocketAddress address) {
    ChannelHandler accepted =
        new ChannelInitializer<>() {
          @Override
          public boolean isSharable() {
            return true;
          }

          @Override
          protected void initChannel(Channel channel) {
            onAccepted(channel);
          }
        };
    return sockets.listen(loop, loop, ListenerSettings.at(address), accepted);
  }

  private boolean isBound(Future<? extends Channel> bound, Promise<Void> started) {
    assert loop.inEventLoop();
    if (!bound.isSuccess()) {
      failStart(bound.cause(), started);
      return false;
    }
    listeners.add(bound.getNow());
    if (draining) {
      failStart(new IllegalStateException("drained while starting"), started);
      return false;
    }
    return true;
  }

  private void failStart(Throwable cause, Promise<Void> started) {
    starting = false;
    closeNow();
    closed.addListener(_ -> started.tryFailure(cause));
  }

  private void onAccepted(Channel channel) {
    assert loop.inEventLoop();
    if (closing || connections.size() >= MAX_CONNECTIONS) {
      channel.close();
      return;
    }
    StreamQuestions questions = StreamQuestions.install(channel, names);
    connections.put(channel, questions);
    if (draining) { // accepted just before the listener was closed
      questions.drain(channel);
    }
    channel.closeFuture().addListener(_ -> connections.remove(channel));
  }

  /**
   * Ends it when the questions that are under way have their answers; new ones go to the process
   * that listens beside this one, if there is one. Questions have deadlines, so this ends in
   * bounded time.
   */
  public Future<Void> drain() {
    loop.execute(
        () -> {
          if (!draining) {
            draining = true;
            listeners.forEach(this::turnAway);
            Map.copyOf(connections).forEach((channel, questions) -> questions.drain(channel));
            boolean _ = isNothingReadSinceLastLook();
            // Not at once: what waits in the sockets of datagrams is to be read.
            poll = loop.schedule(this::awaitIdle, DRAIN_POLL_MILLIS, TimeUnit.MILLISECONDS);
          }
        });
    return closed;
  }

  private void turnAway(Channel listener) {
    switch (listener) {
      case DatagramChannel datagrams -> {
        try {
          // Without such a way, new questions are answered until it closes.
          if (SocketFactory.turnAway(datagrams)) {
            leaving.add(datagrams.pipeline().get(DatagramQuestions.class));
          }
        } catch (IOException e) {
          DnsLog.failed("questions go on to come to a server that ends", e);
        }
      }
      default -> listener.close();
    }
  }

  private void awaitIdle() {
    assert loop.inEventLoop();
    boolean empty = isNothingReadSinceLastLook();
    if (!starting && empty && names.inFlight() == 0 && connections.isEmpty()) {
      closeNow();
    } else if (!closing) {
      poll = loop.schedule(this::awaitIdle, DRAIN_POLL_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /**
   * Whether nothing waits in the sockets that get no new questions. Each turn of the loop reads
   * some of what waits, not all, and there is one between any two looks.
   */
  private boolean isNothingReadSinceLastLook() {
    long before = readOfLeaving;
    readOfLeaving = leaving.stream().mapToLong(DatagramQuestions::received).sum();
    return readOfLeaving == before;
  }

  /** Ends it at once. */
  public Future<Void> close() {
    loop.execute(this::closeNow);
    return closed;
  }

  private void closeNow() {
    assert loop.inEventLoop();
    draining = true;
    closing = true;
    if (poll != null) {
      poll.cancel(false);
    }
    List<Channel> open = new ArrayList<>(listeners);
    open.addAll(connections.keySet());
    open.forEach(Channel::close);
    names.close();
    if (!starting && open.stream().allMatch(channel -> channel.closeFuture().isDone())) {
      closed.trySuccess(null);
    } else {
      poll = loop.schedule(this::closeNow, DRAIN_POLL_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /** Where it listens, both for datagrams and for connections; empty before it has started. */
  public List<InetSocketAddress> listening() {
    return listening;
  }

  /** Completes when all is closed. */
  public Future<Void> closed() {
    return closed;
  }

  /**
   * The IPv4 addresses of a name, as the workload itself would learn them; at least one. Fails if
   * there is none. Completes on the given loop.
   */
  public Future<List<InetAddress>> resolve(EventLoop caller, String name) {
    Promise<List<InetAddress>> result = caller.newPromise();
    DomainName asked = DomainName.parse(name);
    if (asked == null || asked.isRoot()) {
      return result.setFailure(
          new UnknownHostException(name + " (expected: labels of 1 to 63 bytes)"));
    }
    loop.execute(
        () ->
            names
                .ask(
                    new Question(asked, RecordType.A, Question.IN),
                    DnsProtocol.TCP,
                    MessageWriter.MAX_BYTES)
                .addListener((Future<Reply> reply) -> complete(result, name, reply.getNow())));
    return result;
  }

  private static void complete(Promise<List<InetAddress>> result, String name, Reply reply) {
    switch (reply) {
      case Reply.Failed(int code) ->
          result.tryFailure(new UnknownHostException(name + ": " + ResponseCode.name(code)));
      case Reply.Found found -> {
        List<InetAddress> addresses =
            found.answers().stream()
                .filter(record -> record.type() == RecordType.A)
                .map(ResourceRecord::address)
                .filter(Objects::nonNull)
                .toList();
        if (addresses.isEmpty()) {
          result.tryFailure(new UnknownHostException(name + ": no address"));
        } else {
          result.trySuccess(addresses);
        }
      }
    }
  }
}
