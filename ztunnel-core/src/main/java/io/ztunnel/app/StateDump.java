package io.ztunnel.app;

import io.netty.util.NetUtil;
import io.ztunnel.proxy.ConnectionSummary;
import io.ztunnel.proxy.PodState;
import io.ztunnel.redirection.PodInfo;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The {@code workloadState} part of {@code /config_dump} (Istio). Stateless. */
final class StateDump {
  private StateDump() {}

  static Map<String, Object> of(SortedMap<String, PodState> pods) {
    Map<String, Object> dump = new TreeMap<>();
    pods.forEach((uid, pod) -> dump.put(uid, of(pod)));
    return dump;
  }

  private static Map<String, Object> of(PodState pod) {
    return switch (pod) {
      case PodState.Pending(PodInfo info, String _) ->
          Map.of("state", "Pending", "info", info(info));
      case PodState.Up(PodInfo info, List<ConnectionSummary> connections) ->
          Map.of("state", "Up", "info", info(info), "connections", connections(connections));
    };
  }

  private static Map<String, Object> info(PodInfo info) {
    return Map.of(
        "name", info.name(),
        "namespace", info.namespace(),
        "serviceAccount", info.serviceAccount());
  }

  private static Map<String, Object> connections(List<ConnectionSummary> connections) {
    List<Object> inbound = new ArrayList<>();
    List<Object> outbound = new ArrayList<>();
    for (ConnectionSummary connection : connections) {
      switch (connection.direction()) {
        case INBOUND -> inbound.add(connection(connection));
        case OUTBOUND -> outbound.add(connection(connection));
      }
    }
    return Map.of("inbound", inbound, "outbound", outbound);
  }

  private static Map<String, @Nullable Object> connection(ConnectionSummary connection) {
    Map<String, @Nullable Object> fields = new LinkedHashMap<>();
    fields.put("src", NetUtil.toSocketAddressString(connection.source()));
    fields.put(
        "originalDst",
        connection.originalDestination().isEmpty() ? null : connection.originalDestination());
    fields.put("actualDst", NetUtil.toSocketAddressString(connection.actualDestination()));
    fields.put("protocol", connection.protocol());
    return fields;
  }
}
