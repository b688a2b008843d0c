package io.ztunnel.xds;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.Value;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A control plane for tests, labs and the demo: a real gRPC server over TLS that speaks delta ADS
 * as istiod does, on whatever resources it is given. All methods may come from any thread; state is
 * guarded by this.
 */
public final class FakeControlPlane implements AutoCloseable {
  /** The types that ztunnel subscribes to. */
  public static final String ADDRESS = "type.googleapis.com/istio.workload.Address";

  public static final String AUTHORIZATION = "type.googleapis.com/istio.security.Authorization";

  private static final int MAX_REQUEST_BYTES = 4 << 20; // istiod
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final Duration RETRY = Duration.ofMillis(20);

  /**
   * One resource.
   *
   * @param companions names of resources that are sent with it to whoever asks for it
   * @param node whose client is sent it unasked; empty: none
   * @param services names of resources whose followers are sent it, too
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  public record Entry(
      String name,
      String version,
      byte[] payload,
      List<String> aliases,
      List<String> companions,
      String node,
      List<String> services) {
    public static Entry of(String name, byte[] payload) {
      return new Entry(name, hash(payload), payload, List.of(), List.of(), "", List.of());
    }

    public Entry aliases(String... more) {
      return new Entry(name, version, payload, List.of(more), companions, node, services);
    }

    public Entry companions(String... more) {
      return new Entry(name, version, payload, aliases, List.of(more), node, services);
    }

    public Entry version(String other) {
      return new Entry(name, other, payload, aliases, companions, node, services);
    }

    public Entry onNode(String nodeName) {
      return new Entry(name, version, payload, aliases, companions, nodeName, services);
    }

    public Entry serving(List<String> more) {
      return new Entry(name, version, payload, aliases, companions, node, List.copyOf(more));
    }

    /** The same as a watcher gets it. */
    public Resource received(String typeUrl) {
      byte[] bytes = resource(typeUrl, this, true);
      Resource resource = new Resource(bytes, 0, bytes.length);
      resource.read();
      return resource;
    }
  }

  /** A request that came, and the stream it came on. */
  public record Received(int stream, DeltaDiscoveryRequest request) {}

  private final EventLoopGroup loops =
      new MultiThreadIoEventLoopGroup(
          1, new DefaultThreadFactory("control-plane", true), NioIoHandler.newFactory());
  private final List<String> names;
  private final Map<String, Map<String, Entry>> resources = new HashMap<>();
  private final List<Received> received = new ArrayList<>();
  private final List<Metadata> headers = new ArrayList<>();
  private final Set<Stream> streams = new LinkedHashSet<>();
  private final @Nullable Duration connectionAge;
  private final SocketOpener sockets;
  private SslContext tls;
  private InetSocketAddress address;
  private @Nullable Server server;
  private @Nullable Status refusal;
  private boolean silent;
  private int streamCount;
  private int nonces;

  /** Makes the socket to listen on. */
  @FunctionalInterface
  public interface SocketOpener {
    ServerSocketChannel open() throws IOException;
  }

  /** What is to be started: where, and with which certificate. */
  public static final class Options {
    private InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private List<String> names = List.of("localhost", "127.0.0.1");
    private @Nullable Duration connectionAge;
    private SocketOpener sockets = ServerSocketChannel::open;

    /** Opens its sockets this way, for instance in a network namespace. */
    public Options sockets(SocketOpener opener) {
      sockets = opener;
      return this;
    }

    /** Listens here instead of on a free port of loopback. */
    public Options address(InetSocketAddress where) {
      address = where;
      return this;
    }

    /** The names in the certificate. */
    public Options names(String... dnsNamesOrAddresses) {
      names = List.of(dnsNamesOrAddresses);
      return this;
    }

    /** Connections get a GOAWAY at this age, and are ended shortly after. */
    public Options connectionAge(Duration age) {
      connectionAge = age;
      return this;
    }

    public FakeControlPlane start(ControlPlanePki pki) {
      return new FakeControlPlane(this, pki);
    }
  }

  public static Options options() {
    return new Options();
  }

  private FakeControlPlane(Options options, ControlPlanePki pki) {
    this.names = options.names;
    this.address = options.address;
    this.connectionAge = options.connectionAge;
    this.sockets = options.sockets;
    this.tls = tls(pki, names);
    listen();
  }

  private static SslContext tls(ControlPlanePki pki, List<String> names) {
    ControlPlanePki.ServerKey key = pki.server(names);
    try {
      return GrpcSslContexts.configure(
              SslContextBuilder.forServer(key.key(), key.chain()), SslProvider.JDK)
          .protocols("TLSv1.3", "TLSv1.2")
          .build();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Shows a certificate of this root from the next {@link #listen} on. */
  public synchronized void certifyBy(ControlPlanePki pki) {
    tls = tls(pki, names);
  }

  /** Listens again, where it did, after {@link #stopListening}. */
  public synchronized void listen() {
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(address)
            .bossEventLoopGroup(loops)
            .workerEventLoopGroup(loops)
            .channelFactory(this::newServerChannel)
            .sslContext(tls)
            .directExecutor()
            .maxInboundMessageSize(MAX_REQUEST_BYTES)
            .permitKeepAliveTime(5, TimeUnit.SECONDS)
            .addService(DeltaService.service(this::accept));
    if (connectionAge != null) {
      builder
          .maxConnectionAge(connectionAge.toMillis(), TimeUnit.MILLISECONDS)
          .maxConnectionAgeGrace(50, TimeUnit.MILLISECONDS);
    }
    Server started = start(builder);
    server = started;
    address = new InetSocketAddress(address.getAddress(), started.getPort());
  }

  /** A client that tries to connect may have the port for its own for a moment. */
  private static Server start(NettyServerBuilder builder) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      try {
        return builder.build().start();
      } catch (IOException e) {
        if (System.nanoTime() > deadline) {
          throw new UncheckedIOException(e);
        }
        LockSupport.parkNanos(RETRY.toNanos());
      }
    }
  }

  private NioServerSocketChannel newServerChannel() {
    try {
      return new NioServerSocketChannel(sockets.open());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Ends all connections, and takes no new one. */
  public void stopListening() {
    Server stopping;
    synchronized (this) {
      stopping = server;
      server = null;
    }
    if (stopping != null) {
      stopping.shutdownNow();
      try {
        if (!stopping.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
          throw new IllegalStateException("the server does not end");
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      }
    }
  }

  public synchronized int port() {
    return address.getPort();
  }

  @Override
  public void close() {
    stopListening();
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(5, TimeUnit.SECONDS);
  }

  /** Adds or replaces resources, and pushes them in one response. */
  public synchronized void put(String typeUrl, Collection<Entry> entries) {
    Map<String, Entry> all = resources.computeIfAbsent(typeUrl, _ -> new LinkedHashMap<>());
    Set<String> changed = new LinkedHashSet<>();
    for (Entry entry : entries) {
      all.put(entry.name(), entry);
      changed.add(entry.name());
    }
    push(typeUrl, changed);
  }

  public synchronized void put(String typeUrl, Entry... entries) {
    put(typeUrl, List.of(entries));
  }

  /** Removes resources, and pushes that in one response. */
  public synchronized void remove(String typeUrl, Collection<String> names) {
    Map<String, Entry> all = resources.computeIfAbsent(typeUrl, _ -> new LinkedHashMap<>());
    names.forEach(all::remove);
    push(typeUrl, new LinkedHashSet<>(names));
  }

  /** From now on new streams are refused with this; null: no longer. */
  public synchronized void refuse(@Nullable Status status) {
    refusal = status;
  }

  /** From now on requests are recorded and not answered, or are again. */
  public synchronized void silent(boolean on) {
    silent = on;
  }

  /** Ends all streams with this status. */
  public synchronized void endStreams(Status status) {
    for (Stream stream : List.copyOf(streams)) {
      stream.close(status);
    }
  }

  /** Sends these bytes as a response on all streams, whatever they are. */
  public synchronized void sendRaw(byte[] response) {
    streams.forEach(stream -> stream.call.sendMessage(response));
  }

  /** Sends a response of these resources on all streams, known or not. */
  public synchronized void sendUnasked(String typeUrl, List<Entry> entries) {
    sendRaw(response(typeUrl, "unasked-" + ++nonces, entries, List.of(), true));
  }

  /** How many streams were opened so far. */
  public synchronized int streamCount() {
    return streamCount;
  }

  /** How many streams are open. */
  public synchronized int openStreams() {
    return streams.size();
  }

  /** The headers of the streams so far. */
  public synchronized List<Metadata> headers() {
    return List.copyOf(headers);
  }

  /** What was asked so far. */
  public synchronized List<Received> received() {
    return List.copyOf(received);
  }

  /** The next request that is as wanted, among those that have come and those to come. */
  public synchronized Received await(String what, Predicate<Received> wanted) {
    awaitState(
        () -> received.stream().anyMatch(wanted), () -> "no " + what + " among " + summary());
    return received.stream().filter(wanted).findFirst().orElseThrow();
  }

  /**
   * Waits until every client that is connected has answered all that was put and removed so far:
   * then it is in effect there.
   */
  public synchronized void awaitAnswers() {
    awaitState(
        () -> streams.stream().allMatch(stream -> stream.unanswered.isEmpty()),
        () -> "no answer to " + streams.stream().map(stream -> stream.unanswered).toList());
  }

  private synchronized void awaitState(BooleanSupplier reached, Supplier<String> otherwise) {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!reached.getAsBoolean()) {
      long left = end - System.nanoTime();
      if (left <= 0) {
        throw new AssertionError(otherwise.get());
      }
      try {
        TimeUnit.NANOSECONDS.timedWait(this, Math.min(left, TimeUnit.SECONDS.toNanos(1)));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      }
    }
  }

  /** The first request of a type on a stream (counted from 1). */
  public DeltaDiscoveryRequest awaitFirst(int stream, String typeUrl) {
    return await(
            "first request for " + typeUrl + " on stream " + stream,
            one ->
                one.stream() == stream
                    && one.request().getTypeUrl().equals(typeUrl)
                    && one.request().getResponseNonce().isEmpty()
                    && one.request().hasNode())
        .request();
  }

  /** The answer to a response of a type on a stream: an ACK, or a NACK with a text in it. */
  public DeltaDiscoveryRequest awaitAnswer(int stream, String typeUrl, boolean nack) {
    return await(
            (nack ? "NACK" : "ACK") + " for " + typeUrl + " on stream " + stream,
            one ->
                one.stream() == stream
                    && one.request().getTypeUrl().equals(typeUrl)
                    && !one.request().getResponseNonce().isEmpty()
                    && one.request().hasErrorDetail() == nack)
        .request();
  }

  private List<String> summary() {
    return received.stream()
        .map(
            one ->
                one.stream()
                    + ": "
                    + one.request().getTypeUrl()
                    + " nonce "
                    + one.request().getResponseNonce()
                    + " error "
                    + one.request().getErrorDetail().getMessage())
        .toList();
  }

  private ServerCall.Listener<DeltaDiscoveryRequest> accept(
      ServerCall<DeltaDiscoveryRequest, byte[]> call, Metadata metadata) {
    synchronized (this) {
      headers.add(metadata);
      int number = ++streamCount;
      if (refusal != null) {
        call.close(refusal, new Metadata());
        return new ServerCall.Listener<>() {};
      }
      call.sendHeaders(new Metadata());
      call.request(1);
      Stream stream = new Stream(number, call);
      streams.add(stream);
      return stream;
    }
  }

  private void push(String typeUrl, Set<String> changed) {
    streams.forEach(stream -> stream.push(typeUrl, changed));
  }

  /** One client. Guarded by the control plane. */
  private final class Stream extends ServerCall.Listener<DeltaDiscoveryRequest> {
    private final int number;
    private final ServerCall<DeltaDiscoveryRequest, byte[]> call;
    private final Map<String, Watch> watches = new HashMap<>();

    /** Nonces of responses that were neither acknowledged nor rejected yet. */
    private final Set<String> unanswered = new LinkedHashSet<>();

    Stream(int number, ServerCall<DeltaDiscoveryRequest, byte[]> call) {
      this.number = number;
      this.call = call;
    }

    @Override
    public void onMessage(DeltaDiscoveryRequest request) {
      synchronized (FakeControlPlane.this) {
        received.add(new Received(number, request));
        unanswered.remove(request.getResponseNonce());
        FakeControlPlane.this.notifyAll();
        call.request(1);
        if (!silent && streams.contains(this)) {
          answer(request);
        }
      }
    }

    @Override
    public void onHalfClose() {
      close(Status.OK);
    }

    @Override
    public void onCancel() {
      synchronized (FakeControlPlane.this) {
        streams.remove(this);
        FakeControlPlane.this.notifyAll();
      }
    }

    void close(Status status) {
      synchronized (FakeControlPlane.this) {
        if (streams.remove(this)) {
          call.close(status, new Metadata());
          FakeControlPlane.this.notifyAll();
        }
      }
    }

    private void answer(DeltaDiscoveryRequest request) {
      String typeUrl = request.getTypeUrl();
      Watch known = watches.get(typeUrl);
      if (known == null) {
        Watch watch = new Watch(request);
        watches.put(typeUrl, watch);
        Set<String> names = new LinkedHashSet<>(watch.versions.keySet());
        resources.getOrDefault(typeUrl, Map.of()).values().stream()
            .filter(watch::isImplied)
            .map(Entry::name)
            .forEach(names::add);
        watch.send(this, typeUrl, names);
      } else {
        request.getResourceNamesUnsubscribeList().forEach(known.versions::remove);
        Set<String> asked = new LinkedHashSet<>(request.getResourceNamesSubscribeList());
        if (!known.versions.keySet().containsAll(asked)) { // istiod: what is subscribed is known
          asked.forEach(name -> known.versions.putIfAbsent(name, ""));
          known.send(this, typeUrl, asked);
        }
      }
    }

    void push(String typeUrl, Set<String> changed) {
      Watch watch = watches.get(typeUrl);
      if (watch == null || silent) {
        return;
      }
      Map<String, Entry> all = resources.getOrDefault(typeUrl, Map.of());
      Set<String> wanted = new LinkedHashSet<>();
      for (String name : changed) {
        Entry entry = all.get(name);
        if (watch.wildcard
            || watch.versions.containsKey(name) // istiod: not by aliases
            || (entry != null && watch.isImplied(entry))) {
          wanted.add(name);
        }
      }
      if (!wanted.isEmpty()) {
        watch.send(this, typeUrl, wanted);
      }
    }
  }

  /** What a client wants and has of a type. Guarded by the control plane. */
  private final class Watch {
    private final boolean wildcard;
    private final String node;
    private final Map<String, String> versions;

    Watch(DeltaDiscoveryRequest first) {
      List<String> subscribed = first.getResourceNamesSubscribeList();
      wildcard =
          (subscribed.isEmpty() || subscribed.contains("*"))
              && !first.getResourceNamesUnsubscribeList().contains("*");
      node =
          first
              .getNode()
              .getMetadata()
              .getFieldsOrDefault("NODE_NAME", Value.getDefaultInstance())
              .getStringValue();
      versions = new LinkedHashMap<>(first.getInitialResourceVersionsMap());
    }

    /**
     * Whether it is sent without being asked for. To who asks for what it needs, istiod sends the
     * pods of the client's own node, and those of services that it has asked for.
     */
    boolean isImplied(Entry entry) {
      return wildcard
          || (!node.isEmpty() && node.equals(entry.node()))
          || entry.services().stream().anyMatch(versions::containsKey);
    }

    void send(Stream stream, String typeUrl, Set<String> names) {
      Map<String, Entry> all = resources.getOrDefault(typeUrl, Map.of());
      List<Entry> changed = new ArrayList<>();
      List<String> gone = new ArrayList<>();
      Set<String> seen = new HashSet<>();
      for (String name : names) {
        Entry entry = find(all, name);
        if (entry == null) {
          gone.add(name);
          if (wildcard) {
            versions.remove(name);
          } else {
            versions.replace(name, ""); // asked for still
          }
          continue;
        }
        List<String> together = new ArrayList<>(List.of(entry.name()));
        if (!wildcard) {
          together.addAll(entry.companions());
          all.values().stream()
              .filter(other -> other.services().contains(entry.name()))
              .map(Entry::name)
              .forEach(together::add);
        }
        for (String one : together) {
          Entry sent = all.get(one);
          if (sent != null
              && seen.add(one)
              && (sent.version().isEmpty() || !sent.version().equals(versions.get(one)))) {
            changed.add(sent);
            versions.put(one, sent.version());
          }
        }
      }
      String nonce = "nonce-" + ++nonces;
      stream.unanswered.add(nonce);
      stream.call.sendMessage(response(typeUrl, nonce, changed, gone, !wildcard));
    }

    private @Nullable Entry find(Map<String, Entry> all, String key) {
      Entry exact = all.get(key);
      if (exact != null || wildcard) {
        return exact;
      }
      return all.values().stream()
          .filter(entry -> entry.aliases().contains(key))
          .findFirst()
          .orElse(null);
    }
  }

  /** The bytes of a response. */
  public static byte[] response(
      String typeUrl, String nonce, List<Entry> entries, List<String> removed, boolean aliases) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      CodedOutputStream out = CodedOutputStream.newInstance(bytes);
      for (Entry entry : entries) {
        out.writeByteArray(2, resource(typeUrl, entry, aliases));
      }
      out.writeString(4, typeUrl);
      out.writeString(5, nonce);
      for (String name : removed) {
        out.writeString(6, name);
      }
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static byte[] resource(String typeUrl, Entry entry, boolean aliases) {
    ByteArrayOutputStream any = new ByteArrayOutputStream();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      CodedOutputStream anyOut = CodedOutputStream.newInstance(any);
      anyOut.writeString(1, typeUrl);
      anyOut.writeByteArray(2, entry.payload());
      anyOut.flush();
      CodedOutputStream out = CodedOutputStream.newInstance(bytes);
      out.writeString(1, entry.version());
      out.writeByteArray(2, any.toByteArray());
      out.writeString(3, entry.name());
      if (aliases) {
        for (String alias : entry.aliases()) {
          out.writeString(4, alias);
        }
      }
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static String hash(byte[] payload) {
    CRC32C crc = new CRC32C();
    crc.update(payload);
    return Long.toHexString(crc.getValue() * 0x9E3779B97F4A7C15L);
  }
}
