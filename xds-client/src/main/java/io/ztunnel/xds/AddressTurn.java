package io.ztunnel.xds;

import java.net.InetAddress;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * At which address of its host the next connection to a control plane begins: behind the one where
 * an attempt failed last. One connection may have no time to try all, when some do not answer at
 * all, and the next one would meet the same again. Confined to the event loop of the connections.
 */
final class AddressTurn {
  private @Nullable InetAddress failed;

  /** An attempt came to nothing. */
  void failed(InetAddress address) {
    failed = address;
  }

  /**
   * In which order to try.
   *
   * @param found in the order of the name service, with which it begins if it has none that failed
   */
  List<InetAddress> order(List<InetAddress> found) {
    int next = failed == null ? 0 : found.indexOf(failed) + 1;
    return Stream.concat(found.stream().skip(next), found.stream().limit(next)).toList();
  }
}
