package io.ztunnel.hbone;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A look whether a peer can be used: a connection that carries nothing but a PING.
 *
 * <p>Confined to the pool's event loop.
 */
final class Probe implements ClientConnection.Owner {
  private final EventLoop loop;
  private final HboneSettings settings;
  private final ClientConnection connection;
  private final Consumer<Probe> onEnd;
  private final Consumer<@Nullable HboneFailure> outcome;
  private @Nullable Future<?> timer;
  private boolean answered;
  private boolean told;

  /**
   * @param onEnd told when nothing is left of it
   * @param outcome told what was found, once: null when all went well
   */
  Probe(
      EventLoop loop,
      PeerKey key,
      HboneSettings settings,
      Consumer<Probe> onEnd,
      Consumer<@Nullable HboneFailure> outcome) {
    this.loop = loop;
    this.settings = settings;
    this.connection = new ClientConnection(loop, key, settings, this, HboneObserver.NONE);
    this.onEnd = onEnd;
    this.outcome = outcome;
  }

  void begin(Connector connector) {
    if (!told) {
      connection.dial(connector);
    }
  }

  void close() {
    tell(new HboneFailure.PoolClosed());
    connection.close("pool closed");
  }

  private void tell(@Nullable HboneFailure failure) {
    if (!told) {
      told = true;
      outcome.accept(failure);
    }
  }

  // ClientConnection.Owner

  @Override
  public void onUsable(ClientConnection usable) {
    usable.ping();
    timer =
        loop.schedule(
            () -> usable.close("no PONG"),
            settings.handshakeTimeout().toNanos(),
            TimeUnit.NANOSECONDS);
  }

  @Override
  public void onPong(ClientConnection alive) {
    answered = true;
    // Not at once: the connection is in the middle of what it has read.
    loop.execute(() -> alive.close("probed"));
  }

  @Override
  public void onDialFailed(ClientConnection none, HboneFailure failure) {
    onEnd.accept(this);
    tell(failure);
  }

  @Override
  public void onOver(ClientConnection over) {
    if (timer != null) {
      timer.cancel(false);
    }
    onEnd.accept(this);
    tell(answered ? null : new HboneFailure.Http2Failed("the PING of a probe was not answered"));
  }

  @Override
  public void onRoom(ClientConnection usable) {}

  @Override
  public void onRetired(ClientConnection retired) {}

  @Override
  public void onIdle(ClientConnection idle) {}
}
