package io.ztunnel.hbone;

import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Keeps the outcome of one request to a pool. Confined to the loop. */
final class Opened implements TunnelOpening {
  final RecordingListener listener = new RecordingListener();
  @Nullable Tunnel tunnel;
  @Nullable TlsPeer peer;
  @Nullable String baggage;
  @Nullable HboneFailure failure;
  int calls;

  /** What is done with the tunnel while it is given out. */
  Consumer<Tunnel> onOpened = _ -> {};

  @Override
  public TunnelListener onOpened(Tunnel opened, TlsPeer of, @Nullable String answerBaggage) {
    calls++;
    tunnel = opened;
    listener.tunnel = opened;
    peer = of;
    baggage = answerBaggage;
    onOpened.accept(opened);
    return listener;
  }

  @Override
  public void onFailed(HboneFailure why) {
    calls++;
    failure = why;
  }

  boolean isDone() {
    return calls > 0;
  }

  Tunnel tunnel() {
    return Objects.requireNonNull(tunnel, () -> "no tunnel: " + failure);
  }

  TlsPeer peer() {
    return Objects.requireNonNull(peer);
  }

  HboneFailure failure() {
    return Objects.requireNonNull(failure, "no failure");
  }
}
