package io.ztunnel.bench.scale;

import static java.nio.charset.StandardCharsets.UTF_8;

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
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.micro.MeshShape;
import io.ztunnel.bench.micro.ProtoBytes;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.DeltaService;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The program that stands in for istiod beside a measured daemon: a real gRPC server over TLS that
 * speaks delta ADS. What it sends is made beforehand, and a whole mesh goes in one response.
 *
 * <p>Takes commands on its standard input, one a line, and ends with it. Says what happens on its
 * standard output: {@code prepared}, {@code listening PORT}, {@code subscribed ECHOED BYTES},
 * {@code acknowledged NONCE}, {@code rejected NONCE: REASON}, {@code changed}.
 *
 * <p>State is guarded by this; requests come on the event loop, commands on the main thread.
 */
final class ControlPlaneServer {
  private static final int MAX_REQUEST_BYTES = 4 << 20; // istiod
  private static final long TICK_MILLIS = 10;

  private final ServedMesh mesh;
  private final Path rootFile;
  private byte[] prepared;
  private String preparedNonce;
  private boolean outdated;
  private int nonces;
  private @Nullable ServerCall<DeltaDiscoveryRequest, byte[]> subscriber;

  private ControlPlaneServer(ServedMesh mesh, Path rootFile) {
    this.mesh = mesh;
    this.rootFile = rootFile;
    this.preparedNonce = nonce();
    this.prepared = mesh.everything(preparedNonce);
  }

  /**
   * Serves until the end of the standard input.
   *
   * @param arguments number of workloads, revision, number of replaced pods, file for the root
   *     certificate, pods of the node
   */
  public static void main(String... arguments) throws IOException {
    List<NodePod> pods = new ArrayList<>();
    for (int i = 4; i < arguments.length; i++) {
      pods.add(NodePod.parse(arguments[i]));
    }
    ServedMesh mesh =
        new ServedMesh(
            new MeshShape(Integer.parseInt(arguments[0])),
            pods,
            Integer.parseInt(arguments[1]),
            Integer.parseInt(arguments[2]));
    ControlPlaneServer server = new ControlPlaneServer(mesh, Path.of(arguments[3]));
    say("prepared");
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      server.obey(line.split(" ", -1));
    }
    System.exit(0); // gRPC's threads do not end by themselves
  }

  private static void say(String text) {
    System.out.println(text);
  }

  private void obey(String... command) throws IOException {
    switch (command[0]) {
      case "listen" -> listen(Integer.parseInt(command[1]));
      case "prepare" -> prepareRevision();
      case "push" -> push();
      case "change" -> change(Integer.parseInt(command[1]), Integer.parseInt(command[2]));
      default ->
          throw new IllegalArgumentException(
              command[0] + " (expected: listen, prepare, push or change)");
    }
  }

  private void listen(int port) throws IOException {
    ControlPlanePki pki = ControlPlanePki.create("bench control plane");
    ControlPlanePki.ServerKey key = pki.server(List.of("localhost", "127.0.0.1"));
    Path unfinished = rootFile.resolveSibling(rootFile.getFileName() + ".new");
    Files.writeString(unfinished, pki.rootPem());
    Files.move(unfinished, rootFile, StandardCopyOption.ATOMIC_MOVE);
    EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    Server server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), port))
            .bossEventLoopGroup(loop)
            .workerEventLoopGroup(loop)
            .channelType(NioServerSocketChannel.class)
            .sslContext(
                GrpcSslContexts.configure(
                        SslContextBuilder.forServer(key.key(), key.chain()), SslProvider.OPENSSL)
                    .protocols("TLSv1.3")
                    .build())
            .directExecutor()
            .maxInboundMessageSize(MAX_REQUEST_BYTES)
            .permitKeepAliveTime(5, TimeUnit.SECONDS)
            .addService(DeltaService.service(this::accept))
            .build()
            .start();
    say("listening " + server.getPort());
  }

  private synchronized void prepareRevision() {
    mesh.revise();
    preparedNonce = nonce();
    prepared = mesh.everything(preparedNonce);
    outdated = false;
    say("prepared");
  }

  private synchronized void push() {
    ServerCall<DeltaDiscoveryRequest, byte[]> call = subscriber;
    if (call == null) {
      throw new IllegalStateException("nobody is subscribed (expected: a daemon)");
    }
    say("pushing " + preparedNonce + " " + prepared.length);
    call.sendMessage(prepared);
  }

  /** Replaces pods, evenly spread in time; says the last nonce. */
  private void change(int changesPerSecond, int seconds) throws IOException {
    int ticks = (int) (TimeUnit.SECONDS.toMillis(seconds) / TICK_MILLIS);
    int changes = (int) (changesPerSecond * TICK_MILLIS / TimeUnit.SECONDS.toMillis(1));
    long begin = System.nanoTime();
    String last = "";
    for (int tick = 0; tick < ticks; tick++) {
      long wait = begin + TimeUnit.MILLISECONDS.toNanos(tick * TICK_MILLIS) - System.nanoTime();
      if (wait > 0) {
        Pause.of(Duration.ofNanos(wait));
      }
      last = sendChanges(changes);
    }
    say("changed " + last + " " + mesh.replaced());
  }

  private synchronized String sendChanges(int changes) {
    String nonce = nonce();
    byte[] response = mesh.replace(nonce, changes);
    outdated = true;
    if (subscriber == null) {
      throw new IllegalStateException("the daemon has gone (expected: one that stays)");
    }
    subscriber.sendMessage(response);
    return nonce;
  }

  private String nonce() {
    return "nonce-" + ++nonces;
  }

  private synchronized ServerCall.Listener<DeltaDiscoveryRequest> accept(
      ServerCall<DeltaDiscoveryRequest, byte[]> call, Metadata ignored) {
    call.sendHeaders(new Metadata());
    call.request(1);
    return new ServerCall.Listener<>() {
      @Override
      public void onMessage(DeltaDiscoveryRequest request) {
        answer(call, request);
        call.request(1);
      }

      @Override
      public void onHalfClose() {
        call.close(Status.OK, new Metadata());
      }
    };
  }

  private synchronized void answer(
      ServerCall<DeltaDiscoveryRequest, byte[]> call, DeltaDiscoveryRequest request) {
    boolean addresses = request.getTypeUrl().equals(ServedMesh.ADDRESS);
    if (!request.getResponseNonce().isEmpty()) {
      if (request.hasErrorDetail()) {
        say(
            "rejected %s: %s"
                .formatted(request.getResponseNonce(), request.getErrorDetail().getMessage()));
      } else if (addresses) {
        say("acknowledged " + request.getResponseNonce());
      }
      return;
    }
    if (!addresses) {
      String nonce = nonce();
      call.sendMessage(
          ProtoBytes.of(
              out -> {
                out.writeString(4, request.getTypeUrl());
                out.writeString(5, nonce);
              }));
      return;
    }
    subscriber = call;
    byte[] response =
        request.getInitialResourceVersionsCount() == 0 && !outdated
            ? prepared
            : mesh.lacking(nonce(), request.getInitialResourceVersionsMap());
    say("subscribed %d %d".formatted(request.getInitialResourceVersionsCount(), response.length));
    call.sendMessage(response);
  }
}
