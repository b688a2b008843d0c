package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Accepts every request and sends back what it gets. Confined to the loop. */
class EchoHandler implements ConnectHandler {
  final List<String> events = new ArrayList<>();
  final List<InboundConnect> connects = new ArrayList<>();
  final List<RecordingListener> tunnels = new ArrayList<>();
  @Nullable TlsPeer peer;

  /** Who it says to be. */
  @Nullable String workloadUid;

  @Override
  public void onEstablished(TlsPeer of) {
    peer = of;
    events.add("established");
  }

  @Override
  public void onConnect(InboundConnect connect) {
    connects.add(connect);
    Echo echo = new Echo();
    echo.tunnel = connect.accept(new ConnectAnswer("k8s.namespace.name=echo", workloadUid), echo);
    tunnels.add(echo);
  }

  @Override
  public void onHandshakeFailed(HboneFailure failure) {
    events.add(failure.message());
  }

  @Override
  public void onClosed() {
    events.add("closed");
  }

  TlsPeer peer() {
    return Objects.requireNonNull(peer);
  }

  private static final class Echo extends RecordingListener {
    @Override
    public void onData(ByteBuf data) {
      int bytes = data.readableBytes();
      tunnel().write(data);
      tunnel().consumed(bytes);
    }

    @Override
    public void onEndOfStream() {
      tunnel().shutdownOutput();
    }
  }
}
