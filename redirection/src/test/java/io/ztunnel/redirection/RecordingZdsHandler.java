package io.ztunnel.redirection;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Writes down what it is told, and answers as it is told to. The zds thread adds, the test takes.
 */
final class RecordingZdsHandler implements ZdsHandler {
  private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
  private final BlockingQueue<NetworkNamespace> namespaces = new LinkedBlockingQueue<>();
  private volatile Function<ZdsMessage, ZdsReply> reply = _ -> new ZdsReply.Ok();

  private volatile boolean failingConnect;

  /** Answers from now on with what the function makes of a message. */
  void answer(Function<ZdsMessage, ZdsReply> function) {
    reply = function;
  }

  /** Throws at the next connection. */
  void failNextConnect() {
    failingConnect = true;
  }

  @Override
  public void onConnected() {
    if (failingConnect) {
      failingConnect = false;
      throw new IllegalStateException("planned");
    }
    events.add("connected");
  }

  @Override
  public ZdsReply onMessage(ZdsMessage message) {
    events.add(
        switch (message) {
          case ZdsMessage.Add(String uid, PodInfo pod, NetworkNamespace namespace) -> {
            namespaces.add(namespace);
            yield "add %s %s/%s/%s"
                .formatted(uid, pod.namespace(), pod.name(), pod.serviceAccount());
          }
          case ZdsMessage.Keep(String uid) -> "keep " + uid;
          case ZdsMessage.Delete(String uid) -> "delete " + uid;
          case ZdsMessage.SnapshotSent() -> "snapshot sent";
        });
    return reply.apply(message);
  }

  @Override
  public void onDisconnected(String reason) {
    events.add("disconnected: " + reason);
  }

  @Override
  public void onProtocolViolation(String reason) {
    events.add("violation: " + reason);
  }

  /** The next event, which is waited for. */
  String next() throws InterruptedException {
    return String.valueOf(events.poll(5, TimeUnit.SECONDS));
  }

  /** The next events, as many as asked for. */
  List<String> next(int count) throws InterruptedException {
    List<String> taken = new ArrayList<>();
    while (taken.size() < count) {
      taken.add(next());
    }
    return taken;
  }

  boolean isQuiet(Duration duration) throws InterruptedException {
    return events.poll(duration.toMillis(), TimeUnit.MILLISECONDS) == null;
  }

  /** The namespace of the next add. */
  NetworkNamespace namespace() throws InterruptedException {
    NetworkNamespace namespace = namespaces.poll(5, TimeUnit.SECONDS);
    if (namespace == null) {
      throw new AssertionError("no add came");
    }
    return namespace;
  }

  void closeNamespaces() {
    namespaces.forEach(NetworkNamespace::close);
    namespaces.clear();
  }
}
