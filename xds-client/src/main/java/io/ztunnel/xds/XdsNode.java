package io.ztunnel.xds;

import com.google.protobuf.Struct;
import io.ztunnel.xds.proto.Node;

/**
 * Who this client is, as the control plane is told once per type and stream. Immutable.
 *
 * @param id such as {@code ztunnel~10.0.0.1~pod.namespace~namespace.svc.cluster.local}
 */
public record XdsNode(String id, Struct metadata) {
  Node toProto() {
    return Node.newBuilder().setId(id).setMetadata(metadata).build();
  }
}
