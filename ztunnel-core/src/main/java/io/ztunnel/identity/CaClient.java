package io.ztunnel.identity;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ImmediateEventExecutor;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.identity.proto.IstioCertificateRequest;
import io.ztunnel.identity.proto.IstioCertificateResponse;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.xds.ControlPlaneChannel;
import io.ztunnel.xds.ControlPlaneChannels;
import io.ztunnel.xds.RootSource;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Asks the control plane's CA for certificates (Istio: {@code IstioCertificateService}), with a new
 * key for each. When the file with the roots of the CA's own TLS changes, the next call is made on
 * a new channel; if that cannot be, on the former.
 *
 * <p>Confined to a thread of its own, {@code ca-client}, which makes keys, reads the token and
 * takes answers; {@link #sign} and {@link #close} are for any thread. Calls that are under way at
 * the end fail.
 */
public final class CaClient implements CertificateAuthority {
  private static final Log LOG = Log.target("ztunnel::identity::caclient");

  /** Key of the request's metadata that says for whom it is (Istio). */
  static final String IMPERSONATED = "ImpersonatedIdentity";

  /** A chain has a few kilobytes, also with many roots. */
  private static final int MAX_ANSWER_BYTES = 4 << 20;

  private final EventExecutor executor =
      new DefaultEventExecutor(new DefaultThreadFactory("ca-client", true));
  private final ControlPlaneChannels channels;
  private final CaSettings settings;
  private final Clock clock;
  private final List<ControlPlaneChannel> former = new ArrayList<>(1);
  private ControlPlaneChannel channel;

  /** Set by the watch's thread, taken by this client's. */
  private final AtomicBoolean rootsChanged = new AtomicBoolean();

  private CaClient(ControlPlaneChannels channels, CaSettings settings, Clock clock)
      throws IOException {
    this.channels = channels;
    this.settings = settings;
    this.clock = clock;
    this.channel = channels.open(settings.controlPlane(), this::execute);
  }

  /**
   * Makes the client; it connects at the first request.
   *
   * @throws IOException if the roots of the CA's TLS cannot be read
   */
  public static CaClient open(
      ControlPlaneChannels channels, CaSettings settings, FileWatch watch, Clock clock)
      throws IOException {
    CaClient client = new CaClient(channels, settings, clock);
    if (settings.controlPlane().roots() instanceof RootSource.PemFile(Path file)) {
      watch.watch(file, _ -> client.rootsChanged.set(true));
    }
    return client;
  }

  @Override
  public Future<KeyMaterial> sign(SpiffeId identity) {
    try {
      Promise<KeyMaterial> promise = executor.newPromise();
      executor.execute(() -> call(identity, promise));
      return promise;
    } catch (RejectedExecutionException e) {
      return ImmediateEventExecutor.INSTANCE.newFailedFuture(new IOException("shutting down", e));
    }
  }

  /** What a call has to say after the end, it says on the thread of the connection. */
  private void execute(Runnable task) {
    try {
      executor.execute(task);
    } catch (RejectedExecutionException _) {
      task.run();
    }
  }

  private void call(SpiffeId identity, Promise<KeyMaterial> promise) {
    assert executor.inEventLoop();
    refreshChannel();
    SigningRequest request = SigningRequest.create(identity);
    ClientCall<IstioCertificateRequest, IstioCertificateResponse> call =
        channel
            .calls()
            .newCall(
                CertificateService.CREATE,
                CallOptions.DEFAULT
                    .withDeadlineAfter(settings.callTimeout().toMillis(), TimeUnit.MILLISECONDS)
                    .withMaxInboundMessageSize(MAX_ANSWER_BYTES));
    ClientCalls.asyncUnaryCall(
        call,
        message(identity, request),
        new StreamObserver<>() {
          @Override
          public void onNext(IstioCertificateResponse answer) {
            onAnswer(identity, request, answer.getCertChainList(), promise);
          }

          @Override
          public void onError(Throwable thrown) {
            promise.tryFailure(CaErrors.of(thrown));
          }

          @Override
          public void onCompleted() {
            promise.tryFailure(new IOException("the CA ended the call without an answer"));
          }
        });
  }

  private IstioCertificateRequest message(SpiffeId identity, SigningRequest request) {
    IstioCertificateRequest.Builder message =
        IstioCertificateRequest.newBuilder()
            .setCsr(request.csr())
            .setValidityDuration(settings.validity().toSeconds());
    switch (settings.subject()) {
      case WORKLOADS ->
          message.setMetadata(
              Struct.newBuilder()
                  .putFields(
                      IMPERSONATED,
                      Value.newBuilder().setStringValue(identity.toString()).build()));
      case CALLER -> {}
    }
    return message.build();
  }

  private void onAnswer(
      SpiffeId identity, SigningRequest request, List<String> chain, Promise<KeyMaterial> promise) {
    @Nullable SpiffeId expected =
        switch (settings.subject()) {
          case WORKLOADS -> identity;
          case CALLER -> null;
        };
    try {
      promise.trySuccess(SignedChain.ofAnswer(request.key(), chain, expected, clock.instant()));
    } catch (IOException e) {
      promise.tryFailure(e);
    }
  }

  /** Opens a channel with the roots of now if they have changed, or the old one cannot connect. */
  private void refreshChannel() {
    boolean newRoots = rootsChanged.getAndSet(false);
    if (!newRoots && !channel.hasFailed()) {
      return;
    }
    ControlPlaneChannel next;
    try {
      next = channels.open(settings.controlPlane(), this::execute);
    } catch (IOException e) {
      rootsChanged.set(true);
      LOG.at(LogLevel.WARN, "root certificates of the CA not taken over, the former stay in use")
          .string("error", String.valueOf(e.getMessage()))
          .log();
      return;
    }
    ControlPlaneChannel before = channel;
    channel = next;
    former.add(before);
    ScheduledFuture<?> _ =
        executor.schedule( // once its last call has ended
            () -> {
              former.remove(before);
              before.close();
            },
            settings.callTimeout().toMillis(),
            TimeUnit.MILLISECONDS);
    if (newRoots) {
      LOG.info("root certificates of the CA have changed");
    }
  }

  @Override
  public void close() {
    try {
      executor.execute(
          () -> {
            channel.close();
            former.forEach(ControlPlaneChannel::close);
          });
    } catch (RejectedExecutionException _) {
      return; // closed before
    }
    executor.shutdownGracefully(0, 2, TimeUnit.SECONDS);
  }
}
