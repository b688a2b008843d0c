package io.ztunnel.identity;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;

/**
 * Which identities the authority is asked for next: the most urgent first, then the one that came
 * first, a few at a time (Istio: 8). There is at most one request and one call for an identity.
 *
 * <p>Confined to the control thread.
 */
final class SigningQueue {
  /** Calls at once. */
  static final int PARALLEL = 8;

  /** Hears how a call ended. */
  interface Listener {
    void onSigned(SpiffeId identity, Future<KeyMaterial> outcome);
  }

  private record Request(SpiffeId identity, Priority priority, long number) {}

  private enum Call {
    RUNNING,
    /** What it brings will be outdated: another is to follow. */
    TO_BE_REPEATED
  }

  private static final Comparator<Request> ORDER =
      Comparator.comparing(Request::priority).reversed().thenComparingLong(Request::number);

  private final EventExecutor control;
  private final CertificateAuthority authority;
  private final Listener listener;
  private final Map<SpiffeId, Request> waiting = new HashMap<>();
  private final TreeSet<Request> order = new TreeSet<>(ORDER);
  private final Map<SpiffeId, Call> calls = new HashMap<>();
  private long numbers;

  SigningQueue(EventExecutor control, CertificateAuthority authority, Listener listener) {
    this.control = control;
    this.authority = authority;
    this.listener = listener;
  }

  /** Asks for an identity; if that was done already, raises its priority at most. */
  void ask(SpiffeId identity, Priority priority) {
    assert control.inEventLoop();
    if (calls.containsKey(identity)) {
      return;
    }
    Request before = waiting.get(identity);
    if (before != null && before.priority().compareTo(priority) >= 0) {
      return;
    }
    Request request = new Request(identity, priority, before == null ? numbers++ : before.number());
    if (before != null) {
      order.remove(before);
    }
    waiting.put(identity, request);
    order.add(request);
    callNext();
  }

  /** As {@link #ask}, but not content with a call that began before. */
  void askAnew(SpiffeId identity, Priority priority) {
    if (calls.replace(identity, Call.TO_BE_REPEATED) == null) {
      ask(identity, priority);
    }
  }

  /** Takes a request back. A call goes on, and is told. */
  void withdraw(SpiffeId identity) {
    assert control.inEventLoop();
    Request request = waiting.remove(identity);
    if (request != null) {
      order.remove(request);
    }
  }

  void clear() {
    assert control.inEventLoop();
    waiting.clear();
    order.clear();
  }

  private void callNext() {
    while (calls.size() < PARALLEL && !order.isEmpty()) {
      Request next = order.removeFirst();
      waiting.remove(next.identity());
      calls.put(next.identity(), Call.RUNNING);
      authority
          .sign(next.identity())
          .addListener(
              (Future<KeyMaterial> outcome) ->
                  control.execute(() -> onDone(next.identity(), outcome)));
    }
  }

  private void onDone(SpiffeId identity, Future<KeyMaterial> outcome) {
    assert control.inEventLoop();
    boolean again = calls.remove(identity) == Call.TO_BE_REPEATED;
    listener.onSigned(identity, outcome);
    if (again) {
      ask(identity, Priority.REAL_TIME);
    }
    callNext();
  }
}
