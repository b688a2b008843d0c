package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.ztunnel.telemetry.ConnectionFailure;
import org.jspecify.annotations.Nullable;

/**
 * A connection that a proxy carries, from accept to end. Its methods may be called from any thread,
 * but for those whose names begin with {@code on}: these are called on its loop.
 */
interface LiveConnection {
  /** Where all of it happens. */
  EventLoop loop();

  /** What {@code /config_dump} shows. */
  ConnectionSummary summary();

  /** Whether policies have a say here: a connection is judged where it comes in. */
  default boolean isJudged() {
    return false;
  }

  /** Ends it, telling the cause in its access-log line. Does nothing if it has ended. */
  default void cut(ConnectionFailure cause) {
    loop().execute(() -> onCut(cause));
  }

  /** Asks the policies again and cuts the connection if they no longer allow it. */
  default void reauthorize() {
    if (isJudged()) {
      loop()
          .execute(
              () -> {
                ConnectionFailure cause = onPoliciesChanged();
                if (cause != null) {
                  onCut(cause);
                }
              });
    }
  }

  /** It is to end; it may have ended while the order was under way. */
  void onCut(ConnectionFailure cause);

  /** Why the policies of now do not allow it; null if they do, or if it has ended. */
  default @Nullable ConnectionFailure onPoliciesChanged() {
    return null;
  }
}
