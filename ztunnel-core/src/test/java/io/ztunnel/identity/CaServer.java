package io.ztunnel.identity;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.identity.proto.IstioCertificateRequest;
import io.ztunnel.identity.proto.IstioCertificateResponse;
import java.io.IOException;
import java.io.StringReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequest;
import org.jspecify.annotations.Nullable;

/**
 * A control plane's CA for tests: real gRPC over real TLS, which wants a token and the cluster's
 * name and certifies the identity that the caller impersonates, as istiod does. It can be told to
 * misbehave for single identities. Any thread; ends with {@link #close}.
 */
public final class CaServer implements AutoCloseable {
  /** What is wrong with what one identity gets. */
  public enum Fault {
    REFUSED,
    SILENCE,
    WRONG_SAN,
    EXPIRED,
    EMPTY_CHAIN,
    LEAF_ONLY,
    GARBAGE
  }

  /** One request as it came. */
  public record Call(
      String identity, String token, String cluster, Map<String, String> headers, Asked asked) {}

  /** What was asked for: a request in PEM, and seconds. */
  public record Asked(String csr, long validitySeconds) {}

  private static final Context.Key<Metadata> METADATA = Context.key("metadata");
  private static final int STOP_SECONDS = 5;

  private final EventLoopGroup loops =
      new MultiThreadIoEventLoopGroup(
          1, new DefaultThreadFactory("ca-server", true), NioIoHandler.newFactory());
  private final ExecutorService answers =
      Executors.newSingleThreadExecutor(new DefaultThreadFactory("ca-answers", true));
  private final ChannelFactory<? extends ServerChannel> sockets;
  private final Map<String, Fault> faults = new ConcurrentHashMap<>();
  private final Map<String, X509Certificate> issued = new ConcurrentHashMap<>();
  private final List<Call> calls = new CopyOnWriteArrayList<>();

  private volatile TestPki authority;
  private volatile List<X509Certificate> roots;
  private volatile String token = "token";
  private volatile String caller = "spiffe://cluster.local/ns/istio-system/sa/ztunnel";
  private volatile Duration validity = Duration.ofHours(1);
  private volatile boolean holding;
  private final List<Runnable> held = new ArrayList<>();
  private Server server;

  private CaServer(
      TestPki tls, TestPki authority, int port, ChannelFactory<? extends ServerChannel> sockets)
      throws IOException {
    this.authority = authority;
    this.roots = List.of(authority.rootCertificate());
    this.sockets = sockets;
    this.server = listen(tls, port);
  }

  /**
   * Serves on 127.0.0.1.
   *
   * @param tls signs the server's certificate, for {@code localhost}
   * @param authority signs those of workloads
   * @param port 0 for any
   * @param sockets makes the listening socket, perhaps in a network namespace; NIO
   */
  public static CaServer start(
      TestPki tls, TestPki authority, int port, ChannelFactory<? extends ServerChannel> sockets)
      throws IOException {
    return new CaServer(tls, authority, port, sockets);
  }

