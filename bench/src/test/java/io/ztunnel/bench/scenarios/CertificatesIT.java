package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.identity.CaServer;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Daemons whose certificates are signed by a control plane's CA, and what that may do wrong. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CertificatesIT {
  private static final int PORT = 8080;

  /** So short that the daemon renews all the time: half of it has always passed. */
  private static final Duration ALWAYS_DUE = Duration.ofSeconds(40);

  /** Longer than the pause before a retry may have grown to meanwhile. */
  private static final Duration RETRIES = Duration.ofSeconds(45);

  /** And what the log says of a renewal that fails so. */
  private static final Map<CaServer.Fault, String> RENEWAL_FAULTS =
      Map.of(
          CaServer.Fault.REFUSED,
          "request impersonation authentication failure",
          CaServer.Fault.WRONG_SAN,
          "did not find expected SAN",
          CaServer.Fault.EXPIRED,
          "the certificate expired at",
          CaServer.Fault.EMPTY_CHAIN,
          "chain returned from CA is empty",
          CaServer.Fault.SILENCE,
          "Deadline expired before operation could complete");

  private final TestPki tls = TestPki.root("control plane");
  private final TestPki authority = TestPki.root("mesh").intermediate("istiod");
  private Scene scene;
  private NodeCa nearCa;
  private NodeCa farCa;
  private Lab.Node near;
  private Lab.Pod client;
  private final Map<CaServer.Fault, Lab.Pod> failing = new EnumMap<>(CaServer.Fault.class);
  private Lab.Pod filed;
  private Lab.Pod server;
  private Path certificates;
  private Daemon nearDaemon;
  private Daemon farDaemon;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("certs");
    near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = scene.pod(near, "client");
    for (CaServer.Fault fault : RENEWAL_FAULTS.keySet()) {
      failing.put(fault, scene.pod(near, "failing-" + fault.name().toLowerCase(Locale.ROOT)));
    }
    filed = scene.pod(near, "filed");
    server = scene.pod(far, "server");
    scene.app(server, PORT, App.saying("hello"));
    nearCa = NodeCa.start(scene, near, tls, authority);
    farCa = NodeCa.start(scene, far, tls, authority);
    nearCa.server().validFor(ALWAYS_DUE);
    farCa.server().validFor(ALWAYS_DUE);
    certificates = Files.createDirectory(scene.lab().directory().resolve("certificates"));
    nearDaemon =
        scene.daemon(
            near,
            nearCa.environment(Map.of("ZTUNNEL_CERTIFICATE_DIR", certificates.toString())),
            Stream.concat(Stream.of(client, filed), failing.values().stream())
                .toArray(Lab.Pod[]::new));
    farDaemon = scene.daemon(far, farCa.environment(Map.of()), server);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private String call(Lab.Pod from) throws IOException {
    return PodSockets.exchange(from, server.ipv4(), PORT, "hi");
  }

  private static void awaitCall(Look look) throws IOException {
    long end = System.nanoTime() + RETRIES.toNanos();
    while (true) {
      try {
        assertEquals("hello", look.now());
        return;
      } catch (IOException e) {
        if (System.nanoTime() > end) {
          throw new AssertionError("not within " + RETRIES, e);
        }
        Pause.of(Duration.ofMillis(100));
      }
    }
  }

  /** A call that may fail for a while. */
  private interface Look {
    String now() throws IOException;
  }

  @Test
  void workloadsAreCertifiedAndPrefetchedAndRenewed() throws Exception {
    assertEquals("hello", call(client));
    CaServer.Call first =
        nearCa.server().calls().stream()
            .filter(call -> call.identity().equals(Entry.identity(client)))
            .findFirst()
            .orElseThrow();
    assertEquals("Bearer first-token", first.token());
    assertEquals("Kubernetes", first.cluster());
    assertEquals(86_400, first.asked().validitySeconds());
    Await.until(
        "the certificate was renewed",
        () -> nearCa.server().asked().stream().filter(Entry.identity(client)::equals).count() > 1);
    assertTrue(
        nearDaemon.configDump().contains("\"identity\": \"" + Entry.identity(client) + "\""),
        "not in the dump");
  }

  @Test
  void aRenewalThatTheCaFailsLeavesTheValidCertificateInUse() throws Exception {
    Journal log = Journal.now(nearDaemon);
    Map<CaServer.Fault, Integer> asked = new EnumMap<>(CaServer.Fault.class);
    failing.forEach(
        (fault, pod) -> {
          asked.put(fault, askedFor(pod));
          nearCa.server().fail(Entry.identity(pod), fault);
        });
    try {
      for (Map.Entry<CaServer.Fault, Lab.Pod> one : failing.entrySet()) {
        Lab.Pod pod = one.getValue();
        String cause = Objects.requireNonNull(RENEWAL_FAULTS.get(one.getKey()));
        log.awaitAny("not renewed, the old one is still valid", Entry.identity(pod), cause);
        assertEquals("hello", call(pod));
        assertEquals("hello", call(client));
      }
    } finally {
      failing.values().forEach(pod -> nearCa.server().mend(Entry.identity(pod)));
    }
    for (Map.Entry<CaServer.Fault, Lab.Pod> one : failing.entrySet()) {
      Lab.Pod pod = one.getValue();
      int before = Objects.requireNonNull(asked.get(one.getKey()));
      Await.until(pod.name() + " was tried again", () -> askedFor(pod) > before + 1);
      assertEquals("hello", call(pod));
    }
  }

  @Test
  void anIdentityWithoutACertificateIsNotServedNotEvenInPlaintextAndOthersGoOn() throws Exception {
    Map<CaServer.Fault, String> causes =
        Map.of(
            CaServer.Fault.REFUSED,
            "signing gRPC error (The request does not have valid authentication credentials):"
                + " request impersonation authentication failure",
            CaServer.Fault.WRONG_SAN,
            "did not find expected SAN",
            CaServer.Fault.EXPIRED,
            "the certificate expired at",
            CaServer.Fault.EMPTY_CHAIN,
            "chain returned from CA is empty",
            CaServer.Fault.SILENCE,
            "signing gRPC error (Deadline expired before operation could complete)");
    Lab.Node node = scene.lab().addNode();
    NodeCa ca = NodeCa.start(scene, node, tls, authority);
    Map<CaServer.Fault, Lab.Pod> pods = new EnumMap<>(CaServer.Fault.class);
    for (CaServer.Fault fault : causes.keySet()) {
      Lab.Pod pod = scene.pod(node, fault.name().toLowerCase(Locale.ROOT).replace('_', '-'));
      pods.put(fault, pod);
      ca.server().fail(Entry.identity(pod), fault);
    }
    Lab.Pod fine = scene.pod(node, "fine");
    Lab.Pod[] all = Stream.concat(pods.values().stream(), Stream.of(fine)).toArray(Lab.Pod[]::new);
    Daemon daemon = scene.daemon(node, ca.environment(Map.of()), all);
    for (Map.Entry<CaServer.Fault, Lab.Pod> one : pods.entrySet()) {
      Journal log = Journal.now(daemon);
      PodSockets.isReset(one.getValue(), server.ipv4(), PORT);
      String line = log.awaitAny("connection complete", "reason=\"identity_unavailable\"");
      assertTrue(line.contains("identity error: "), line);
      assertTrue(line.contains(causes.get(one.getKey())), line);
      assertEquals("hello", call(fine));
    }
    assertTrue(
        daemon.configDump().contains("Unavailable: chain returned from CA is empty"),
        "not in the dump");
    for (Lab.Pod pod : pods.values()) {
      ca.server().mend(Entry.identity(pod));
    }
    for (Lab.Pod pod : pods.values()) {
      awaitCall(() -> call(pod));
    }
  }

  @Test
  void connectionsWaitForTheFirstCertificateOfTheirWorkload() throws Exception {
    Lab.Node node = scene.lab().addNode();
    Lab.Pod slow = scene.pod(node, "slow");
    NodeCa ca = NodeCa.start(scene, node, tls, authority);
    ca.server().hold();
    Daemon _ = scene.daemon(node, ca.environment(Map.of("ZTUNNEL_CA_TIMEOUT", "20s")), slow);
    Await.until("the CA was asked", () -> !ca.server().calls().isEmpty());
    CompletableFuture<String> answer = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .start(
            () -> {
              try {
                answer.complete(call(slow));
              } catch (IOException e) {
                answer.completeExceptionally(e);
              }
            });
    Pause.of(Duration.ofMillis(700));
    assertFalse(answer.isDone(), () -> "did not wait: " + answer);
    ca.server().release();
    assertEquals("hello", answer.get(10, TimeUnit.SECONDS));
  }

  @Test
  void aTokenThatIsMissingOrRotatesIsReadAgain() throws Exception {
    Journal log = Journal.now(nearDaemon);
    nearCa.token().swap("");
    log.awaitAny("not renewed, the old one is still valid", "istio-token is empty");
    assertEquals("hello", call(client));
    nearCa.server().expectToken("second-token");
    nearCa.token().swap("second-token\n");
    Await.until(
        "the new token was used",
        () ->
            nearCa.server().calls().stream()
                .anyMatch(call -> call.token().equals("Bearer second-token")));
    assertEquals("hello", call(client));
  }

  @Test
  void rootsOfTheCasTlsThatAreReplacedByALinkAreTakenOver() throws Exception {
    TestPki next = TestPki.root("next control plane");
    Journal log = Journal.now(nearDaemon);
    nearCa.server().restart(next);
    log.awaitAny("not renewed, the old one is still valid", "certification path");
    int asked = nearCa.server().calls().size();
    nearCa.roots().swap(TestPki.pem(List.of(next.rootCertificate())));
    log.awaitAny("root certificates of the CA have changed");
    awaitCall(() -> call(client));
    Await.until("the CA was asked", () -> nearCa.server().calls().size() > asked);
  }

  @Test
  void theMeshesRootIsRotatedWithoutAFailedCall() throws Exception {
    TestPki next = TestPki.root("next mesh").intermediate("next istiod");
    for (NodeCa ca : List.of(nearCa, farCa)) {
      ca.server().signBy(authority, authority.rootCertificate(), next.rootCertificate());
    }
    awaitRenewal(client, server);
    assertEquals("hello", call(client));
    nearCa.server().signBy(next, authority.rootCertificate(), next.rootCertificate());
    awaitRenewal(client);
    assertEquals("hello", call(client), "one side by the next root, the other by the former");
    farCa.server().signBy(next, next.rootCertificate());
    awaitRenewal(server);
    assertEquals("hello", call(client));
    nearCa.server().signBy(next, next.rootCertificate());
    awaitRenewal(client);
    assertEquals("hello", call(client), "the former root is gone");
    for (NodeCa ca : List.of(nearCa, farCa)) {
      ca.server().signBy(authority, authority.rootCertificate(), next.rootCertificate());
    }
    awaitRenewal(server, client);
    awaitCall(() -> call(client));
  }

  /** Waits until certificates that are issued after now are in use. */
  private void awaitRenewal(Lab.Pod... pods) throws IOException {
    Map<Lab.Pod, X509Certificate> former = new HashMap<>();
    for (Lab.Pod pod : pods) {
      former.put(pod, issued(pod));
    }
    for (Lab.Pod pod : pods) {
      Daemon daemon = pod.equals(server) ? farDaemon : nearDaemon;
      Await.until(
          "renewal of " + pod.name(),
          () -> {
            X509Certificate last = issued(pod);
            return !last.equals(former.get(pod))
                && daemon.configDump().contains("\"" + last.getSerialNumber() + "\"");
          });
    }
  }

  private X509Certificate issued(Lab.Pod pod) {
    return (pod.equals(server) ? farCa : nearCa).server().issued(Entry.identity(pod));
  }

  @Test
  void certificatesInFilesAreUsedBesideTheCaAndFollowed() throws Exception {
    Journal log = Journal.now(nearDaemon);
    Path set = Files.createDirectory(certificates.resolve("filed"));
    TestPki filesAuthority = authority.intermediate("files");
    var material = filesAuthority.leaf(Entry.identity(filed)).material();
    Files.writeString(set.resolve("tls.key"), TestPki.pem(material.key()));
    Files.writeString(set.resolve("ca.crt"), TestPki.pem(material.roots()));
    Files.writeString(set.resolve("tls.crt"), TestPki.pem(material.chain()));
    log.awaitAny("certificate files", Entry.identity(filed));
    Await.until(
        "the serial number in the dump",
        () -> nearDaemon.configDump().contains(material.leaf().getSerialNumber() + "\""));
    int asked = askedFor(filed);
    assertEquals("hello", call(filed));
    Files.writeString(set.resolve("tls.crt"), "half written");
    log.awaitAny("certificate files not taken over, the former stay in use", "tls.crt");
    assertEquals("hello", call(filed));
    assertEquals(asked, askedFor(filed), "the CA was asked for what lies in files");
    Files.delete(set.resolve("tls.crt"));
    Await.until("the CA is asked again", () -> askedFor(filed) > asked);
    awaitCall(() -> call(filed));
  }

  private int askedFor(Lab.Pod pod) {
    return Math.toIntExact(
        nearCa.server().asked().stream().filter(Entry.identity(pod)::equals).count());
  }
}
