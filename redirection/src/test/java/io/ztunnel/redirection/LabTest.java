package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class LabTest {
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  @BeforeAll
  static void needsNamespaces() {
    Privileges.assumeLab();
  }

  @Test
  void uncapturedPodsOfTwoNodesReachEachOtherInBothFamilies() throws Exception {
    try (Lab lab = Lab.create("lab")) {
      Lab.Pod near = lab.addNode().addPod("near", Lab.Without.REDIRECTION);
      Lab.Pod far = lab.addNode().addPod("far", Lab.Without.REDIRECTION);
      try (ServerSocket server = Peer.listen(far, 80)) {
        for (InetAddress target : List.of(far.ipv4(), far.ipv6())) {
          try (Socket client = Peer.connect(near, target, 80);
              Socket accepted = server.accept()) {
            Peer.say(client, "hello");
            assertEquals("hello", Peer.hear(accepted, 5));
          }
        }
      }
    }
  }

  @Test
  void capturedPodReachesNothingWithoutAProxy() throws Exception {
    try (Lab lab = Lab.create("lab")) {
      Lab.Node node = lab.addNode();
      Lab.Pod captured = node.addPod("captured");
      Lab.Pod server = node.addPod("server", Lab.Without.REDIRECTION);
      try (ServerSocket _ = Peer.listen(server, 80)) {
        assertThrows(ConnectException.class, () -> Peer.connect(captured, server.ipv4(), 80));
        assertThrows(ConnectException.class, () -> Peer.connect(captured, server.ipv6(), 80));
      }
    }
  }

  @Test
  void droppedPortIsSilentUntilItIsAcceptedAgain() throws Exception {
    try (Lab lab = Lab.create("lab")) {
      Lab.Node node = lab.addNode();
      Lab.Pod client = node.addPod("client", Lab.Without.REDIRECTION);
      Lab.Pod server = node.addPod("server", Lab.Without.REDIRECTION);
      try (ServerSocket _ = Peer.listen(server, 80)) {
        server.dropPort(80);
        assertThrows(SocketTimeoutException.class, () -> Peer.connect(client, server.ipv4(), 80));
        server.acceptPort(80);
        Peer.connect(client, server.ipv4(), 80).close();
      }
    }
  }

  @Test
  void podWithoutIpv6HasNoAddressOfThatFamily() throws Exception {
    try (Lab lab = Lab.create("lab")) {
      Lab.Pod pod = lab.addNode().addPod("v4", Lab.Without.IPV6);
      assertEquals("", pod.exec(DEADLINE, "ip", "-6", "addr", "show").out());
      assertThrows(IllegalStateException.class, pod::ipv6);
    }
  }

  @Test
  void startedProgramGetsItsVariablesAndWritesToItsFile() throws Exception {
    try (Lab lab = Lab.create("lab")) {
      Path output = lab.directory().resolve("out");
      Process process =
          lab.addNode().spawn(Map.of("NETWORK", "east"), output, "sh", "-c", "echo $NETWORK");
      assertTrue(process.waitFor(5, TimeUnit.SECONDS));
      assertEquals("east\n", Files.readString(output));
    }
  }

  @Test
  void nothingIsLeftAfterClose() throws Exception {
    Lab lab = Lab.create("gone");
    Lab.Pod pod = lab.addNode().addPod("a");
    Process process = pod.spawn(lab.directory().resolve("out"), "sleep", "60");
    assertTrue(Files.exists(pod.netns()));
    lab.close();
    lab.close();
    assertFalse(process.isAlive());
    assertFalse(Files.exists(lab.directory()));
    assertEquals(List.of(), left(lab.directory().getFileName().toString().replace("dir", "")));
  }

  @Test
  void whatAProgramLeftBehindEndsWithTheLab() throws Exception {
    Lab lab = Lab.create("orphan");
    Path output = lab.directory().resolve("out");
    Process parent = lab.addNode().spawn(output, "sh", "-c", "sleep 60 > /dev/null 2>&1 & echo $!");
    assertTrue(parent.waitFor(5, TimeUnit.SECONDS));
    ProcessHandle orphan =
        ProcessHandle.of(Long.parseLong(Files.readString(output).strip())).orElseThrow();
    lab.close();
    ProcessHandle _ = orphan.onExit().get(5, TimeUnit.SECONDS);
  }

  @Test
  void whatADeadProcessLeftGoesWithTheNextLab() throws Exception {
    Process gone = new ProcessBuilder("true").start();
    gone.waitFor();
    String left = "ztt-old-%d-1-n1".formatted(gone.pid());
    LabCommand.run(DEADLINE, "", List.of("ip", "netns", "add", left));
    // Another process's lab may be at it too and be slower: then the next look finds it gone.
    for (int labs = 0; labs < 5 && !left(left).isEmpty(); labs++) {
      Lab.create("next").close();
    }
    assertEquals(List.of(), left(left));
  }

  @Test
  void programThatOverstaysIsEnded() throws Exception {
    try (Lab lab = Lab.create("lab")) {
      Lab.Node node = lab.addNode();
      IOException failure =
          assertThrows(IOException.class, () -> node.exec(Duration.ofMillis(100), "sleep", "60"));
      assertTrue(failure.toString().endsWith("still running after 100 ms"), failure::toString);
      assertEquals(
          "", LabCommand.run(DEADLINE, "", List.of("ip", "netns", "pids", node.namespace())));
    }
  }

  private static List<String> left(String prefix) throws IOException {
    try (Stream<Path> names = Files.list(Path.of("/run/netns"))) {
      return names
          .map(name -> name.getFileName().toString())
          .filter(name -> name.startsWith(prefix))
          .toList();
    }
  }
}