  private Server listen(TestPki tls, int port) throws IOException {
    KeyMaterial material = tls.leaf().dnsSan("localhost").material();
    return NettyServerBuilder.forAddress(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), port))
        .channelFactory(sockets)
        .bossEventLoopGroup(loops)
        .workerEventLoopGroup(loops)
        .executor(answers)
        .sslContext(
            GrpcSslContexts.configure(
                    SslContextBuilder.forServer(
                        material.key(), material.chain().toArray(X509Certificate[]::new)),
                    SslProvider.JDK)
                .protocols("TLSv1.3")
                .build())
        .intercept(new KeepMetadata())
        .addService(
            ServerServiceDefinition.builder(CertificateService.NAME)
                .addMethod(CertificateService.CREATE, ServerCalls.asyncUnaryCall(this::onCall))
                .build())
        .build()
        .start();
  }

  public int port() {
    return server.getPort();
  }

  /** What {@code CA_ADDRESS} is to be. */
  public String address() {
    return "https://localhost:" + port();
  }

  /** Ends all connections and goes on with a certificate of another root, on the same port. */
  public synchronized void restart(TestPki tls) throws IOException {
    int port = port();
    stop();
    server = listen(tls, port);
  }

  /** All that is issued after this comes from this authority, with these roots to trust. */
  public synchronized void signBy(TestPki other, X509Certificate... trusted) {
    authority = other;
    roots = List.of(trusted);
  }

  /** The token that callers must have. */
  public void expectToken(String expected) {
    token = expected;
  }

  /** Whose certificate a caller gets that impersonates nobody. */
  public void callerIs(String identity) {
    caller = identity;
  }

  /** For how long certificates are valid, whatever is asked for. */
  public void validFor(Duration duration) {
    validity = duration;
  }

  /** Gives no answer to calls, until {@link #release}. */
  public synchronized void hold() {
    holding = true;
  }

  /** Answers the calls that were held, and those to come at once. */
  public synchronized void release() {
    holding = false;
    held.forEach(answers::execute);
    held.clear();
  }

  /** Misbehaves for this identity. */
  public void fail(String identity, Fault fault) {
    faults.put(identity, fault);
  }

  /** Behaves again. */
  public void mend(String identity) {
    faults.remove(identity);
  }

  /** All requests so far. */
  public List<Call> calls() {
    return List.copyOf(calls);
  }

  /** The last certificate that an identity got. */
  public X509Certificate issued(String identity) {
    return Objects.requireNonNull(issued.get(identity), "nothing issued for " + identity);
  }

  /** For whom certificates were asked, in order. */
  public List<String> asked() {
    return calls.stream().map(Call::identity).toList();
  }

  private void onCall(
      IstioCertificateRequest request, StreamObserver<IstioCertificateResponse> answer) {
    Metadata metadata = METADATA.get();
    String impersonated =
        request
            .getMetadata()
            .getFieldsOrDefault(
                "ImpersonatedIdentity", com.google.protobuf.Value.getDefaultInstance())
            .getStringValue();
    String identity = impersonated.isEmpty() ? caller : impersonated;
    Map<String, String> headers = new ConcurrentHashMap<>();
    for (String name : metadata.keys()) {
      if (!name.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
        headers.put(name, header(metadata, name));
      }
    }
    String authorization = header(metadata, "authorization");
    String cluster = header(metadata, "clusterid");
    calls.add(
        new Call(
            identity,
            authorization,
            cluster,
            headers,
            new Asked(request.getCsr(), request.getValidityDuration())));
    if (!authorization.equals("Bearer " + token) || cluster.isEmpty()) {
      answer.onError(
          Status.UNAUTHENTICATED.withDescription("request authenticate failure").asException());
      return;
    }
    Runnable reply = () -> reply(identity, request.getCsr(), answer);
    synchronized (this) {
      if (holding) {
        held.add(reply);
        return;
      }
    }
    answers.execute(reply);
  }

  private static String header(Metadata metadata, String name) {
    @Nullable String value = metadata.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
    return value == null ? "" : value;
  }

  private void reply(String identity, String csr, StreamObserver<IstioCertificateResponse> answer) {
    @Nullable Fault fault = faults.get(identity);
    if (fault == Fault.REFUSED) {
      answer.onError(
          Status.UNAUTHENTICATED
              .withDescription("request impersonation authentication failure")
              .asException());
      return;
    }
    if (fault == Fault.SILENCE) {
      return;
    }
    try {
      answer.onNext(
          IstioCertificateResponse.newBuilder()
              .addAllCertChain(chain(identity, csr, fault))
              .build());
      answer.onCompleted();
    } catch (IOException | GeneralSecurityException e) {
      answer.onError(Status.INVALID_ARGUMENT.withDescription("CSR: " + e).asException());
    }
  }

  private synchronized List<String> chain(String identity, String csr, @Nullable Fault fault)
      throws IOException, GeneralSecurityException {
    if (fault == Fault.EMPTY_CHAIN) {
      return List.of();
    }
    Instant now = Instant.now();
    Instant from = fault == Fault.EXPIRED ? now.minus(Duration.ofDays(2)) : now.minusSeconds(60);
    Instant to = fault == Fault.EXPIRED ? now.minus(Duration.ofDays(1)) : now.plus(validity);
    List<X509Certificate> certified =
        authority
            .leaf(fault == Fault.WRONG_SAN ? identity + "-not" : identity)
            .valid(from, to)
            .certify(publicKey(csr));
    issued.put(identity, certified.getFirst());
    List<String> chain = new ArrayList<>();
    certified.forEach(certificate -> chain.add(TestPki.pem(List.of(certificate))));
    if (fault == Fault.LEAF_ONLY) {
      return chain.subList(0, 1);
    }
    chain.add(fault == Fault.GARBAGE ? "these are no roots" : TestPki.pem(roots));
    return chain;
  }

  private static PublicKey publicKey(String csr) throws IOException, GeneralSecurityException {
    try (PEMParser parser = new PEMParser(new StringReader(csr))) {
      if (parser.readObject() instanceof PKCS10CertificationRequest request) {
        return new JcaPKCS10CertificationRequest(request).getPublicKey();
      }
      throw new IOException("no PKCS#10 request");
    }
  }

  private void stop() {
    server.shutdownNow();
    try {
      if (!server.awaitTermination(STOP_SECONDS, TimeUnit.SECONDS)) {
        throw new IllegalStateException("the CA does not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public synchronized void close() {
    stop();
    answers.shutdownNow();
    loops
        .shutdownGracefully(0, 1, TimeUnit.SECONDS)
        .awaitUninterruptibly(STOP_SECONDS, TimeUnit.SECONDS);
  }

  /** Keeps the metadata of a call for its handler. */
  private static final class KeepMetadata implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
      return Contexts.interceptCall(
          Context.current().withValue(METADATA, headers), call, headers, next);
    }
  }
}
