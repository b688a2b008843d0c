package io.ztunnel.proxy;

import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionObserver;
import org.jspecify.annotations.Nullable;

/**
 * Reports what a relay does to operators, and its end to its owner. Confined to the relay's loop.
 */
final class RelayReport implements Relay.Observer {
  private final ConnectionObserver observer;
  private final Runnable onEnd;
  private @Nullable ConnectionFailure cutBy;

  RelayReport(ConnectionObserver observer, Runnable onEnd) {
    this.observer = observer;
    this.onEnd = onEnd;
  }

  /** Ends the relay, which reports this as the cause. */
  void cut(Relay relay, ConnectionFailure cause) {
    cutBy = cause;
    relay.abort();
  }

  @Override
  public void onReceived(int bytes) {
    observer.toUpstream(bytes);
  }

  @Override
  public void onSent(int bytes) {
    observer.toDownstream(bytes);
  }

  @Override
  public void onEnd(RelayEnd end) {
    switch (end) {
      case RelayEnd.Done _ -> observer.closed();
      case RelayEnd.Aborted _ ->
          observer.failed(cutBy == null ? new ConnectionFailure.Drained() : cutBy);
      case RelayEnd.Revoked(String certificate) ->
          observer.failed(new ConnectionFailure.Revoked(certificate));
      case RelayEnd.Abandoned(String message) ->
          observer.failed(new ConnectionFailure.HalfClosedAbandoned(message));
      case RelayEnd.Broken broken -> observer.failed(Failures.of(broken));
    }
    onEnd.run();
  }
}
