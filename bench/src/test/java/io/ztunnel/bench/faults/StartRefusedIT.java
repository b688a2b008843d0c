package io.ztunnel.bench.faults;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the daemon refuses to start with. */
@TestInstance(Lifecycle.PER_CLASS)
class StartRefusedIT {
  private static final Duration DEADLINE = Duration.ofSeconds(30);

  private Lab lab;
  private Lab.Node node;

  @BeforeAll
  void makeNode() throws IOException {
    Requirements.assumeLabWith();
    lab = Lab.create("refused");
    node = lab.addNode();
  }

  @AfterAll
  void removeNode() throws IOException {
    if (lab != null) {
      lab.close();
    }
  }

  private Lab.Output start(Map<String, String> environment) throws IOException {
    Map<String, String> variables = new TreeMap<>();
    variables.put("PATH", System.getenv("PATH"));
    variables.put("JAVA_HOME", System.getProperty("java.home"));
    variables.put("ZTUNNEL_BUILD", "never");
    variables.put("XDS_ADDRESS", "");
    variables.put("FAKE_CA", "true");
    variables.put("FAKE_CA_DIR", lab.directory().resolve("ca").toString());
    variables.put("INPOD_UDS", lab.directory().resolve("no-agent.sock").toString());
    variables.putAll(environment);
    List<String> command = new ArrayList<>(List.of("env", "-i"));
    variables.forEach((key, value) -> command.add(key + "=" + value));
    command.addAll(List.of(FaultMesh.LAUNCHER.toString(), "proxy"));
    return node.exec(DEADLINE, command.toArray(String[]::new));
  }

  private static void assertRefused(Lab.Output output, String... words) {
    Assertions.assertEquals(1, output.exitStatus(), output::toString);
    String message =
        output.err().lines().filter(line -> line.startsWith("ztunnel: ")).findFirst().orElse("");
    for (String word : words) {
      assertTrue(message.contains(word), () -> "no \"" + word + "\" in: " + message);
    }
  }

  @ParameterizedTest(name = "{0}={1}")
  @CsvSource({
    "ZTUNNEL_HALF_CLOSE_PROBE, soon, expected",
    "POOL_MAX_STREAMS_PER_CONNECTION, 0, from 1 to 65535",
    "ZTUNNEL_TRANSPORT, nio, epoll or io_uring in shared mode",
    "PROXY_MODE, sideways, 'expected: shared, dedicated or gateway'",
    "ZTUNNEL_TLS_PROVIDER, rot13, expected"
  })
  void variableThatMakesNoSense(String name, String value, String expected) throws IOException {
    assertRefused(start(Map.of(name, value)), name, value, expected);
  }

  @Test
  void postQuantumOnlyWithoutBoringSsl() throws IOException {
    assertRefused(
        start(Map.of("COMPLIANCE_POLICY", "pqc", "ZTUNNEL_TLS_PROVIDER", "jdk")),
        "COMPLIANCE_POLICY",
        "expected: BORINGSSL");
  }

  @Test
  void caWithoutRootsToBelieve() throws IOException {
    assertRefused(
        start(Map.of("FAKE_CA", "false", "CA_ROOT_CA", "/nowhere/root-cert.pem")),
        "CA_ROOT_CA",
        "/nowhere/root-cert.pem",
        "expected: a file that exists");
  }

  @Test
  void caThatIsNotToBeReachedByTls() throws IOException {
    assertRefused(
        start(
            Map.of(
                "FAKE_CA", "false", "CA_ROOT_CA", "SYSTEM", "CA_ADDRESS", "http://istiod:15010")),
        "CA_ADDRESS",
        "expected: https://");
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "wrkloads: []                                        | wrkloads     | workloads",
        "workloads: [{uid: a, nmae: b}]                      | nmae         | name",
        "workloads: nothing                                  | workloads    | list",
        "policies: [{name: a, namespace: b, scope: Some}]    | Some         | Global",
        "'workloads: ['                                      | line 2       | YAML"
      })
  void meshFileThatMakesNoSense(String yaml, String found, String expected) throws IOException {
    Path file = lab.directory().resolve("mesh.yaml");
    Files.writeString(file, yaml + "\n");
    assertRefused(
        start(Map.of("LOCAL_XDS_PATH", file.toString())), file.toString(), found, expected);
  }
}
