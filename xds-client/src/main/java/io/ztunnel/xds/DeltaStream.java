package io.ztunnel.xds;

import io.grpc.Status;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One stream to the control plane, from its first requests to its end. One response is dealt with
 * at a time: resources are taken while they come, all is put into effect when the response is
 * complete, and the next one is read when that is done and acknowledged. Confined to the {@code
 * xds} thread; dies with its stream.
 */
final class DeltaStream implements DeltaCall.Listener, ResponseReader.Sink {
  /** Limit of the names and versions of a first request: istiod takes messages of 4 MiB. */
  private static final long MAX_ECHO_BYTES = 3 << 20;

  /** Limit of the time until there is a connection, handshakes included. */
  private static final long CONNECT_SECONDS = 20;

  /** Limit of the time until the first answer: a busy istiod makes its nodes wait in a queue. */
  private static final long FIRST_ANSWER_SECONDS = 120;

  /** So many resources may come that are of no known type, before one that is. */
  private static final int MAX_UNTYPED = 100;

  /** What the stream's owner does. */
  interface Owner {
    /** Null: nobody subscribed to this type. */
    @Nullable TypeState type(String typeUrl);

    List<TypeState> types();

    XdsNode node();

    /** A response is in effect, and no other of its type is on its way. */
    void onInEffect(TypeState type);

    /** A response without a rejection was acknowledged. */
    void onAcknowledged(TypeState type);

    /** It is not known which changes of a response are in effect. */
    void onApplyFailed(TypeState type, Throwable failure);

    void onEnded(DeltaStream stream, StreamEnd end);
  }

  /** Makes a call, which does not connect yet. */
  @FunctionalInterface
  interface Calls {
    DeltaCall open(DeltaCall.Listener listener) throws IOException;
  }

  private final long number;
  private final Owner owner;
  private final XdsObserver observer;
  private final ScheduledExecutorService timers;
  private final Executor thread;
  private final DeltaCall call;
  private final ResponseReader reader = new ResponseReader(this);

  /** What has come of the call and is not read yet. */
  private final Queue<ByteBuf> unread = new ArrayDeque<>();

  /** Types whose first response has not come, after an echo that was not complete. */
  private final Set<TypeState> partlyEchoed = new HashSet<>();

  private @Nullable ScheduledFuture<?> connectTimer;
  private @Nullable ScheduledFuture<?> answerTimer;

  /** The first resources of the response that is coming, while its type is not known. */
  private final List<Resource> untyped = new ArrayList<>(0);

  /** How many there were beyond {@link #MAX_UNTYPED}. */
  private int passedOver;

  /** The response that is coming or being put into effect, once its type is known. */
  private @Nullable Taking taking;

  /** Whether it is being put into effect. */
  private boolean applying;

  /** Done when the last response that was read is in effect, or cannot be. */
  private CompletionStage<?> inEffect = CompletableFuture.completedStage(null);

