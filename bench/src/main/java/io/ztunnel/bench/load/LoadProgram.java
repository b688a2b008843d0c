package io.ztunnel.bench.load;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The programs that make the load: iperf3 and wrk, run in a pod. */
final class LoadProgram {
  private static final Duration MARGIN = Duration.ofSeconds(20);

  private LoadProgram() {}

  /**
   * Runs a load once; the CPU time in the result is 0, because a program does not know of daemons.
   */
  static Run run(Load load, Lab.Pod from, String address, Duration time) throws IOException {
    String seconds = String.valueOf(time.toSeconds());
    return switch (load) {
      case Load.Bulk(int streams, Load.Direction direction, _) -> {
        List<String> command = new ArrayList<>(List.of("iperf3", "--json", "-c", address));
        command.addAll(List.of("-p", String.valueOf(BenchLab.IPERF_PORT), "-t", seconds));
        command.addAll(List.of("-P", String.valueOf(streams)));
        if (direction == Load.Direction.DOWN) {
          command.add("--reverse");
        }
        yield bulk(from.exec(time.plus(MARGIN), command.toArray(String[]::new)));
      }
      case Load.Http(int concurrency, _) ->
          requests(from.exec(time.plus(MARGIN), wrk(concurrency, seconds, address)));
      case Load.NewConnections(int concurrency, _) ->
          requests(
              from.exec(
                  time.plus(MARGIN),
                  wrk(concurrency, seconds, address, "-H", "Connection: close")));
    };
  }

  private static String[] wrk(int concurrency, String seconds, String address, String... more) {
    List<String> command = new ArrayList<>(List.of("wrk", "--latency"));
    command.addAll(List.of("-t", String.valueOf(Math.min(2, concurrency))));
    command.addAll(List.of("-c", String.valueOf(concurrency), "-d", seconds + "s"));
    command.addAll(List.of(more));
    command.add("http://%s:%d/".formatted(address, BenchLab.HTTP_PORT));
    return command.toArray(String[]::new);
  }

  private static Run bulk(Lab.Output output) throws IOException {
    IperfReport report = IperfReport.parse(output.out());
    return new Run(
        report.bitsPerSecond() / 1e9, report.bytes() / 1e9, Double.NaN, Double.NaN, 0, 0);
  }

  private static Run requests(Lab.Output output) throws IOException {
    WrkReport report = WrkReport.parse(output.out() + output.err());
    return new Run(
        report.perSecond(),
        report.requests(),
        report.p50Micros(),
        report.p99Micros(),
        0,
        report.errors());
  }
}
