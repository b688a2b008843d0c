package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.ztunnel.hbone.Tunnel;
import io.ztunnel.hbone.TunnelListener;
import io.ztunnel.hbone.TunnelReset;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Unanswered;
import org.jspecify.annotations.Nullable;

/**
 * The HBONE end of a relay. Confined to the tunnel's event loop, which is the relay's.
 *
 * <p>Back-pressure is flow-control credit: while the relay pauses us, what arrives is passed on and
 * its credit kept back, so the peer stops after one stream window.
 */
final class TunnelLeg extends Leg implements TunnelListener {
  private @Nullable Tunnel tunnel;
  private @Nullable Relay relay;
  private boolean paused;
  private int heldBytes;

  /** A leg for a tunnel that is still to come: {@link #attach} follows. */
  TunnelLeg() {}

  TunnelLeg(Tunnel tunnel) {
    this.tunnel = tunnel;
  }

  /** Tells which tunnel this is; before {@link #start}. */
  void attach(Tunnel tunnel) {
    this.tunnel = tunnel;
  }

  @Override
  void start(Relay relay) {
    this.relay = relay;
  }

  private Tunnel tunnel() {
    if (tunnel == null) {
      throw new IllegalStateException("leg without tunnel");
    }
    return tunnel;
  }

  private Relay relay() {
    if (relay == null) {
      throw new IllegalStateException("tunnel spoke before the relay started");
    }
    return relay;
  }

  @Override
  public void onData(ByteBuf payload) {
    int bytes = payload.readableBytes();
    heldBytes += bytes;
    relay().onData(this, payload);
    releaseCredit();
  }

  private void releaseCredit() {
    if (!paused && heldBytes > 0) {
      int bytes = heldBytes;
      heldBytes = 0;
      tunnel().consumed(bytes);
    }
  }

  @Override
  public void onReadComplete() {
    relay().onReadComplete(this);
  }

  @Override
  public void onEndOfStream() {
    relay().onEndOfInput(this);
  }

  @Override
  public void onWritabilityChanged() {
    relay().onWritable(this);
  }

  @Override
  public void onTerminated(TunnelTermination cause) {
    relay().onTerminated(this, cause);
  }

  @Override
  public void onFinished() {
    relay().onClosed(this);
  }

  @Override
  void write(ByteBuf payload) {
    tunnel().write(payload);
  }

  @Override
  void flush() {
    // The connection flushes all its tunnels together at the end of the loop turn.
  }

  @Override
  boolean isWritable() {
    return tunnel().isWritable();
  }

  @Override
  void pause() {
    paused = true;
  }

  @Override
  void resume() {
    paused = false;
    releaseCredit();
  }

  @Override
  void shutdownOutput() {
    tunnel().shutdownOutput();
  }

  @Override
  void probe(SocketSettings.Keepalive keepalive) {
    // The connection under the tunnel has its own PING.
  }

  @Override
  @Nullable Throwable takeError() {
    return null; // the connection tells by itself
  }

  @Override
  Unanswered unanswered() {
    return Unanswered.NOTHING; // its PING tells
  }

  @Override
  void closeAfterWrites() {
    tunnel().shutdownOutput();
  }

  @Override
  void leaveAfterWrites() {
    resume();
    tunnel().leave();
  }

  @Override
  void resetAfterWrites() {
    resume();
    tunnel().resetAfterWrites();
  }

  @Override
  long unsentBytes() {
    return 0; // the tunnel is not over as long as it has any
  }

  @Override
  long deliveredBytes() {
    return 0;
  }

  @Override
  boolean isEndDelivered() {
    return false; // the tunnel tells by itself when it is over
  }

  @Override
  void abort() {
    tunnel().reset(TunnelReset.CANCEL);
  }
}
