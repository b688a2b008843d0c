package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http2.Http2Headers;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A server connection in a script; keeps the requests that arrive. Confined to the test's thread.
 */
final class ServerScript extends FrameScript implements ConnectHandler {
  final List<InboundConnect> connects = new ArrayList<>();

  /** What is done with a request as soon as it arrives. */
  Consumer<InboundConnect> onConnect = _ -> {};

  final ServerConnection connection;

  ServerScript() {
    this(HboneSettings.defaults());
  }

  ServerScript(HboneSettings settings) {
    connection =
        new ServerConnection(
            channel,
            settings,
            this,
            new HboneObserver() {
              @Override
              public void onConnectionClosed(Role role, String reason) {
                events.add("closed: " + reason);
              }

              @Override
              public void onTunnelOpened(Role role) {
                events.add("tunnel opened");
              }

              @Override
              public void onTunnelClosed(Role role) {
                events.add("tunnel closed");
              }

              @Override
              public void onPingTimeout(Role role, InetSocketAddress peer) {
                events.add("ping timed out");
              }

              @Override
              public void onFlood(Role role, String limit, String detail) {
                events.add("flood: " + limit);
              }
            });
    channel.pipeline().addLast(connection.http2());
    connection.onSecured(new TlsPeer(List.of(), List.of()));
    channel.runPendingTasks();
  }

  /** A connection after both prefaces, with what the server sent read away. */
  static ServerScript started() {
    return started(HboneSettings.defaults());
  }

  static ServerScript started(HboneSettings settings) {
    ServerScript script = new ServerScript(settings);
    script.send(Unpooled.wrappedBuffer(Frames.PREFACE), Frames.settings(), Frames.settingsAck());
    script.received();
    return script;
  }

  void sendHeaders(int streamId, Http2Headers headers, boolean endStream) {
    send(peer.headers(streamId, headers, endStream));
  }

  /** Opens a tunnel as the peer, and accepts it. */
  RecordingListener open(int streamId) {
    send(peer.connect(streamId));
    RecordingListener listener = new RecordingListener();
    listener.tunnel = connects.getLast().accept(ConnectAnswer.PLAIN, listener);
    channel.runPendingTasks();
    received();
    return listener;
  }

  /** The connection ended with GOAWAY of this code. */
  void expectConnectionError(String code) {
    List<String> frames = received();
    String last = frames.isEmpty() ? "nothing" : frames.getLast();
    assertEquals(code, last.substring(last.lastIndexOf(' ') + 1), frames::toString);
    assertEquals("GOAWAY", last.substring(0, Math.min(6, last.length())), frames::toString);
    assertEquals(false, channel.isOpen(), "the channel is closed");
  }

  void expectAlive() {
    assertEquals(true, channel.isOpen(), () -> "closed: " + events);
  }

  void writable(boolean writable) {
    channel.unsafe().outboundBuffer().setUserDefinedWritability(1, writable);
    channel.runPendingTasks();
  }

  @Override
  public void onEstablished(TlsPeer of) {
    events.add("established");
  }

  @Override
  public void onConnect(InboundConnect connect) {
    connects.add(connect);
    onConnect.accept(connect);
  }

  @Override
  public void onHandshakeFailed(HboneFailure failure) {
    events.add("handshake failed: " + failure.message());
  }

  @Override
  public void onClosed() {
    events.add("gone");
  }

  @Nullable InboundConnect last() {
    return connects.isEmpty() ? null : connects.getLast();
  }
}
