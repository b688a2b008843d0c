package io.ztunnel.xds;

import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.nio.NioChannelOption;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.ssl.OpenSslContextOption;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;
import jdk.net.ExtendedSocketOptions;

/**
 * Opens channels to the control plane, and makes the call of delta ADS. They share one event loop,
 * {@code grpc-0}, which is none of the data path's, and two threads for what blocks (name service).
 * Any thread opens; whoever made this closes it, after the channels.
 *
 * <p>Source: Istio ztunnel's gRPC transport: TLS 1.3 with ALPN h2 and without a client certificate,
 * 5 s to connect, TCP keepalive 300 s / 75 s / 9, HTTP/2 PING every 30 s with 10 s to answer while
 * calls are open.
 */
public final class ControlPlaneChannels implements AutoCloseable {
  private static final int CONNECT_TIMEOUT_MILLIS = 5_000;
  private static final int KEEPALIVE_IDLE_SECONDS = 300;
  private static final int KEEPALIVE_INTERVAL_SECONDS = 75;
  private static final int KEEPALIVE_PROBES = 9;
  private static final int PING_SECONDS = 30;
  private static final int PING_TIMEOUT_SECONDS = 10;
  static final int MAX_METADATA_BYTES = 64 << 10;
  private static final int PAGE_BYTES = 8 << 10;

  /** Chunks of 512 KiB. */
  private static final int CHUNK_ORDER = 6;

  private static final int NO_CACHE = 0;
  private static final int BLOCKING_THREADS = 2;
  private static final long IDLE_THREAD_SECONDS = 10;
  private static final long CLOSE_SECONDS = 2;

  private static final List<String> TLS13_SUITES =
      List.of("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256");

  /** What BoringSSL has for TLS 1.3, whatever it is told. */
  private static final List<String> BORINGSSL_TLS13_SUITES =
      List.of("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256");

  private static final List<String> TLS12_SUITES =
      List.of(
          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
          "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
          "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");

  private static final String[] GROUPS = {"X25519", "P-256", "P-384", "X25519MLKEM768"};
  private static final String[] POST_QUANTUM_GROUPS = {"X25519MLKEM768"};

