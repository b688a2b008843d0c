package io.ztunnel.hbone;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Keeps what connections tell, as text. Written on event loops, read by the test. */
final class RecordingObserver implements HboneObserver {
  final List<String> events = new CopyOnWriteArrayList<>();

  @Override
  public void onConnectionOpened(Role role) {
    events.add(role + " opened");
  }

  @Override
  public void onConnectionClosed(Role role, String reason) {
    events.add(role + " closed: " + reason);
  }

  @Override
  public void onTunnelOpened(Role role) {
    events.add(role + " tunnel opened");
  }

  @Override
  public void onTunnelClosed(Role role) {
    events.add(role + " tunnel closed");
  }

  @Override
  public void onPeerRevoked(Role role) {
    events.add(role + " peer revoked");
  }

  @Override
  public void onFlood(Role role, String limit, String detail) {
    events.add(role + " flood: " + limit);
  }
}
