package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.TextFormat;
import com.google.protobuf.UInt32Value;
import com.google.protobuf.UnknownFieldSet;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.proto.Address;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against messages that protoc's code has written. */
final class ResourceDecoderTest {
  private static final String V4 = "\"\\n\\000\\000\\001\""; // 10.0.0.1
  private static final String V6 = "\"\\375" + "\\000".repeat(14) + "\\001\""; // fd00::1
  private static final String MAPPED =
      "\"" + "\\000".repeat(10) + "\\377\\377\\n\\000\\000\\001\""; // ::ffff:10.0.0.1

  private final ResourceDecoder decoder = new ResourceDecoder();

  @Test
  void anEmptyWorkloadHasTheDefaults() throws ResourceException {
    assertEquals(
        Workload.builder("")
            .identity(new SpiffeId("cluster.local", "", "default"))
            .clusterId("Kubernetes")
            .labels(new WorkloadLabels("", "deployment", "", ""))
            .build(),
        workload(""));
  }

  @Test
  void everyFieldOfAWorkloadIsRead() throws ResourceException {
    assertEquals(
        Workload.builder("c1//Pod/shop/cart-0")
            .name("cart-0")
            .identity(new SpiffeId("td", "shop", "cart"))
            .labels(new WorkloadLabels("cart", "cronjob", "cart", "v2"))
            .network("net1")
            .node("node-a")
            .clusterId("c1")
            .locality(new Locality("r", "z", "s"))
            .ips(List.of(TestMesh.ip("10.0.0.1"), TestMesh.ip("fd00::1")))
            .hostname("cart.example")
            .protocol(Protocol.HBONE)
            .networkMode(NetworkMode.HOST_NETWORK)
            .nativeTunnel(true)
            .applicationTunnel(new ApplicationTunnel(ApplicationTunnel.Kind.PROXY, 15088))
            .waypoint(new GatewayAddress(TestMesh.key("shop/wp.shop"), 15008))
            .networkGateway(new GatewayAddress(TestMesh.address("net2/fd00::1"), 15009))
            .services(
                Map.of(
                    TestMesh.key("shop/cart.shop"),
                    PortMap.of(Map.of(80, 8080, 443, 0)),
                    TestMesh.key("shop/a/b"),
                    PortMap.EMPTY))
            .status(HealthStatus.UNHEALTHY)
            .capacity(7)
            .authorizationPolicies(List.of("shop/p1", "shop/p2"))
            .build(),
        workload(
            """
            uid: "c1//Pod/shop/cart-0" name: "cart-0" namespace: "shop" addresses: %s addresses: %s
            network: "net1" tunnel_protocol: HBONE trust_domain: "td" service_account: "cart"
            waypoint { hostname { namespace: "shop" hostname: "wp.shop" } hbone_mtls_port: 15008 }
            network_gateway { address { network: "net2" address: %s } hbone_mtls_port: 15009 }
            node: "node-a" canonical_name: "cart" canonical_revision: "v2" workload_type: CRONJOB
            workload_name: "cart" native_tunnel: true authorization_policies: "shop/p1"
            authorization_policies: "shop/p2" status: UNHEALTHY cluster_id: "c1"
            hostname: "cart.example" application_tunnel { protocol: PROXY port: 15088 }
            services { key: "shop/cart.shop" value {
              ports { service_port: 443 } ports { service_port: 80 target_port: 8080 app_protocol: 3 } } }
            services { key: "shop/a/b" }
            locality { region: "r" zone: "z" subzone: "s" } network_mode: HOST_NETWORK
            capacity { value: 7 }
            """
                .formatted(V4, V6, V6)));
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          workload_type: JOB       | job
          workload_type: POD       | pod
          workload_type: 4         | deployment
          workload_type: -1        | deployment
          """)
  void aTypeThatIsNotKnownIsADeployment(String fields, String type) throws ResourceException {
    assertEquals(type, workload(fields).workloadType());
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          waypoint {}                                | nonempty gateway address is missing address
          waypoint { hbone_mtls_port: 15008 }        | nonempty gateway address is missing address
          network_gateway {}                         | nonempty gateway address is missing address
          waypoint { address { address: "abc" } }    | failed to parse address, had 3 bytes (expected: 4 or 16)
          addresses: "123456789"                     | failed to parse address, had 9 bytes (expected: 4 or 16)
          addresses: ""                              | failed to parse address, had 0 bytes (expected: 4 or 16)
          addresses: "1234" addresses: "12345"       | failed to parse address, had 5 bytes (expected: 4 or 16)
          services { key: "cart" }                   | service key: cart (expected: namespace/hostname)
          services {}                                | service key:  (expected: namespace/hostname)
          tunnel_protocol: LEGACY_ISTIO_MTLS         | unsupported tunnel protocol: legacy istio mtls
          tunnel_protocol: 3                         | decode error: tunnel_protocol: 3 (expected: 0-1)
          network_mode: 2                            | decode error: network_mode: 2 (expected: 0-1)
          status: -1                                 | decode error: status: -1 (expected: 0-1)
          application_tunnel { protocol: 2 }         | decode error: application_tunnel.protocol: 2 (expected: 0-1)
          status: 9 network_gateway {} addresses: "" | nonempty gateway address is missing address
          status: 9 network_mode: 9 services {}      | service key:  (expected: namespace/hostname)
          status: 9 network_mode: 9                  | decode error: network_mode: 9 (expected: 0-1)
          """)
  void aWorkloadThatCannotBeUsedIsRefused(String fields, String reason) {
    assertEquals(
        reason, assertThrows(ResourceException.class, () -> workload(fields)).getMessage());
  }

