package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.Names;
import io.ztunnel.bench.lab.UpstreamNameServer;
import io.ztunnel.redirection.Lab;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.util.List;
import java.util.Random;

/**
 * Names outside of the mesh, of which a node's name server knows. One in ten has more addresses
 * than a datagram holds. For any thread.
 */
final class OutsideNames implements Closeable {
  private static final int COUNT = 2_000;
  private static final int LONG_ONE_OF = 10;

  private final UpstreamNameServer server;

  /** The daemons that are started at that node from now on ask for these. */
  OutsideNames(Lab.Node node) throws IOException {
    this.server = new UpstreamNameServer(node);
    for (int i = 0; i < COUNT; i++) {
      List<InetAddress> addresses = addresses(i);
      server.on(
          name(i) + ".",
          (question, way) ->
              List.of(
                  addresses.size() > 1 && way == Names.Way.UDP
                      ? question.truncated()
                      : question.answer(0, addresses)));
    }
  }

  private static String name(int number) {
    return "outside-" + number + ".example";
  }

  private static List<InetAddress> addresses(int number) {
    List<InetAddress> all =
        List.of(
            InetAddress.ofLiteral("203.0.%d.%d".formatted(number / 250, 1 + number % 250)),
            InetAddress.ofLiteral("198.51.100.1"));
    return number % LONG_ONE_OF == 0 ? all : all.subList(0, 1);
  }

  /** Has a pod of that node ask for one of them; fails if the answer is not the server's. */
  void ask(Lab.Pod pod, InetAddress nameServer, Names.Way way, Random random) throws IOException {
    int number = random.nextInt(COUNT);
    Names.Answer answer = Names.ask(pod, nameServer, way, name(number), Names.A);
    List<String> expected =
        addresses(number).stream().map(InetAddress::getHostAddress).sorted().toList();
    if (!answer.records().stream().sorted().toList().equals(expected)) {
      throw new IOException(
          "%s asked for %s by %s: %s (expected: %s)"
              .formatted(pod.name(), name(number), way, answer, expected));
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
