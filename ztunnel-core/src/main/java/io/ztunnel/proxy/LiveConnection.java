package io.ztunnel.proxy;

import io.ztunnel.telemetry.ConnectionFailure;

/**
 * A connection that a proxy carries, from accept to end. Its methods may be called from any thread.
 */
interface LiveConnection {
  /** What {@code /config_dump} shows. */
  ConnectionSummary summary();

  /** Ends it, telling the cause in its access-log line. Does nothing if it has ended. */
  void cut(ConnectionFailure cause);

  /** Asks the policies again and cuts the connection if they no longer allow it. */
  void reauthorize();
}
