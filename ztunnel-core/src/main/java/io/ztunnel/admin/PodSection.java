package io.ztunnel.admin;

import io.netty.util.NetUtil;
import io.ztunnel.proxy.ConnectionSummary;
import io.ztunnel.proxy.ConnectionSummary.Direction;
import io.ztunnel.proxy.PodState;
import io.ztunnel.redirection.PodInfo;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The enrolled pods in {@code /config_dump}: {@code workloadState}. Pure. */
public final class PodSection {
  private final boolean traffic;

  /**
   * A section.
   *
   * @param traffic whether the pods' connections are ours, and not only their questions for names
   */
  PodSection(boolean traffic) {
    this.traffic = traffic;
  }

  /** Adds the section, in shared mode; see {@link #PodSection(boolean)}. */
  public static void add(
      ConfigDump dump, Supplier<SortedMap<String, PodState>> pods, boolean traffic) {
    var section = new PodSection(traffic);
    dump.section("workloadState", () -> section.pods(pods.get()));
  }

  Map<String, Object> pods(SortedMap<String, PodState> pods) {
    var byUid = new LinkedHashMap<String, Object>();
    pods.forEach((uid, pod) -> byUid.put(uid, pod(pod)));
    return byUid;
  }

  private Map<String, @Nullable Object> pod(PodState pod) {
    var fields = new JsonFields().with("info", info(pod.info()));
    return switch (pod) {
      case PodState.Pending _ -> fields.with("state", "Pending").map();
      case PodState.Up up ->
          fields
              .with("state", "Up")
              .set("connections", traffic ? connections(up.connections()) : null)
              .map();
    };
  }

  private static Map<String, @Nullable Object> info(PodInfo info) {
    return new JsonFields()
        .with("name", info.name())
        .with("namespace", info.namespace())
        .with("serviceAccount", info.serviceAccount())
        .map();
  }

  private static Map<String, @Nullable Object> connections(List<ConnectionSummary> connections) {
    return new JsonFields()
        .with("inbound", of(connections, Direction.INBOUND))
        .with("outbound", of(connections, Direction.OUTBOUND))
        .map();
  }

  /**
   * Made as they are written: a node may have very many. Those that are not routed yet are not
   * there, and those of one tunnel to one place are one (Istio), as tools expect.
   */
  private static Stream<Map<String, @Nullable Object>> of(
      List<ConnectionSummary> connections, Direction direction) {
    return connections.stream()
        .filter(connection -> connection.direction() == direction && connection.isRouted())
        .distinct()
        .map(PodSection::connection);
  }

  private static Map<String, @Nullable Object> connection(ConnectionSummary connection) {
    String original = connection.originalDestination();
    return new JsonFields()
        .with("src", NetUtil.toSocketAddressString(connection.source()))
        .with("originalDst", original.isEmpty() ? null : original)
        .with("actualDst", NetUtil.toSocketAddressString(connection.actualDestination()))
        .with("protocol", connection.protocol())
        .map();
  }
}