  private static final Map<ChannelOption<?>, Object> SOCKET_OPTIONS =
      Map.of(
          ChannelOption.CONNECT_TIMEOUT_MILLIS,
          CONNECT_TIMEOUT_MILLIS,
          ChannelOption.SO_KEEPALIVE,
          true,
          NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPIDLE),
          KEEPALIVE_IDLE_SECONDS,
          NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPINTERVAL),
          KEEPALIVE_INTERVAL_SECONDS,
          NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPCOUNT),
          KEEPALIVE_PROBES);

  /**
   * A pool of its own, of small chunks, each of which is free memory once nothing of it is used. A
   * single buffer is none: to free one, the JVM has every thread stop for a moment.
   */
  private final ByteBufAllocator allocator;

  private final ControlPlaneConnection.Resolver resolver;
  private final EventLoopGroup loops = new ControlPlaneLoop();
  private final ThreadPoolExecutor blocking =
      new ThreadPoolExecutor(
          BLOCKING_THREADS,
          BLOCKING_THREADS,
          IDLE_THREAD_SECONDS,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          new DefaultThreadFactory("grpc-blocking", true));

  /** Of channels whose last handshake may not have ended. */
  private final Set<SslContext> contexts = ConcurrentHashMap.newKeySet();

  /** Starts no thread before it is needed. */
  public ControlPlaneChannels() {
    this(
        new PooledByteBufAllocator(true, 0, 1, PAGE_BYTES, CHUNK_ORDER, NO_CACHE, NO_CACHE, false));
  }

  ControlPlaneChannels(ByteBufAllocator allocator) {
    this(allocator, host -> List.of(InetAddress.getAllByName(host)));
  }

  /** With another name service for the call of delta ADS. */
  ControlPlaneChannels(ByteBufAllocator allocator, ControlPlaneConnection.Resolver resolver) {
    this.allocator = allocator;
    this.resolver = resolver;
    blocking.allowCoreThreadTimeOut(true);
  }

  /**
   * A new channel, with the roots as they are now. Reads a file if the roots are in one; does not
   * connect yet.
   *
   * @param executor runs the callbacks of calls, and reads the token; its threads may block
   * @throws IOException if the roots cannot be read
   */
  public ControlPlaneChannel open(ControlPlane controlPlane, Executor executor) throws IOException {
    SslContext tls = trusting(controlPlane);
    NettyChannelBuilder builder =
        NettyChannelBuilder.forAddress(controlPlane.host(), controlPlane.port())
            .overrideAuthority(controlPlane.authority()) // also the name for TLS
            .eventLoopGroup(loops)
            .channelType(NioSocketChannel.class)
            .withOption(ChannelOption.ALLOCATOR, allocator)
            .sslContext(tls)
            .executor(executor)
            .offloadExecutor(blocking)
            .proxyDetector(_ -> null) // the control plane is in the cluster, never behind a proxy
            .disableServiceConfigLookUp()
            .disableRetry()
            .keepAliveTime(PING_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(PING_TIMEOUT_SECONDS, TimeUnit.SECONDS)
            .maxInboundMetadataSize(MAX_METADATA_BYTES);
    SOCKET_OPTIONS.forEach((option, value) -> setOption(builder, option, value));
    return new ControlPlaneChannel(builder.build(), controlPlane, loops.next(), () -> release(tls));
  }

  @SuppressWarnings("unchecked") // the options are typed where they are listed
  private static <T> void setOption(
      NettyChannelBuilder builder, ChannelOption<T> option, Object value) {
    builder.withOption(option, (T) value);
  }

  /**
   * The call of delta ADS, on a connection of its own, with the roots as they are now. Reads a file
   * if the roots are in one; does not connect yet.
   *
   * @param turn of all calls to this control plane
   * @param executor runs the callbacks, one after the other
   * @throws IOException if the roots cannot be read
   */
  DeltaCall call(
      ControlPlane controlPlane, AddressTurn turn, Executor executor, DeltaCall.Listener listener)
      throws IOException {
    SslContext tls = trusting(controlPlane);
    Bootstrap sockets =
        new Bootstrap().channel(NioSocketChannel.class).option(ChannelOption.ALLOCATOR, allocator);
    SOCKET_OPTIONS.forEach((option, value) -> setOption(sockets, option, value));
    return new DeltaCall(
        new ControlPlaneConnection.Setting(
            controlPlane, sockets, tls, loops.next(), blocking, resolver),
        turn,
        executor,
        listener,
        () -> release(tls));
  }

  @SuppressWarnings("unchecked") // the options are typed where they are listed
  private static <T> void setOption(Bootstrap sockets, ChannelOption<T> option, Object value) {
    sockets.option(option, (T) value);
  }

  /** From now on other threads go first. Any thread. */
  @SuppressWarnings("ThreadPriorityCheck") // a nice value, for latency; nothing relies on it
  void giveWay() {
    loops.execute(() -> Thread.currentThread().setPriority(Thread.MIN_PRIORITY));
  }

  private SslContext trusting(ControlPlane controlPlane) throws IOException {
    SslContext tls =
        tls(
            controlPlane.tls(),
            new ServerVerifier(controlPlane.roots().read(), controlPlane.acceptedNames()));
    contexts.add(tls);
    return tls;
  }

  private void release(SslContext tls) {
    if (contexts.remove(tls)) {
      ReferenceCountUtil.release(tls);
    }
  }

  /** Ends the threads, and with them all channels; waits in bounded time. */
  @Override
  public void close() {
    blocking.shutdownNow();
    if (loops
        .shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS)
        .awaitUninterruptibly(2 * CLOSE_SECONDS, TimeUnit.SECONDS)) {
      List.copyOf(contexts).forEach(this::release); // nobody is left who could use them
    }
  }

  private static SslContext tls(TlsPolicy policy, ServerVerifier verifier) throws IOException {
    SslContextBuilder builder =
        GrpcSslContexts.configure(
                SslContextBuilder.forClient(),
                switch (policy.provider()) {
                  case BORINGSSL -> SslProvider.OPENSSL;
                  case JDK -> SslProvider.JDK;
                })
            .trustManager(verifier)
            .protocols(policy.tls12() ? List.of("TLSv1.3", "TLSv1.2") : List.of("TLSv1.3"))
            .ciphers(suites(policy));
    if (policy.provider() == TlsPolicy.Provider.BORINGSSL) {
      // grpc-netty knows one of the two names only; this one frees native memory when we say so.
      builder.sslProvider(SslProvider.OPENSSL_REFCNT);
      builder.option(
          OpenSslContextOption.GROUPS, policy.postQuantumOnly() ? POST_QUANTUM_GROUPS : GROUPS);
    }
    try {
      return builder.build();
    } catch (SSLException e) {
      throw new IOException("cannot make a TLS context: " + e.getMessage(), e);
    }
  }

  private static List<String> suites(TlsPolicy policy) {
    List<String> tls13 =
        switch (policy.provider()) {
          case BORINGSSL -> BORINGSSL_TLS13_SUITES;
          case JDK -> TLS13_SUITES;
        };
    return policy.tls12() ? Stream.concat(tls13.stream(), TLS12_SUITES.stream()).toList() : tls13;
  }
}
