package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.load.Load.Direction;
import io.ztunnel.bench.load.Load.Expectation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultsTest {
  private static final Load BULK = new Load.Bulk(1, Direction.UP, Expectation.of(0.38, 1.45));
  private static final Load HTTP = new Load.Http(1, new Expectation(0.41, 50, 2.5));

  private static Results measured() {
    return measured(MeshPath.SINGLE);
  }

  private static Results measured(MeshPath path) {
    return measured(path, path.arrangements());
  }

  private static Results measured(MeshPath path, List<Arrangement> arrangements) {
    Results results = new Results(path, arrangements);
    results.add(BULK, Arrangement.DIRECT, new Run(20, 10, Double.NaN, Double.NaN, 0, 0));
    results.add(BULK, Arrangement.MESH, new Run(8, 4, Double.NaN, Double.NaN, 6, 0));
    results.add(HTTP, Arrangement.DIRECT, new Run(15_400, 77_000, 63, 120, 0, 0));
    results.add(HTTP, Arrangement.TCP_HOP, new Run(9000, 45_000, 99, 200, 0.9, 0));
    results.add(HTTP, Arrangement.MESH, new Run(6930, 34_650, 145, 300, 1.3, 3));
    results.add(new Figure("memory idle", "MiB", new Spread(99, 98, 101), new Target.AtMost(100)));
    return results;
  }

  @Test
  void figuresAreWhatWasAskedForOfWhatWasMeasured() {
    Map<String, Boolean> met =
        measured().figures().stream().collect(Collectors.toMap(Figure::name, Figure::isMet));

    assertEquals(
        Map.of(
            "bulk, 1 stream up: rate", true, // 0.40
            "bulk, 1 stream up: CPU of both", false, // 1.5
            "HTTP, c=1: rate", true, // 0.45
            "HTTP, c=1: p99", true, // 2.5
            "HTTP, c=1: CPU of both", true, // 37.5
            "memory idle", true),
        met);
  }

  @Test
  void tableShowsValueTargetAndVerdict() {
    String text = MarkdownReport.render(measured(), Map.of());

    assertTrue(
        text.contains("| bulk, 1 stream up | 20.0 Gbit/s |  | 8.00 Gbit/s |  | 1.50 s/GB |"), text);
    assertTrue(
        text.contains(
            "| 6930 /s; p50 145, p99 300 us; **3 failed** | 20.0 us/request | 37.5 us/request |"),
        text);
    assertTrue(
        text.contains("| bulk, 1 stream up: CPU of both | 1.50 s/GB | <= 1.45 | **MISS** |"), text);
    assertTrue(text.contains("| memory idle | 99.0 [98.0-101] MiB | <= 100 | OK |"), text);
    assertTrue(text.contains("5 of 6 figures reached."), text);
  }

  @Test
  void theDoublePathHasItsOwnColumnsAndAnOpenTargetIsNoFigure() {
    Results results = measured(MeshPath.DOUBLE);
    Load open = new Load.Http(512, new Expectation(0, Double.POSITIVE_INFINITY, 15));
    results.add(open, Arrangement.DIRECT, new Run(10_000, 50_000, 100, 200, 0, 0));
    results.add(open, Arrangement.MESH, new Run(1000, 5000, 900, 2000, 1, 0));

    String text = MarkdownReport.render(results, Map.of());

    assertTrue(text.contains("| load | direct | three daemons | CPU of three daemons |"), text);
    assertTrue(text.contains("| bulk, 1 stream up | 20.0 Gbit/s | 8.00 Gbit/s |"), text);
    assertTrue(text.contains("| bulk, 1 stream up: CPU of all three | 1.50 s/GB |"), text);
    assertTrue(text.contains("| HTTP, c=512: p99 | 10.0 x direct | <= 15.0 | OK |"), text);
    assertFalse(text.contains("HTTP, c=512: rate"), text);
  }

  @Test
  void anotherBuildIsComparedRoundByRound() {
    Results results =
        measured(
            MeshPath.SINGLE, List.of(Arrangement.DIRECT, Arrangement.MESH, Arrangement.BESIDE));
    results.add(BULK, Arrangement.BESIDE, new Run(10, 5, Double.NaN, Double.NaN, 5, 0));
    results.add(HTTP, Arrangement.BESIDE, new Run(6300, 31_500, 150, 400, 1.3, 0));

    String text = MarkdownReport.render(results, Map.of());

    assertTrue(text.contains("| two daemons beside |"), text);
    assertTrue(text.contains("| bulk, 1 stream up | 0.80 | 1.50 |"), text);
    assertTrue(text.contains("| HTTP, c=1 | 1.10 | 0.91 |"), text);
  }

  @Test
  void timesOfOneByteAreComparedRoundByRound() {
    Results results = new Results(MeshPath.DOUBLE, MeshPath.DOUBLE.arrangements());
    results.add(Arrangement.DIRECT, new EchoTimes(0.1, 40));
    results.add(Arrangement.DIRECT, new EchoTimes(0.1, 40));
    results.add(Arrangement.MESH, new EchoTimes(0.5, 300));
    results.add(Arrangement.BESIDE, new EchoTimes(1.0, 200));
    results.add(Arrangement.MESH, new EchoTimes(1.5, 300));
    results.add(Arrangement.BESIDE, new EchoTimes(2.0, 200));

    String text = MarkdownReport.render(results, Map.of());

    assertTrue(
        text.contains(
            "| on a new connection | 0.10 ms | 1.00 [0.50-1.50] ms | 1.50 [1.00-2.00] ms"
                + " | 0.63 [0.50-0.75] |"),
        text);
    assertTrue(
        text.contains("| on an existing connection | 40.0 us | 300 us | 200 us | 1.50 |"), text);
    assertTrue(
        text.contains("| byte on a new connection | 1.00 [0.50-1.50] ms | <= 0.80 | **MISS** |"),
        text);
  }

  @Test
  void fileOfOneCallIsTheBaselineOfAnother(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("bench.json");
    JsonReport.write(file, measured(), Map.of("cores", "2"));

    Map<String, Double> earlier = JsonReport.readMedians(file);
    String text = MarkdownReport.render(measured(), earlier);

    assertEquals(6, earlier.size());
    assertTrue(text.contains("| <= 1.45 | **MISS** | 1.50 | 1.00 |"), text);
  }

  @Test
  void fileThatIsNoReportIsRefused(@TempDir Path directory) throws IOException {
    Path file = Files.writeString(directory.resolve("other.json"), "{}");

    assertThrows(IOException.class, () -> JsonReport.readMedians(file));
  }
}