  @Test
  void portsAreCutToTheirBitsAndTheLaterOfTwoStays() throws ResourceException {
    Workload workload =
        workload(
            """
            services { key: "a/b" value {
              ports { service_port: 65616 target_port: 73616 }
              ports { service_port: 443 target_port: 1 }
              ports { service_port: 443 target_port: 2 }
              ports { service_port: 65535 target_port: 65535 } } }
            services { key: "a/c" value { ports { service_port: 1 target_port: 1 } } }
            services { key: "a/c" value { ports { service_port: 2 target_port: 2 } } }
            application_tunnel { port: 80624 }
            waypoint { hostname {} hbone_mtls_port: 80544 }
            """);
    assertEquals(
        Map.of(
            TestMesh.key("a/b"),
            PortMap.of(Map.of(80, 8080, 443, 2, 65535, 65535)),
            TestMesh.key("a/c"),
            PortMap.of(Map.of(2, 2))),
        workload.serving().services());
    assertEquals(
        new ApplicationTunnel(ApplicationTunnel.Kind.NONE, 15088), workload.applicationTunnel());
    assertEquals(15008, Objects.requireNonNull(workload.waypoint()).hboneMtlsPort());
  }

  @Test
  void aTunnelWithoutAPortHasNone() throws ResourceException {
    ApplicationTunnel tunnel = workload("application_tunnel {}").applicationTunnel();
    assertEquals(false, Objects.requireNonNull(tunnel).hasPort());
    assertNull(workload("").applicationTunnel());
  }

  @ParameterizedTest
  @CsvSource({"'', 1", "'capacity {}', 0", "'capacity { value: 0 }', 0"})
  void aCapacityThatIsGivenCounts(String fields, long capacity) throws ResourceException {
    assertEquals(capacity, workload(fields).capacity());
    Address large =
        Address.newBuilder()
            .setWorkload(
                io.ztunnel.mesh.proto.Workload.newBuilder().setCapacity(UInt32Value.of(-1)))
            .build();
    Workload decoded = assertInstanceOf(Workload.class, decoder.address(large.toByteArray()));
    assertEquals(0xffff_ffffL, decoded.capacity());
  }

  @Test
  void anIpv4AddressInIpv6IsTheIpv4Address() throws ResourceException {
    assertEquals(List.of(TestMesh.ip("10.0.0.1")), workload("addresses: " + MAPPED).ips());
  }

  @Test
  void fieldsThatComeTwiceAreMerged() throws ResourceException {
    byte[] twice =
        ByteString.copyFrom(
                List.of(
                    address("workload { name: \"a\" locality { region: \"r\" } addresses: " + V4),
                    address("service { name: \"s\" }"),
                    address("workload { name: \"b\" locality { region: \"r\" zone: \"y\" } }"),
                    address("workload { locality { zone: \"z\" } addresses: " + V6)))
            .toByteArray();
    Workload workload = assertInstanceOf(Workload.class, decoder.address(twice));
    assertEquals("b", workload.name());
    assertEquals(new Locality("r", "z", ""), workload.locality());
    assertEquals(List.of(TestMesh.ip("fd00::1")), workload.ips(), "the service came between");
  }

  @Test
  void unknownFieldsAreSkipped() throws ResourceException {
    UnknownFieldSet more =
        UnknownFieldSet.newBuilder()
            .addField(
                99,
                UnknownFieldSet.Field.newBuilder()
                    .addVarint(-1)
                    .addFixed32(1)
                    .addFixed64(2)
                    .addLengthDelimited(ByteString.copyFromUtf8("x"))
                    .addGroup(
                        UnknownFieldSet.newBuilder()
                            .addField(1, UnknownFieldSet.Field.newBuilder().addVarint(1).build())
                            .build())
                    .build())
            .build();
    Address address =
        Address.newBuilder()
            .setUnknownFields(more)
            .setWorkload(
                io.ztunnel.mesh.proto.Workload.newBuilder().setUnknownFields(more).setName("a"))
            .build();
    assertEquals(
        "a", assertInstanceOf(Workload.class, decoder.address(address.toByteArray())).name());
  }

