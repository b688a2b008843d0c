package io.ztunnel.mesh;

import com.google.protobuf.Message;
import com.google.protobuf.TextFormat;
import io.ztunnel.mesh.proto.Address;
import io.ztunnel.mesh.proto.security.Authorization;

/** Resources as the control plane sends them, written by protoc's code. */
final class TestResources {
  private TestResources() {}

  static Address workload() {
    return parse(
        Address.class,
        """
        workload { uid: "c1//Pod/shop/cart-0" name: "cart-0" namespace: "shop" addresses: "abcd"
          network: "net1" tunnel_protocol: HBONE trust_domain: "td" service_account: "cart"
          waypoint { hostname { namespace: "shop" hostname: "wp.shop" } hbone_mtls_port: 15008 }
          network_gateway { address { network: "net2" address: "abcdabcdabcdabcd" } }
          node: "node-a" canonical_name: "cart" canonical_revision: "v2" workload_type: CRONJOB
          workload_name: "cart" native_tunnel: true authorization_policies: "shop/p1"
          status: UNHEALTHY cluster_id: "c1" hostname: "cart.example"
          application_tunnel { protocol: PROXY port: 15088 }
          services { key: "shop/cart.shop" value {
            ports { service_port: 443 } ports { service_port: 80 target_port: 8080 } } }
          locality { region: "r" zone: "z" subzone: "s" } network_mode: HOST_NETWORK
          capacity { value: 7 } }
        """);
  }

  static Address service() {
    return parse(
        Address.class,
        """
        service { name: "cart" namespace: "shop" hostname: "cart.shop"
          addresses { network: "n" address: "abcd" } addresses { address: "abcd" length: 24 }
          ports { service_port: 80 target_port: 8080 } subject_alt_names: "spiffe://td/ns/a/sa/b"
          waypoint { hostname { namespace: "shop" hostname: "wp" } hbone_mtls_port: 15008 }
          weighted_waypoints { weight: 75 destination { hostname { namespace: "s" hostname: "w" } } }
          load_balancing { mode: FAILOVER health_policy: ALLOW_ALL
            routing_preference: [NETWORK, REGION, ZONE] }
          ip_families: IPV6_ONLY canonical: true visibility: NAMESPACE }
        """);
  }

  static Authorization policy() {
    return parse(
        Authorization.class,
        """
        name: "p" namespace: "shop" scope: WORKLOAD_SELECTOR action: DENY dry_run: true
        rules { clauses { matches {
          namespaces { exact: "a" } not_namespaces { suffix: "c" } principals { presence {} }
          source_ips { address: "abcd" length: 32 } not_destination_ips { address: "abcd" }
          destination_ports: [80, 443] service_accounts { namespace: "ns" serviceAccount: "sa" }
        } } } rules {}
        """);
  }

  static <T extends Message> T parse(Class<T> type, String text) {
    try {
      return TextFormat.parse(text, type);
    } catch (TextFormat.ParseException e) {
      throw new IllegalArgumentException(text, e);
    }
  }
}
