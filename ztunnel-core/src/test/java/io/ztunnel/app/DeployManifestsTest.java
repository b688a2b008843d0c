package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/**
 * The manifests of {@code docker/deploy} fit together, and the daemon understands what they set.
 */
class DeployManifestsTest {
  private static final Path DEPLOY = Path.of("../docker/deploy");
  private static final String NETWORK_LABEL = "topology.istio.io/network";
  private static final String ACCOUNT_ANNOTATION = "gateway.istio.io/service-account";
  private static final int HBONE_PORT = 15008;

  /** The objects of a manifest by their kind. */
  private static Map<String, Object> manifest(String name) throws IOException {
    Map<String, Object> kinds = new TreeMap<>();
    Yaml yaml = new Yaml(new SafeConstructor(new LoaderOptions()));
    for (Object object : yaml.loadAll(Files.readString(DEPLOY.resolve(name)))) {
      kinds.put(text(object, "kind"), object);
    }
    return kinds;
  }

  /** The value at a path of names and of indexes of lists. */
  private static Object at(Object from, String... path) {
    Object value = from;
    for (String step : path) {
      Object next =
          value instanceof List<?> list
              ? list.get(Integer.parseInt(step))
              : assertInstanceOf(Map.class, value, String.join(".", path)).get(step);
      if (next == null) {
        throw new AssertionError("no " + step + " in " + String.join(".", path));
      }
      value = next;
    }
    return value;
  }

  private static String text(Object from, String... path) {
    return String.valueOf(at(from, path));
  }

  private static Object container() throws IOException {
    return at(
        manifest("east-west-gateway.yaml"),
        "Deployment",
        "spec",
        "template",
        "spec",
        "containers",
        "0");
  }

  /** The gateway's environment; what the cluster fills in has stand-ins. */
  private static Map<String, String> environment() throws IOException {
    Map<String, String> standIns =
        Map.of(
            "metadata.name",
            "gateway-1",
            "metadata.namespace",
            "istio-system",
            "spec.serviceAccountName",
            "istio-eastwestgateway",
            "spec.nodeName",
            "node-1",
            "status.podIP",
            "10.0.0.1",
            "requests.cpu",
            "1");
    Map<String, String> variables = new HashMap<>();
    for (Object one : assertInstanceOf(List.class, at(container(), "env"))) {
      Map<?, ?> entry = assertInstanceOf(Map.class, one);
      String name = text(entry, "name");
      if (entry.containsKey("value")) {
        variables.put(name, text(entry, "value"));
      } else {
        Object source = at(entry, "valueFrom");
        Map<?, ?> fields = assertInstanceOf(Map.class, source);
        String field =
            fields.containsKey("fieldRef")
                ? text(source, "fieldRef", "fieldPath")
                : text(source, "resourceFieldRef", "resource");
        variables.put(name, at(standIns, field).toString());
      }
    }
    return variables;
  }

  @Test
  void theGatewaysVariablesAreThoseOfTheTable() throws IOException {
    Set<String> unknown = new TreeSet<>(environment().keySet());
    unknown.removeAll(ConfigurationDocTest.documented().keySet());
    assertEquals(Set.of(), unknown);
  }

  @Test
  void theDaemonReadsThemAsAGatewayOfThatNetwork() throws IOException {
    Config config = Config.from(environment(), List.of(), new FakeHost(2));

    assertInstanceOf(Config.Mode.Gateway.class, config.mode());
    assertEquals("network-2", config.node().network());
  }

  @Test
  void theControlPlaneIsToldTheClusterThatTheLogNames() throws IOException {
    Config config = Config.from(environment(), List.of(), new FakeHost(2));

    assertEquals("cluster-2", config.node().clusterId());
    assertEquals(
        "cluster-2",
        NodeMetadata.node(config).metadata().getFieldsOrThrow("CLUSTER_ID").getStringValue());
  }

  /** Without it, istiod would show others the ClusterIP of a Service that has no outer address. */
  @Test
  void theGatewayCanBeLeftOutByALabel() throws IOException {
    Map<String, Object> manifest = manifest("east-west-gateway.yaml");
    for (String kind : List.of("ServiceAccount", "Deployment", "Service")) {
      assertEquals("istio-eastwestgateway", text(manifest, kind, "metadata", "labels", "app"));
    }
    Object labels = at(manifest, "Gateway", "metadata", "labels");
    assertFalse(assertInstanceOf(Map.class, labels).containsKey("app"));
  }

  @Test
  void allObjectsAreOfOneNetworkAndOneGateway() throws IOException {
    Map<String, Object> manifest = manifest("east-west-gateway.yaml");
    String network = environment().get("NETWORK");
    Object account = at(manifest, "ServiceAccount");
    Object deployment = at(manifest, "Deployment");
    Object service = at(manifest, "Service");
    Object gateway = at(manifest, "Gateway");
    for (Object one : List.of(deployment, service, gateway)) {
      assertEquals(network, text(one, "metadata", "labels", NETWORK_LABEL));
    }
    String name = text(account, "metadata", "name");
    assertEquals(name, text(deployment, "spec", "template", "spec", "serviceAccountName"));
    assertEquals(name, text(gateway, "metadata", "annotations", ACCOUNT_ANNOTATION));
    assertEquals(
        at(deployment, "spec", "template", "metadata", "labels", "app"),
        at(service, "spec", "selector", "app"));
    assertEquals(
        "%s.%s.svc.cluster.local"
            .formatted(text(service, "metadata", "name"), text(service, "metadata", "namespace")),
        text(gateway, "spec", "addresses", "0", "value"));
    assertEquals(HBONE_PORT, at(service, "spec", "ports", "0", "targetPort"));
  }

  @Test
  void itsProbeAndItsTimeToEndAreTheDaemons() throws IOException {
    Config config = Config.from(environment(), List.of(), new FakeHost(2));

    assertEquals(
        config.listeners().readiness().addresses(new FakeHost(2)).getFirst().getPort(),
        at(container(), "readinessProbe", "httpGet", "port"));
    Object pod = at(manifest("east-west-gateway.yaml"), "Deployment", "spec", "template", "spec");
    assertEquals(
        environment().get("TERMINATION_GRACE_PERIOD_SECONDS"),
        text(pod, "terminationGracePeriodSeconds"));
  }

  /** What istiod looks for when it learns of gateways (multicluster 1.4). */
  @ParameterizedTest
  @CsvSource({
    "east-west-gateway.yaml, istio-east-west, Hostname",
    "remote-gateway.yaml, istio-remote, IPAddress"
  })
  void theGatewayIsOneThatIstiodLearnsOf(String file, String gatewayClass, String addressType)
      throws IOException {
    Object gateway = at(manifest(file), "Gateway");

    assertEquals(gatewayClass, text(gateway, "spec", "gatewayClassName"));
    assertEquals("network-2", text(gateway, "metadata", "labels", NETWORK_LABEL));
    assertEquals(
        "istio-eastwestgateway", text(gateway, "metadata", "annotations", ACCOUNT_ANNOTATION));
    assertEquals(addressType, text(gateway, "spec", "addresses", "0", "type"));
    assertEquals("HBONE", text(gateway, "spec", "listeners", "0", "protocol"));
    assertEquals("Terminate", text(gateway, "spec", "listeners", "0", "tls", "mode"));
  }
}
