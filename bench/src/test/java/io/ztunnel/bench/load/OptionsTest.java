package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionsTest {
  @Test
  void everythingIsMeasuredInThreeRoundsUnlessToldOtherwise() {
    Options options = Options.parse(List.of());

    assertEquals(3, options.rounds());
    assertEquals(MeshPath.SINGLE, options.path());
    assertEquals(MeshPath.SINGLE.groups(), options.groups());
  }

  @Test
  void optionsAreTaken() {
    assertEquals(
        new Options(
            MeshPath.SINGLE,
            7,
            Duration.ofSeconds(2),
            Duration.ofSeconds(4),
            5,
            Set.of("bulk", "start"),
            Optional.of(Path.of("new.json")),
            Optional.of(Path.of("old.json")),
            Optional.empty(),
            Map.of("ZTUNNEL_TRANSPORT", "io_uring", "RUST_LOG", "info,access=off")),
        Options.parse(
            List.of(
                "--quick",
                "--rounds",
                "7",
                "--only",
                "start,bulk",
                "--json",
                "new.json",
                "--against",
                "old.json",
                "--with",
                "ZTUNNEL_TRANSPORT=io_uring",
                "--with",
                "RUST_LOG=info,access=off")));
  }

  @Test
  void theDoublePathHasGroupsOfItsOwn() {
    Options options = Options.parse(List.of("--only", "echo,bulk", "--path", "double"));

    assertEquals(MeshPath.DOUBLE, options.path());
    assertEquals(Set.of("echo", "bulk"), options.groups());
  }

  @Test
  void anotherBuildIsRunBesideThisOne(@TempDir Path directory) throws IOException {
    Path launcher = Files.createFile(directory.resolve("ztunnel"));
    assertTrue(launcher.toFile().setExecutable(true));

    Options options = Options.parse(List.of("--beside", directory.toString()));

    assertEquals(Optional.of(directory), options.beside());
    assertEquals(Arrangement.BESIDE, options.arrangements().getLast());
    assertEquals(
        Optional.of(new Options.Beside(launcher, Map.of())), options.besideOf(Path.of("this")));
  }

  @Test
  void thisBuildIsRunBesideItselfWithOtherVariables() {
    Options options = Options.parse(List.of("--with", "A=b=c"));

    assertEquals(Arrangement.BESIDE, options.arrangements().getLast());
    assertEquals(
        Optional.of(new Options.Beside(Path.of("this"), Map.of("A", "b=c"))),
        options.besideOf(Path.of("this")));
    assertEquals(Optional.empty(), Options.parse(List.of()).besideOf(Path.of("this")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --rounds          | --rounds: nothing follows (expected: a value)
          --rounds 0        | --rounds: 0 (expected: 1 to 100)
          --rounds many     | --rounds: many (expected: 1 to 100)
          --path triple     | --path: triple (expected: single or double)
          --only echo       | --only: echo (expected: some of bulk,conn,http,memory,start)
          --path double --only memory | --only: memory (expected: some of bulk,conn,echo,http,spread,stalled)
          --only bulk,htpp  | --only: htpp (expected: some of bulk,conn,http,memory,start)
          --beside /proc/self | --beside: /proc/self has no ztunnel that can be run (expected: a directory where one was built)
          --with =x         | --with: =x (expected: NAME=VALUE)
          --with transport  | --with: transport (expected: NAME=VALUE)
          --fast            | --fast (expected: --path PATH, --quick, --rounds N, --only GROUP[,GROUP...], --json FILE, --against FILE, --beside DIRECTORY or --with NAME=VALUE)
          """)
  void wrongOptionSaysWhatWasExpected(String line, String message) {
    var thrown =
        assertThrows(
            IllegalArgumentException.class, () -> Options.parse(List.of(line.split(" ", -1))));

    assertEquals(message, thrown.getMessage());
  }
}
