package io.ztunnel.bench.scenarios;

import static java.util.stream.Collectors.toMap;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * Two clusters that call each other: one tells who its pods are and listens to who others are, the
 * other does neither ({@code ENABLE_RESPONSE_BAGGAGE}), but for the CONNECT, whose baggage is
 * always sent. What nobody says is unknown, and what a certificate says is not.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BaggageAcrossNetworksIT {
  private static final Pattern LABEL = Pattern.compile("([a-z_]+)=\"([^\"]*)\"");
  private static final String MUTE = "mute";

  private Scene scene;
  private Side telling;
  private Side quiet;

  /** One of the quiet side, whose proxy has never heard of baggage. */
  private Lab.Pod mute;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("baggage");
    telling = new Side(scene, "telling", 1, "cluster.local");
    quiet = new Side(scene, "quiet", 2, "cluster.local");
    telling.join(quiet);
    quiet.join(telling);
    mute = quiet.node().addPod(MUTE, Lab.Without.REDIRECTION);
    Lab.Pod behindMute = quiet.node().addPod("behind", Lab.Without.REDIRECTION);
    scene.app(behindMute, 15008, App.ECHO_TWICE);
    quiet.serve(MUTE, quiet.cluster().pod(mute));
    telling.reach(quiet, MUTE, mute);
    start(telling, "true");
    start(quiet, "false");
    scene.closeLater(new Gateway(scene.lab(), mute, quiet.cluster().identity(mute), behindMute));
  }

  private static void start(Side side, String baggage) throws IOException {
    Map<String, String> variables = new TreeMap<>();
    variables.put("ENABLE_RESPONSE_BAGGAGE", baggage);
    variables.put("ZTUNNEL_INNER_CONNECTIONS", "0"); // the tunnel ends with the call
    Map<String, String> ofGateway = new TreeMap<>(variables);
    ofGateway.put("GATEWAY_EXPORTS", "shop/*");
    side.start(variables, ofGateway);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @Test
  void whoeverSaysAndHearsNothingKnowsOthersAndIsKnownByCertificatesAlone() throws Exception {
    Counters source = atRest(telling.daemon());
    Counters gateway = atRest(quiet.gateway());
    Counters destination = atRest(quiet.daemon());
    Journal sourceLog = Journal.now(telling.daemon());
    Journal destinationLog = Journal.now(quiet.daemon());
    new QuickCalls(telling.client()).once(quiet.vip());

    assertEquals(told(telling, telling.client(), "client-telling-name"), labels(source, "source"));
    assertEquals(certified(quiet.server()), labels(source, "destination"));
    assertEquals(certified(telling.client()), labels(gateway, "source"));
    assertEquals(certified(telling.client()), labels(destination, "source"));
    assertEquals(
        told(quiet, quiet.server(), "server-quiet-name"), labels(destination, "destination"));
    hasIdentityOnly(sourceLog.await("direction=\"outbound\""), "dst", quiet.server());
    hasIdentityOnly(destinationLog.await("direction=\"inbound\""), "src", telling.client());
  }

  @Test
  void whoeverHearsNothingIsStillKnownToOthersByItsRequest() throws Exception {
    Counters source = atRest(quiet.daemon());
    Counters gateway = atRest(telling.gateway());
    Counters destination = atRest(telling.daemon());
    Journal sourceLog = Journal.now(quiet.daemon());
    Journal destinationLog = Journal.now(telling.daemon());
    new QuickCalls(quiet.client()).once(telling.vip());

    assertEquals(certified(telling.server()), labels(source, "destination"));
    assertEquals(told(quiet, quiet.client(), "client-quiet-app"), labels(gateway, "source"));
    assertEquals(told(quiet, quiet.client(), "client-quiet-app"), labels(destination, "source"));
    hasIdentityOnly(sourceLog.await("direction=\"outbound\""), "dst", telling.server());
    String inbound = destinationLog.await("direction=\"inbound\"");
    assertTrue(inbound.contains(" src.workload=\"client-quiet-name\""), inbound);
    assertTrue(inbound.contains(" src.cluster=\"quiet\""), inbound);
  }

  @Test
  void aPeerThatAnswersWithoutBaggageIsKnownByItsCertificateAlone() throws Exception {
    Counters source = atRest(telling.daemon());
    Journal log = Journal.now(telling.daemon());
    new QuickCalls(telling.client()).once(quiet.vip(MUTE));
    assertEquals(certified(mute), labels(source, "destination"));
    hasIdentityOnly(log.await("direction=\"outbound\""), "dst", mute);
  }

  private static Counters atRest(Daemon daemon) throws IOException {
    Journal.awaitRest(daemon);
    return Counters.of(daemon);
  }

  /** What the metrics say of one end of the only connection that has ended since. */
  private static Map<String, String> labels(Counters before, String end) throws IOException {
    String counter = "istio_tcp_connections_closed_total";
    Await.equal(1, () -> before.growth(counter).size());
    return LABEL
        .matcher(before.growth(counter).keySet().iterator().next())
        .results()
        .filter(label -> label.group(1).startsWith(end + '_'))
        .filter(label -> !label.group(1).startsWith("destination_service"))
        .collect(
            toMap(
                label -> label.group(1).substring(end.length() + 1),
                BaggageAcrossNetworksIT::value));
  }

  private static String value(MatchResult label) {
    return label.group(2);
  }

  /** What is said of a pod of which nothing but its certificate is known. */
  private static Map<String, String> certified(Lab.Pod pod) {
    Map<String, String> labels =
        new TreeMap<>(
            Map.of(
                "workload", "unknown",
                "canonical_service", "unknown",
                "canonical_revision", "unknown",
                "app", "unknown",
                "version", "unknown",
                "cluster", "unknown",
                "region", "unknown",
                "zone", "unknown"));
    labels.putAll(certificate(pod));
    return labels;
  }

  private static Map<String, String> certificate(Lab.Pod pod) {
    return Map.of("workload_namespace", "shop", "principal", Entry.identity(pod));
  }

  /**
   * What is said of a pod that is known.
   *
   * @param app its canonical name, or that of its workload if its baggage is what tells of it
   */
  private static Map<String, String> told(Side side, Lab.Pod pod, String app) {
    Map<String, String> labels =
        new TreeMap<>(
            Map.of(
                "workload",
                pod.name() + "-app",
                "canonical_service",
                pod.name() + "-name",
                "canonical_revision",
                "v1",
                "app",
                app,
                "version",
                "v1",
                "cluster",
                side.cluster().name(),
                "region",
                "r" + side.place(),
                "zone",
                "z" + side.place()));
    labels.putAll(certificate(pod));
    return labels;
  }

  /** A line of the access log names one end by its certificate, and not by what is told of it. */
  private static void hasIdentityOnly(String line, String end, Lab.Pod pod) {
    assertTrue(line.startsWith("info connection complete"), line);
    assertTrue(line.contains(" %s.namespace=\"shop\"".formatted(end)), line);
    assertTrue(line.contains(" %s.identity=\"%s\"".formatted(end, Entry.identity(pod))), line);
    assertFalse(line.contains(" %s.workload=".formatted(end)), line);
    assertFalse(line.contains(" %s.cluster=".formatted(end)), line);
  }
}
