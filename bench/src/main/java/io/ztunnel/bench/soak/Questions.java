package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.Names;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.WireMesh;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A pod that asks for names: of the mesh, others that its node's name server knows if it has one,
 * and some, each once, that nobody knows. For any thread.
 */
final class Questions {
  private static final InetAddress NAME_SERVER = InetAddress.ofLiteral("10.96.0.2");
  private static final Duration BETWEEN = Duration.ofMillis(20);
  private static final int UNKNOWN_ONE_OF = 50;
  private static final int OUTSIDE_ONE_OF = 3;

  private final Lab.Pod pod;
  private final String service;
  private final @Nullable OutsideNames outside;
  private final AtomicLong asked = new AtomicLong();

  /**
   * Nothing is asked yet.
   *
   * @param service of the mesh
   * @param outside what the name server of the pod's node knows; none: it has no name server
   */
  Questions(Lab.Pod pod, String service, @Nullable OutsideNames outside) {
    this.pod = pod;
    this.service = service;
    this.outside = outside;
  }

  /** Asks once. */
  void ask(Random random) throws IOException {
    Names.Way way = random.nextBoolean() ? Names.Way.UDP : Names.Way.TCP;
    long number = asked.incrementAndGet();
    if (random.nextInt(UNKNOWN_ONE_OF) == 0) {
      try {
        Names.Answer _ = Names.ask(pod, NAME_SERVER, way, "name-" + number + ".example", Names.A);
      } catch (SocketTimeoutException e) {
        // who would know it cannot be reached
      }
    } else if (outside != null && random.nextInt(OUTSIDE_ONE_OF) == 0) {
      outside.ask(pod, NAME_SERVER, way, random);
    } else {
      Names.Answer answer = Names.ask(pod, NAME_SERVER, way, WireMesh.hostname(service), Names.A);
      if (answer.records().isEmpty()) {
        throw new IOException(
            "%s asked for %s: %s (expected: its address)".formatted(pod.name(), service, answer));
      }
    }
    Pause.of(BETWEEN);
  }

  long asked() {
    return asked.get();
  }
}
