package io.ztunnel.bench.lab;

import com.google.protobuf.CodedOutputStream;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;

/**
 * A service of namespace {@code shop} as a control plane sends it, with one port. For one thread.
 */
public final class WireService {
  private static final int REGION = 1;
  private static final int ZONE = 2;
  private static final int NETWORK = 6;
  private static final int FAILOVER = 2;

  private final String name;
  private final byte[] port;
  private final List<byte[]> addresses = new ArrayList<>();
  private final List<String> aliases = new ArrayList<>();
  private final List<String> identities = new ArrayList<>();
  private String waypoint = "";
  private boolean preferClose;

  public WireService(String name, int port, int targetPort) {
    this.name = name;
    this.port = WireMesh.port(port, targetPort);
  }

  /** Has this address in this network, too. */
  public WireService at(String network, InetAddress vip) {
    addresses.add(WireMesh.networkAddress(network, vip));
    aliases.add(network + "/" + vip.getHostAddress());
    return this;
  }

  /**
   * Has pods of this identity in other networks, too.
   *
   * @param principal without {@code spiffe://}
   */
  public WireService reaching(String principal) {
    identities.add("spiffe://" + principal);
    return this;
  }

  /** Has another service of its namespace as its waypoint. */
  WireService through(String waypointService) {
    waypoint = waypointService;
    return this;
  }

  /** Goes to the nearest pods, as with {@code trafficDistribution: PreferClose}. */
  WireService preferClose() {
    preferClose = true;
    return this;
  }

  /** The resource. */
  public FakeControlPlane.Entry entry() {
    byte[] service = WireMesh.message(this::writeTo);
    return FakeControlPlane.Entry.of(
            WireMesh.NAMESPACE + '/' + WireMesh.hostname(name),
            WireMesh.message(out -> out.writeByteArray(2, service)))
        .aliases(aliases.toArray(String[]::new));
  }

  private void writeTo(CodedOutputStream out) throws IOException {
    out.writeString(1, name);
    out.writeString(2, WireMesh.NAMESPACE);
    out.writeString(3, WireMesh.hostname(name));
    for (byte[] address : addresses) {
      out.writeByteArray(4, address);
    }
    out.writeByteArray(5, port);
    for (String identity : identities) {
      out.writeString(6, identity);
    }
    if (!waypoint.isEmpty()) {
      byte[] hostname =
          WireMesh.message(
              named -> {
                named.writeString(1, WireMesh.NAMESPACE);
                named.writeString(2, WireMesh.hostname(waypoint));
              });
      out.writeByteArray(
          7,
          WireMesh.message(
              gateway -> {
                gateway.writeByteArray(1, hostname);
                gateway.writeUInt32(3, WireMesh.HBONE_PORT);
              }));
    }
    if (preferClose) {
      out.writeByteArray(
          8,
          WireMesh.message(
              balancing -> {
                for (int scope : List.of(NETWORK, REGION, ZONE)) {
                  balancing.writeEnum(1, scope);
                }
                balancing.writeEnum(2, FAILOVER);
              }));
    }
  }
}
