package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.CodedInputStream;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** What a daemon tells those who want to know why: explanations, denials, readiness, profiles. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DiagnosisIT {
  private static final int PORT = 8080;
  private static final int CLOSED_PORT = 9090;

  private Scene scene;
  private Lab.Node node;
  private Lab.Pod client;
  private Lab.Pod server;
  private Daemon daemon;
  private String whileStarting = "";

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("diagnosis");
    node = scene.lab().addNode();
    client = scene.pod(node, "client");
    server = node.addPod("server");
    scene.workload(
        Entry.workload(server, server.ipv4())
            .serving("web", 80, PORT)
            .with("authorizationPolicies", "[shop/only-8080]"));
    scene.service(Entry.service("web", "10.96.0.1", "{80: 8080}"));
    scene.policy(
        Entry.policy("only-8080", "WorkloadSelector", "Allow", "{destinationPorts: [8080]}"));
    scene.app(server, PORT, App.ECHO_TWICE);
    daemon = Daemon.start(scene.lab(), node, Scene.LAUNCHER, scene.meshFile(), Map.of());
    scene.closeLater(daemon);
    daemon.add(client, "shop", "client");
    daemon.add(server, "shop", "server");
    whileStarting = Http.ask(node, Http.READINESS, "GET /readyz?verbose").toString();
    daemon.finishSnapshot();
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Http admin(String path) throws IOException {
    return Http.ask(node, Http.ADMIN, "GET " + path);
  }

  private void callClosedPort() {
    PodSockets.isReset(client, server.ipv4(), CLOSED_PORT);
  }

  @Test
  void anExplanationSaysWhatTheCallThenMeets() throws Exception {
    String allowed = admin("/debug/explain?src=shop/client&dst=10.96.0.1&port=80").text();
    assertTrue(
        allowed.contains("chosen: lab//Pod/shop/server, target port 8080, one of 1"), allowed);
    assertTrue(allowed.endsWith("verdict: allowed: by shop/only-8080 rule 0\n"), allowed);
    assertEquals(
        "hello worldhello world",
        PodSockets.exchange(client, InetAddress.ofLiteral("10.96.0.1"), 80, "hello world"));

    String denied =
        admin("/debug/explain?src=shop/client&dst=shop/server&port=" + CLOSED_PORT).text();
    String reason =
        "allow policies exist, but none allowed: shop/only-8080 rule 0 clause 0: destination port";
    assertTrue(denied.endsWith("verdict: denied: " + reason + "\n"), denied);
    Journal log = Journal.of(daemon);
    callClosedPort();
    assertTrue(log.awaitAny("connection complete").contains(reason), reason);
    assertEquals(400, admin("/debug/explain?src=shop/nobody&dst=10.96.0.1&port=80").status());
  }

  @Test
  void aDenialIsRemembered() throws Exception {
    callClosedPort();
    String denials = admin("/debug/denials").text();
    assertTrue(denials.startsWith("shop/server (lab//Pod/shop/server)\n"), denials);
    assertTrue(
        denials.contains(
            " denied %s %s -> %s:%d: allow policies exist, but none allowed: shop/only-8080 rule 0 clause 0: destination port"
                .formatted(
                    client.ipv4().getHostAddress(),
                    Entry.identity(client),
                    server.ipv4().getHostAddress(),
                    CLOSED_PORT)),
        denials);
  }

  @Test
  void readinessSaysWhatItWaitsForAndForHowLong() throws Exception {
    assertTrue(whileStarting.startsWith("500 "), whileStarting);
    assertTrue(
        Pattern.compile(
                "\\[-] workload proxy manager: pending for [0-9.]+m?s, waits for the snapshot of the CNI agent on /")
            .matcher(whileStarting)
            .find(),
        whileStarting);
    assertTrue(whileStarting.contains("[+] state manager: done after "), whileStarting);
    String ready = Http.ask(node, Http.READINESS, "GET /readyz?verbose").toString();
    assertTrue(ready.startsWith("200 [+] "), ready);
    assertTrue(ready.contains("[+] certificates: well\n[+] pods: well\nready\n"), ready);
  }

  @Test
  void aCpuProfileHasTheThreadsThatWork() throws Exception {
    List<Http> profile = new CopyOnWriteArrayList<>();
    Thread asking =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    Await.until( // what looks whether it is under way may be first
                        "no other profile under way",
                        () -> {
                          Http answer = admin("/debug/pprof/profile?seconds=3&frequency=500");
                          return answer.status() != 409 && profile.add(answer);
                        });
                  } catch (Exception e) {
                    throw new IllegalStateException(e);
                  }
                });
    Await.until("a profile under way", () -> admin("/debug/jfr?seconds=1").status() == 409);
    String busy = admin("/debug/pprof/profile?seconds=1").toString();
    assertEquals(
        "409 a profile is being taken already (expected: one at a time); try again when it is done\n",
        busy);
    while (asking.isAlive()) {
      PodSockets.exchange(client, server.ipv4(), PORT, "hello world");
      admin("/config_dump");
    }
    asking.join();
    Http answer = profile.getFirst();
    assertEquals(200, answer.status());
    List<String> strings = strings(answer.body());
    assertEquals("", strings.getFirst());
    assertTrue(
        strings.containsAll(List.of("samples", "count", "cpu", "nanoseconds")), strings::toString);
    assertTrue(strings.stream().anyMatch(s -> s.startsWith("io.netty.")), strings::toString);
    assertTrue(strings.stream().anyMatch(s -> s.startsWith("ztunnel-")), strings::toString);
  }

  /** The string table of a profile: field 6 (profile.proto of github.com/google/pprof). */
  private static List<String> strings(byte[] profile) throws IOException {
    List<String> strings = new ArrayList<>();
    CodedInputStream in = CodedInputStream.newInstance(profile);
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      if (tag >>> 3 == 6) {
        strings.add(in.readString());
      } else {
        in.skipField(tag);
      }
    }
    return strings;
  }

  @Test
  void allocationsAreSampledWhenTheyAreSwitchedOn() throws Exception {
    assertEquals(
        "500 heap profiling is not active; switch it on by /debug/pprof/heap/profiling?activate=true\n",
        admin("/debug/pprof/heap").toString());
    assertEquals(
        "200 heap profiling active: true\n",
        admin("/debug/pprof/heap/profiling?activate=true").toString());
    try {
      Await.until(
          "a sampled allocation",
          () -> {
            admin("/config_dump");
            return strings(admin("/debug/pprof/heap").body()).contains("alloc_space")
                && strings(admin("/debug/pprof/heap").body()).size() > 10;
          });
    } finally {
      assertEquals(
          "200 heap profiling active: false\n",
          admin("/debug/pprof/heap/profiling?activate=false").toString());
    }
  }

  @Test
  void aFlightRecordingIsOne(@TempDir Path directory) throws Exception {
    Http[] answer = new Http[1];
    Await.until(
        "no other profile under way",
        () -> {
          answer[0] = admin("/debug/jfr?seconds=1");
          return answer[0].status() != 409;
        });
    assertEquals(200, answer[0].status());
    Path file = directory.resolve("flight.jfr");
    Files.write(file, answer[0].body());
    assertTrue(
        RecordingFile.readAllEvents(file).stream()
            .anyMatch(event -> event.getEventType().getName().equals("jdk.JVMInformation")));
  }

  @Test
  void everyFamilyIsDocumented() throws Exception {
    PodSockets.exchange(client, server.ipv4(), PORT, "hello world");
    Pattern row = Pattern.compile("\\| `([a-z0-9_]+)` \\| (counter|gauge|histogram) \\| .*");
    List<String> documented =
        Files.readAllLines(Path.of("../docs/metrics.md")).stream()
            .map(row::matcher)
            .filter(Matcher::matches)
            .map(match -> match.group(1) + " " + match.group(2))
            .toList();
    List<String> shown =
        Arrays.stream(daemon.metrics().split("\n"))
            .filter(line -> line.startsWith("# TYPE "))
            .map(line -> line.substring("# TYPE ".length()))
            .toList();
    assertTrue(shown.size() > 15, shown::toString);
    assertTrue(
        documented.containsAll(shown),
        () -> "not documented: " + shown.stream().filter(f -> !documented.contains(f)).toList());
  }
}
