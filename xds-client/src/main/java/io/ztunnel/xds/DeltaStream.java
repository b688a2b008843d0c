package io.ztunnel.xds;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One stream to the control plane, from its first requests to its end. One response is dealt with
 * at a time: the next is read when the last is in effect and acknowledged. Confined to the {@code
 * xds} thread; dies with its stream.
 */
final class DeltaStream extends ClientCall.Listener<DeltaResponse> {
  /** Limit of the names and versions of a first request: istiod takes messages of 4 MiB. */
  private static final long MAX_ECHO_BYTES = 3 << 20;

  /** Limit of the time until there is a connection, handshakes included. */
  private static final long CONNECT_SECONDS = 20;

  /** Limit of the time until the first answer: a busy istiod makes its nodes wait in a queue. */
  private static final long FIRST_ANSWER_SECONDS = 120;

  /** What the stream's owner does. */
  interface Owner {
    /** Null: nobody subscribed to this type. */
    @Nullable TypeState type(String typeUrl);

    List<TypeState> types();

    XdsNode node();

    /** A response without a rejection was acknowledged. */
    void onAcknowledged(TypeState type);

    /** It is not known which changes of a response are in effect. */
    void onApplyFailed(TypeState type, Throwable failure);

    void onEnded(DeltaStream stream, StreamEnd end);
  }

  private final long number;
  private final Owner owner;
  private final XdsObserver observer;
  private final ScheduledExecutorService timers;
  private final Executor thread;
  private final ControlPlaneChannel channel;
  private final ClientCall<DeltaDiscoveryRequest, DeltaResponse> call;

  /** Types whose first response has not come, after an echo that was not complete. */
  private final Set<TypeState> partlyEchoed = new HashSet<>();

  private boolean established;
  private boolean useful;
  private boolean ended;

  /** Why we end the stream; null: the other side does. */
  private @Nullable StreamEnd ownEnd;

  DeltaStream(
      long number,
      Owner owner,
      XdsObserver observer,
      ScheduledExecutorService timers,
      Executor thread,
      ControlPlaneChannel channel) {
    this.number = number;
    this.owner = owner;
    this.observer = observer;
    this.timers = timers;
    this.thread = thread;
    this.channel = channel;
    this.call = channel.calls().newCall(DeltaResponse.METHOD, CallOptions.DEFAULT);
  }

  /** Opens the stream and sends the first request of each type. */
  void start() {
    call.start(this, new Metadata());
    for (TypeState type : owner.types()) {
      int before = type.held().size();
      List<DeltaDiscoveryRequest> requests = type.firstRequests(owner.node(), MAX_ECHO_BYTES);
      requests.forEach(call::sendMessage);
      int echoed = requests.getFirst().getInitialResourceVersionsCount();
      if (type.isWildcard() && echoed < before) {
        partlyEchoed.add(type);
        observer.onPartialEcho(number, type.typeUrl(), echoed, before);
      }
    }
    call.request(1);
    timers.schedule(this::checkConnected, CONNECT_SECONDS, TimeUnit.SECONDS);
    timers.schedule(this::checkEstablished, FIRST_ANSWER_SECONDS, TimeUnit.SECONDS);
  }

  /** Whether it has brought a response. */
  boolean wasUseful() {
    return useful;
  }

  /** Sends a request, if the stream has not ended. */
  void send(DeltaDiscoveryRequest request) {
    if (!ended) {
      call.sendMessage(request);
    }
  }

  /** Ends the stream from our side; the owner hears of it. */
  void cancel(StreamEnd.Kind kind, String reason) {
    if (!ended && ownEnd == null) {
      ownEnd = new StreamEnd(kind, reason);
      call.cancel(reason, null);
    }
  }

  /** Ends the stream and its connection at once; the owner does not hear of it. */
  void close() {
    if (!ended) {
      ended = true;
      call.cancel("closing", null);
      channel.close();
    }
  }

  private void checkConnected() {
    if (!ended && !established && !channel.isConnected()) {
      cancel(StreamEnd.Kind.CONNECTION_ERROR, "not connected within " + CONNECT_SECONDS + " s");
    }
  }

  private void checkEstablished() {
    if (!ended && !established) {
      cancel(StreamEnd.Kind.CONNECTION_ERROR, "no answer within " + FIRST_ANSWER_SECONDS + " s");
    }
  }

  @Override
  public void onHeaders(Metadata headers) {
    established = true;
    observer.onEstablished(number);
  }