  @Test
  void anEmptyServiceHasTheDefaults() throws ResourceException {
    assertEquals(Service.builder(new ServiceName("", "", "")).build(), service(""));
  }

  @Test
  void everyFieldOfAServiceIsRead() throws ResourceException {
    assertEquals(
        Service.builder(new ServiceName("cart", "shop", "cart.shop"))
            .vips(List.of(TestMesh.address("n/10.0.0.1"), TestMesh.address("/fd00::1")))
            .ports(PortMap.of(Map.of(80, 8080, 81, 0)))
            .subjectAltNames(List.of("spiffe://td/ns/a/sa/b"))
            .waypoint(new GatewayAddress(TestMesh.key("shop/wp"), 15008))
            .weightedWaypoints(
                List.of(
                    new WeightedWaypoint(new GatewayAddress(TestMesh.key("shop/w1"), 1), 75),
                    new WeightedWaypoint(
                        new GatewayAddress(TestMesh.address("n/10.0.0.1"), 2), 0xffff_ffffL)))
            .loadBalancer(
                new LoadBalancer(
                    List.of(
                        LoadBalancer.Scope.NETWORK,
                        LoadBalancer.Scope.REGION,
                        LoadBalancer.Scope.ZONE,
                        LoadBalancer.Scope.SUBZONE,
                        LoadBalancer.Scope.NODE,
                        LoadBalancer.Scope.CLUSTER),
                    LoadBalancer.Mode.FAILOVER,
                    LoadBalancer.HealthPolicy.ALLOW_ALL))
            .ipFamilies(IpFamilies.IPV6)
            .canonical(true)
            .visibility(Service.Visibility.NAMESPACE)
            .ingress(Service.IngressPath.WAYPOINT)
            .build(),
        service(
            """
            name: "cart" namespace: "shop" hostname: "cart.shop"
            addresses { network: "n" address: %s } addresses { address: %s length: 128 }
            ports { service_port: 80 target_port: 8080 } ports { service_port: 81 }
            subject_alt_names: "spiffe://td/ns/a/sa/b"
            waypoint { hostname { namespace: "shop" hostname: "wp" } hbone_mtls_port: 15008 }
            weighted_waypoints {
              weight: 75
              destination { hostname { namespace: "shop" hostname: "w1" } hbone_mtls_port: 1 } }
            weighted_waypoints {
              weight: 4294967295
              destination { address { network: "n" address: %s } hbone_mtls_port: 2 } }
            load_balancing { mode: FAILOVER health_policy: ALLOW_ALL
              routing_preference: [NETWORK, REGION, ZONE, SUBZONE, NODE, CLUSTER] }
            ip_families: IPV6_ONLY canonical: true ingress_use_waypoint: true visibility: NAMESPACE
            """
                .formatted(V4, V6, V4)));
  }

  @ParameterizedTest(name = "{0} length {1}: {2}")
  @CsvSource({
    "v4,     32,  10.0.0.1",
    "v4,     24,  10.0.0.1/24",
    "v4,     0,   10.0.0.1/0",
    "v4,     33,  invalid cidr: 10.0.0.1/33 (expected: a prefix length of 0-32)",
    "v4,     128, invalid cidr: 10.0.0.1/128 (expected: a prefix length of 0-32)",
    "v4,     4294967295, invalid cidr: 10.0.0.1/4294967295 (expected: a prefix length of 0-32)",
    "v6,     128, fd00::1",
    "v6,     32,  fd00::1/32",
    "v6,     129, invalid cidr: fd00::1/129 (expected: a prefix length of 0-128)",
    "mapped, 128, 10.0.0.1",
    "mapped, 120, 10.0.0.1/24",
    "mapped, 96,  10.0.0.1/0",
    "mapped, 95,  invalid cidr: 10.0.0.1/95 (expected: a prefix length of 0-128)",
    "none,   0,   'failed to parse address, had 0 bytes (expected: 4 or 16)'",
  })
  void theLengthOfAnAddressMakesARange(String address, String length, String expected) {
    String bytes =
        switch (address) {
          case "v4" -> V4;
          case "v6" -> V6;
          case "mapped" -> MAPPED;
          default -> "\"\"";
        };
    String found;
    try {
      Service service =
          service("addresses { network: \"n\" address: %s length: %s }".formatted(bytes, length));
      found =
          service.vips().isEmpty()
              ? service.cidrVips().getFirst().cidr().toString()
              : IpText.of(service.vips().getFirst().ip());
    } catch (ResourceException e) {
      found = e.getMessage();
    }
    assertEquals(expected, found);
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          waypoint {}                                           | nonempty gateway address is missing address
          weighted_waypoints { weight: 1 }                      | nonempty gateway address is missing address
          load_balancing { routing_preference: UNSPECIFIED_SCOPE } | invalid target: routing_preference: 0 (expected: 1-6)
          load_balancing { routing_preference: 7 }              | invalid target: routing_preference: 7 (expected: 1-6)
          load_balancing { mode: 4 }                            | decode error: load_balancing.mode: 4 (expected: 0-3)
          load_balancing { health_policy: 2 }                   | decode error: load_balancing.health_policy: 2 (expected: 0-1)
          ip_families: 4                                        | decode error: ip_families: 4 (expected: 0-3)
          """)
  void aServiceThatCannotBeUsedIsRefused(String fields, String reason) {
    assertEquals(reason, assertThrows(ResourceException.class, () -> service(fields)).getMessage());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ip_families: AUTOMATIC | -
          ip_families: IPV4_ONLY | IPV4
          ip_families: DUAL      | DUAL
          """)
  void families(String fields, String expected) throws ResourceException {
    IpFamilies found = service(fields).ipFamilies();
    assertEquals(expected, found == null ? "-" : found.name());
  }

