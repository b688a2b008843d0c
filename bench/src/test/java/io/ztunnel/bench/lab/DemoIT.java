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

/** The demos from end to end; they fail by themselves where what they show is not so. */
class DemoIT {
  private static final Path LAUNCHER = Path.of("..", "ztunnel").toAbsolutePath().normalize();

  private final ByteArrayOutputStream shown = new ByteArrayOutputStream();
  private final PrintStream out = new PrintStream(shown, true, UTF_8);

  @Test
  @Timeout(180)
  void showsTheMainJobAndLeavesNothingBehind() throws Exception {
    Requirements.assumeLabWith("curl", "python3", "iperf3", "tcpdump");

    Demo.run(LAUNCHER, out, Afterwards.REMOVE);

    assertShown(
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
        "istio_tcp_connections_opened_total");
    assertNothingIsLeftOf("demo");
  }

  @Test
  @Timeout(240)
  void showsTwoClustersAndLeavesNothingBehind() throws Exception {
    Requirements.assumeLabWith("curl", "python3");

    MulticlusterDemo.run(LAUNCHER, out, Afterwards.REMOVE);

    assertShown(
        "gateway-west",
        "gateway-east",
        "Couldn't connect to server",
        "x Hello from catalog-3.",
        "an open connection of crawler's was cut after",
        "explicitly denied by: shop/no-crawlers",
        "401 Unauthorized",
        "x Hello from cart-east.",
        "Not one call failed.",
        "ztunnel_gateway_tunnels_open",
        "MiB");
    assertNothingIsLeftOf("multi");
  }

  private void assertShown(String... words) {
    String text = shown.toString(UTF_8);
    for (String expected : words) {
      assertTrue(text.contains(expected), () -> "no \"" + expected + "\" in:\n" + text);
    }
  }

  private void assertNothingIsLeftOf(String lab) throws IOException {
    String mine = "ztt-" + lab + "-" + ProcessHandle.current().pid() + "-";
    try (Stream<Path> namespaces = Files.list(Path.of("/run/netns"));
        Stream<Path> files = Files.list(Path.of("/tmp"))) {
      List<Path> left =
          Stream.concat(namespaces, files)
              .filter(path -> path.getFileName().toString().startsWith(mine))
              .toList();
      assertEquals(List.of(), left, shown.toString(UTF_8));
    }
  }
}
