package io.ztunnel.hbone;

import io.netty.util.collection.IntObjectHashMap;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The streams of one connection: those in use, and those whose last bytes are on their way out.
 *
 * <p>Confined to its connection's event loop.
 */
final class Streams {
  private final IntObjectHashMap<TunnelStream> active = new IntObjectHashMap<>();
  private final Set<TunnelStream> finishing = new HashSet<>();
  private final ClosedStreams closed = new ClosedStreams();

  /** Streams that count against MAX_CONCURRENT_STREAMS. */
  int count() {
    return active.size();
  }

  /** Whether no stream is left, not even one that is only flushed. */
  boolean isEmpty() {
    return active.isEmpty() && finishing.isEmpty();
  }

  @Nullable TunnelStream get(int id) {
    return active.get(id);
  }

  void add(TunnelStream stream) {
    active.put(stream.id(), stream);
  }

  /** Both halves have ended on the wire; the stream is told apart until its owner is, too. */
  void onEnded(TunnelStream stream) {
    active.remove(stream.id());
    closed.add(stream.id(), ClosedStreams.How.ENDED);
    finishing.add(stream);
  }

  void onReset(TunnelStream stream, ClosedStreams.How how) {
    active.remove(stream.id());
    closed.add(stream.id(), how);
  }

  void onFinished(TunnelStream stream) {
    finishing.remove(stream);
  }

  /** A stream that was refused, and never came to life. */
  void onRefused(int id) {
    closed.add(id, ClosedStreams.How.RESET_BY_US);
  }

  ClosedStreams.How howClosed(int id) {
    return closed.how(id);
  }

  /** A copy, safe against what its elements do. */
  List<TunnelStream> activeNow() {
    return new ArrayList<>(active.values());
  }

  /** Takes out every stream. */
  List<TunnelStream> clear() {
    List<TunnelStream> all = new ArrayList<>(active.values());
    all.addAll(finishing);
    active.clear();
    finishing.clear();
    return all;
  }
}