  @Test
  void aLoadBalancerThatSaysNothingIsStandard() throws ResourceException {
    assertEquals(
        new LoadBalancer(
            List.of(), LoadBalancer.Mode.STANDARD, LoadBalancer.HealthPolicy.ONLY_HEALTHY),
        service("load_balancing {}").loadBalancer());
  }

  @Test
  void aVisibilityThatIsNotKnownHidesNothing() throws ResourceException {
    assertEquals(Service.Visibility.PUBLIC, service("visibility: 2").visibility());
  }

  @Test
  void anAddressIsAWorkloadOrAService() {
    assertEquals(
        "unknown type: neither a workload nor a service",
        assertThrows(ResourceException.class, () -> decoder.address(new byte[0])).getMessage());
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    "0a 05 0a 03 61 62, a length beyond the end",
    "0a 03 0a 05 61,    a length beyond the message around it",
    "0a 03 0a 01 ff,    a text that is not UTF-8",
    "0a 02 08 01,       a text as a number",
    "0a 02 2a 00,       a number as a text",
    "08 01,             a message as a number",
    "0a 01 0c,          the end of a group that did not begin",
    "0b 0c,             a group",
    "00,                field 0",
    "0a ff ff ff ff 0f, a negative length",
    "0a,                a tag and nothing else",
    "ff ff ff ff ff ff ff ff ff ff ff, a number without an end",
  })
  void bytesThatAreNoMessageAreRefused(String hex, String why) {
    byte[] bytes = HexFormat.ofDelimiter(" ").parseHex(hex);
    ResourceException refusal =
        assertThrows(ResourceException.class, () -> decoder.address(bytes), why);
    assertTrue(refusal.toString().contains(": decode error: "), refusal.toString());
  }

  @Test
  void textsThatRepeatAreOneObject() throws ResourceException {
    Workload one = workload("name: \"a\" namespace: \"shop\" node: \"node-a\"");
    Workload other = workload("name: \"b\" namespace: \"shop\" node: \"node-a\"");
    assertSame(one.namespace(), other.namespace());
    assertSame(one.node(), other.node());
    String long1 = "x".repeat(5000);
    assertEquals(long1, workload("name: \"" + long1 + "\"").name());
    assertEquals("grüße-\uD83D\uDE00", workload("name: \"grüße-\uD83D\uDE00\"").name());
  }

  @Test
  void whatPodsOfADeploymentShareIsOneObject() throws ResourceException {
    String shared = "namespace: \"ns\" node: \"node-a\" service_account: \"sa\" name: \"cart-7d4b-";
    Workload one = workload(shared + "a\"");
    Workload other = workload(shared + "b\"");
    assertSame(one.identity(), other.identity());
    assertSame(one.location(), other.location());
    assertSame(one.serving(), other.serving());
    assertSame(one.labels(), other.labels());
  }

  private Workload workload(@Nullable String fields) throws ResourceException {
    byte[] bytes = address("workload {" + (fields == null ? "" : fields)).toByteArray();
    return assertInstanceOf(Workload.class, decoder.address(bytes));
  }

  private Service service(@Nullable String fields) throws ResourceException {
    byte[] bytes = address("service {" + (fields == null ? "" : fields)).toByteArray();
    return assertInstanceOf(Service.class, decoder.address(bytes));
  }

  /** In protobuf's text format; a brace at the end may be missing. */
  private static ByteString address(String text) {
    String closed =
        text.chars().filter(c -> c == '{').count() > text.chars().filter(c -> c == '}').count()
            ? text + "}"
            : text;
    try {
      return TextFormat.parse(closed, Address.class).toByteString();
    } catch (TextFormat.ParseException e) {
      throw new IllegalArgumentException(closed, e);
    }
  }
}