  private boolean open;
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
      Calls calls)
      throws IOException {
    this.number = number;
    this.owner = owner;
    this.observer = observer;
    this.timers = timers;
    this.thread = thread;
    this.call = calls.open(this);
  }

  /** Connects. */
  void start() {
    call.start();
    connectTimer = timers.schedule(this::checkConnected, CONNECT_SECONDS, TimeUnit.SECONDS);
    answerTimer = timers.schedule(this::checkEstablished, FIRST_ANSWER_SECONDS, TimeUnit.SECONDS);
  }

  /** Sends the first request of each type. Not before: an echo may have megabytes. */
  @Override
  public void onOpen() {
    if (ended) {
      return;
    }
    open = true;
    try {
      for (TypeState type : owner.types()) {
        int before = type.held().size();
        int echoed = type.sendFirst(owner.node(), MAX_ECHO_BYTES, call::send);
        if (type.isWildcard() && echoed < before) {
          partlyEchoed.add(type);
          observer.onPartialEcho(number, type.typeUrl(), echoed, before);
        }
      }
    } catch (RuntimeException e) {
      cancel(StreamEnd.Kind.ERROR, "first requests: " + e);
    }
  }

  /** Whether it has brought a response. */
  boolean wasUseful() {
    return useful;
  }

  /**
   * Done, on any thread, when nothing of it is being put into effect any more. The responses of
   * another stream would mix with it.
   */
  CompletionStage<?> inEffect() {
    return inEffect;
  }

  /** Whether a response of a type is on its way: there are changes that are not visible yet. */
  boolean isTaking(TypeState type) {
    return taking != null && taking.type.equals(type);
  }

  /** Sends a request, unless the stream has ended, or its first requests will say it anyway. */
  void send(DeltaDiscoveryRequest request) {
    if (open && !ended) {
      call.send(Unpooled.wrappedBuffer(request.toByteArray()));
    }
  }

  /** Ends the stream from our side; the owner hears of it. */
  void cancel(StreamEnd.Kind kind, String reason) {
    if (!ended && ownEnd == null) {
      ownEnd = new StreamEnd(kind, reason);
      call.cancel(reason);
    }
  }

  /** Ends the stream and its connection at once; the owner does not hear of it. */
  void close() {
    if (!ended) {
      drop();
      call.cancel("closing");
    }
  }

  /** Nothing more is read; of a response that is not complete nothing is in effect. */
  private void drop() {
    ended = true;
    stopTimers();
    unread.forEach(ByteBuf::release);
    unread.clear();
    if (taking != null && !applying) {
      taking.type.held().distrust();
    }
  }

  private void stopTimers() {
    if (connectTimer != null) {
      connectTimer.cancel(false);
    }
    if (answerTimer != null) {
      answerTimer.cancel(false);
    }
  }

  private void checkConnected() {
    if (!ended && !established && !call.isConnected()) {
      cancel(StreamEnd.Kind.CONNECTION_ERROR, "not connected within " + CONNECT_SECONDS + " s");
    }
  }

  private void checkEstablished() {
    if (!ended && !established) {
      cancel(StreamEnd.Kind.CONNECTION_ERROR, "no answer within " + FIRST_ANSWER_SECONDS + " s");
    }
  }

  @Override
  public void onHeaders() {
    established = true;
    stopTimers();
    observer.onEstablished(number);
  }

  @Override
  public void onBytes(List<ByteBuf> bytes) {
    if (ended) {
      bytes.forEach(ByteBuf::release);
      return;
    }
    unread.addAll(bytes);
    read();
  }

  /** Reads up to the end of the next response. */
  private void read() {
    while (ownEnd == null && !applying) {
      ByteBuf next = unread.peek();
      if (next == null) {
        call.request();
        return;
      }
      try {
        reader.read(next);
      } catch (IOException | RuntimeException e) {
        cancel(StreamEnd.Kind.ERROR, "a response cannot be read: " + e);
      }
      if (!next.isReadable()) {
        unread.remove().release();
      }
    }
  }

  @Override
  public void onResource(Resource resource) throws IOException {
    resource.read();
    Taking current = taking;
    if (current == null) {
      TypeState type = owner.type(resource.payloadType());
      if (type == null) {
        keep(resource);
        return;
      }
      current = begin(type);
    }
    current.put(resource);
  }

  /** The response says its type behind its resources; this one says none that is known. */
  private void keep(Resource resource) {
    if (untyped.size() < MAX_UNTYPED) {
      untyped.add(resource.copy());
    } else {
      passedOver++;
    }
  }

  private Taking begin(TypeState type) throws IOException {
    if (passedOver > 0) {
      throw new IOException(
          "%d resources of no known type (expected: at most %d before one of type %s)"
              .formatted(untyped.size() + passedOver, MAX_UNTYPED, type.typeUrl()));
    }
    Taking begun = new Taking(type);
    taking = begun;
    untyped.forEach(begun::put);
    untyped.clear();
    return begun;
  }

  @Override
  public void onEnd(ResponseReader.Summary summary) throws IOException {
    Taking current = taking;
    if (current == null) {
      TypeState type = owner.type(summary.typeUrl());
      current = type == null ? null : begin(type);
    }
    untyped.clear();
    passedOver = 0;
    if (current == null) {
      observer.onUnknownType(number, summary.typeUrl());
      answer(summary, List.of());
      return;
    }
    if (!current.type.typeUrl().equals(summary.typeUrl())) {
      throw new IOException(
          "type_url: %s (expected: %s, as its resources are)"
              .formatted(summary.typeUrl(), current.type.typeUrl()));
    }
    current.apply(summary);
  }

  @Override
  public void onClose(Status status) {
    if (!ended) {
      drop();
      StreamEnd own = ownEnd;
      owner.onEnded(this, own == null ? StreamEnd.of(status, established) : own);
    }
  }

  private void answer(ResponseReader.Summary summary, List<Rejection> rejections) {
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
    private final ResourceBatch batch;
    private final List<String> removed = new ArrayList<>();
    private final List<Rejection> rejections = new ArrayList<>();
    private final List<Demands.Demand> answered = new ArrayList<>();

    /** Of what has come; on demand only. */
    private final List<String> names = new ArrayList<>();

    private boolean isAnswer;
    private long payloadBytes;

    Taking(TypeState type) {
      this.type = type;
      this.batch = type.watcher().begin(number);
    }

    void put(Resource resource) {
      try {
        payloadBytes += resource.payloadLength();
        resource.check();
        batch.put(resource);
        type.held().put(resource.name(), resource.version());
        type.demands().renamed(resource.name(), resource.aliases());
      } catch (ResourceException e) {
        reject(resource, e.reason());
      }
      if (!type.isWildcard()) {
        names.add(resource.name());
        note(type.demands().answered(resource.name(), resource.name()));
        for (String alias : resource.aliases()) {
          note(type.demands().answered(alias, resource.name()));
        }
      }
    }

    void apply(ResponseReader.Summary summary) {
      applying = true;
      observer.onResponse(
          number, type.typeUrl(), summary.resources(), summary.removed().size(), payloadBytes);
      if (!type.isWildcard()) {
        type.unneeded().onResponse(names, isAnswer);
        suspectCompanions(summary.removed());
      }
      for (String name : summary.removed()) {
        remove(name);
        type.demands().lost(name);
        note(type.demands().answered(name, null));
      }
      sweep();
      inEffect =
          type.apply(batch, thread)
              .whenCompleteAsync((_, failure) -> onApplied(summary, failure), thread);
    }

    /** Of what is gone. They are still known by it now. */
    private void suspectCompanions(List<String> gone) {
      Set<String> held = new HashSet<>(gone);
      held.removeIf(name -> !type.held().contains(name));
      if (!held.isEmpty()) {
        Set<String> companions = new HashSet<>(type.watcher().released(held));
        companions.removeAll(held);
        type.unneeded().suspect(companions);
      }
    }

    /** What was held before under this name stays. */
    private void reject(Resource resource, String reason) {
      type.held().confirm(resource.name());
      rejections.add(new Rejection(resource.name(), reason));
    }

    /** It counts as held until that is in effect, or else nobody would speak of it again. */
    private void remove(String name) {
      batch.remove(name);
      removed.add(name);
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
        isAnswer |= demand.isAsked();
        answered.add(demand);
      }
    }

    private void onApplied(ResponseReader.Summary summary, @Nullable Throwable failure) {
      if (failure != null) {
        owner.onApplyFailed(type, failure);
        return;
      }
      useful = true;
      removed.forEach(type.held()::remove);
      type.held().settle();
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
      applying = false;
      taking = null;
      owner.onInEffect(type);
      read();
    }
  }
}
