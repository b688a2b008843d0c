package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Keeps what a tunnel gives out; the payload as bytes, the events as words. Confined to the loop.
 */
class RecordingListener implements TunnelListener {
  final List<String> events = new ArrayList<>();
  final ByteArrayOutputStream payload = new ByteArrayOutputStream();
  @Nullable Tunnel tunnel;
  boolean consumes = true;
  long received;
  Runnable onWritable = () -> {};

  @Override
  public void onData(ByteBuf data) {
    int bytes = data.readableBytes();
    received += bytes;
    payload.writeBytes(ByteBufUtil.getBytes(data));
    data.release();
    if (consumes && tunnel != null) {
      tunnel.consumed(bytes);
    }
  }

  @Override
  public void onReadComplete() {}

  @Override
  public void onEndOfStream() {
    events.add("end");
  }

  @Override
  public void onWritabilityChanged() {
    events.add("writability");
    onWritable.run();
  }

  @Override
  public void onTerminated(TunnelTermination cause) {
    events.add(cause.toString());
  }

  @Override
  public void onFinished() {
    events.add("finished");
  }

  boolean isOver() {
    return !events.isEmpty()
        && !events.getLast().equals("end")
        && !events.getLast().equals("writability");
  }

  Tunnel tunnel() {
    return Objects.requireNonNull(tunnel, "no tunnel");
  }
}
