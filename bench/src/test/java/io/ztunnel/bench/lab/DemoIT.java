package io.ztunnel.bench.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The demo from end to end; it fails by itself where what it shows is not so. */
class DemoIT {
  private static final Path LAUNCHER = Path.of("..", "ztunnel").toAbsolutePath().normalize();

  @Test
  @Timeout(180)
  void showsTheMainJobAndLeavesNothingBehind() throws Exception {
    Requirements.assumeLabWith("curl", "python3", "iperf3", "tcpdump");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    Demo.run(LAUNCHER, new PrintStream(bytes, true, UTF_8), Demo.Afterwards.REMOVE);

    String text = bytes.toString(UTF_8);
    for (String expected :
        List.of(
            "Hello from cart.",
            "spiffe://cluster.local/ns/shop/sa/web",
            "spiffe://cluster.local/ns/shop/sa/cart",
            "in clear: 0 on the wire",
            "explicitly denied by: shop/no-crawlers",
            "connection closed due to policy change",
            "explicitly denied by: shop/no-web rule 0",
            "taken back",
            "receiver",
            "connection complete",
            "istio_tcp_connections_opened_total")) {
      assertTrue(text.contains(expected), () -> "no \"" + expected + "\" in:\n" + text);
    }
    assertEquals(List.of(), leftBehind(), text);
  }

  private static List<Path> leftBehind() throws IOException {
    String mine = "ztt-demo-" + ProcessHandle.current().pid() + "-";
    try (Stream<Path> namespaces = Files.list(Path.of("/run/netns"));
        Stream<Path> files = Files.list(Path.of("/tmp"))) {
      return Stream.concat(namespaces, files)
          .filter(path -> path.getFileName().toString().startsWith(mine))
          .toList();
    }
  }
}
