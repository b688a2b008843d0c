package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.redirection.Lab;
import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** TCP packets that vanish in a place until this is closed, those of open connections too. */
final class Loss implements Closeable {
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private final Lab.Place place;
  private final List<String> rule;

  private Loss(Lab.Place place, List<String> rule) {
    this.place = place;
    this.rule = rule;
  }

  /** All that is sent to a place. */
  static Loss of(Lab.Place place) throws IOException {
    return of(place, "INPUT");
  }

  /**
   * What matches a rule.
   *
   * @param chain of the packet filter there
   */
  static Loss of(Lab.Place place, String chain, String... match) throws IOException {
    List<String> rule = new ArrayList<>(List.of(chain, "-p", "tcp"));
    rule.addAll(List.of(match));
    rule.addAll(List.of("-j", "DROP"));
    Loss loss = new Loss(place, rule);
    loss.change("-I");
    return loss;
  }

  private void change(String action) throws IOException {
    List<String> command = new ArrayList<>(List.of("iptables", "-w", action));
    command.addAll(rule);
    Lab.Output output = place.exec(DEADLINE, command.toArray(String[]::new));
    assertEquals(0, output.exitStatus(), output::toString);
  }

  /** Packets arrive again. */
  @Override
  public void close() throws IOException {
    change("-D");
  }
}