  @Override
  public void onMessage(DeltaResponse response) {
    try (response) {
      if (ownEnd == null) {
        take(response);
      }
    } catch (IOException | RuntimeException e) {
      cancel(StreamEnd.Kind.ERROR, "a response cannot be read: " + e);
    }
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    if (!ended) {
      ended = true;
      channel.close();
      StreamEnd own = ownEnd;
      owner.onEnded(this, own == null ? StreamEnd.of(status, established) : own);
    }
  }

  private void take(DeltaResponse response) throws IOException {
    DeltaResponse.Summary summary = response.summary();
    TypeState type = owner.type(summary.typeUrl());
    if (type == null) {
      observer.onResponse(
          number, summary.typeUrl(), summary.resources(), summary.removed().size(), 0);
      observer.onUnknownType(number, summary.typeUrl());
      answer(summary, List.of());
      call.request(1);
      return;
    }
    try {
      new Taking(type, summary).take(response);
    } catch (IOException | RuntimeException e) {
      owner.onApplyFailed(type, e);
      throw e;
    }
  }

  private void answer(DeltaResponse.Summary summary, List<Rejection> rejections) {
    DeltaDiscoveryRequest.Builder answer =
        DeltaDiscoveryRequest.newBuilder()
            .setTypeUrl(summary.typeUrl())
            .setResponseNonce(summary.nonce());
    if (!rejections.isEmpty()) {
      answer.getErrorDetailBuilder().setMessage(Rejection.join(rejections));
    }
    send(answer.build());
  }

  /** One response on its way into effect. */
  private final class Taking {
    private final TypeState type;
    private final DeltaResponse.Summary summary;
    private final ResourceBatch batch;
    private final List<Rejection> rejections = new ArrayList<>();
    private final List<Demands.Demand> answered = new ArrayList<>();
    private long payloadBytes;

    Taking(TypeState type, DeltaResponse.Summary summary) {
      this.type = type;
      this.summary = summary;
      this.batch = type.watcher().begin(number);
    }

    void take(DeltaResponse response) throws IOException {
      response.forEachResource(this::put);
      observer.onResponse(
          number, type.typeUrl(), summary.resources(), summary.removed().size(), payloadBytes);
      for (String name : summary.removed()) {
        remove(name);
        note(type.demands().answered(name, null));
      }
      sweep();
      var _ = batch.apply().whenCompleteAsync((_, failure) -> onApplied(failure), thread);
    }

    private void put(Resource resource) {
      try {
        resource.read();
        payloadBytes += resource.payloadLength();
        if (resource.name().isEmpty()) {
          throw new ResourceException("name: empty (expected: the name of the resource)");
        }
        if (!resource.hasPayload()) {
          throw new ResourceException("XDS payload without resource");
        }
        type.held().put(batch.put(resource), resource.version());
      } catch (IOException e) {
        reject(resource, "decode error: " + e.getMessage());
      } catch (ResourceException e) {
        reject(resource, e.reason());
      }
      if (!type.isWildcard()) {
        note(type.demands().answered(resource.name(), resource.name()));
        for (String alias : resource.aliases()) {
          note(type.demands().answered(alias, resource.name()));
        }
      }
    }

    /** What was held before under this name stays. */
    private void reject(Resource resource, String reason) {
      type.held().confirm(resource.name());
      rejections.add(new Rejection(resource.name(), reason));
    }

    private void remove(String name) {
      batch.remove(name);
      type.held().remove(name);
    }

    /** After an echo that was not complete, the first response names all that is left. */
    private void sweep() {
      if (partlyEchoed.remove(type)) {
        List<String> gone = new ArrayList<>();
        type.held().forEachUnconfirmed(gone::add);
        gone.forEach(this::remove);
        observer.onSwept(number, type.typeUrl(), gone.size());
      }
    }

    private void note(Demands.@Nullable Demand demand) {
      if (demand != null) {
        answered.add(demand);
      }
    }

    private void onApplied(@Nullable Throwable failure) {
      if (failure != null) {
        owner.onApplyFailed(type, failure);
        return;
      }
      useful = true;
      answered.forEach(type.demands()::complete);
      if (!rejections.isEmpty()) {
        observer.onRejected(number, type.typeUrl(), rejections);
      }
      if (ended) {
        return;
      }
      answer(summary, rejections);
      if (rejections.isEmpty()) {
        owner.onAcknowledged(type);
      }
      call.request(1);
    }
  }
}
