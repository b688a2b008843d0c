package io.ztunnel.xds;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HeldResourcesTest {
  private final HeldResources held = new HeldResources();

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "0",
        "1",
        "00",
        "01",
        "ff",
        "FF",
        "deadbeefdeadbeef",
        "ffffffffffffffff",
        "10000000000000000",
        "2026-11-21T12:00:00Z/3",
        "v1",
        "é"
      })
  void versionsAreEchoedAsTheyCame(String version) {
    held.put("n", version);
    assertEquals(version, held.version("n"));
    assertEquals(Map.of("n", version), held.echo(1_000));
  }

  @Test
  void holdsWhatAMapWouldHold() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Map<String, String> model = new HashMap<>();
    for (int step = 0; step < 200_000; step++) {
      String name = "n" + random.nextInt(3_000);
      switch (random.nextInt(3)) {
        case 0 -> {
          held.remove(name);
          model.remove(name);
        }
        case 1 -> {
          String version = Integer.toHexString(random.nextInt());
          held.put(name, version);
          model.put(name, version);
        }
        default -> {
          held.put(name, "v" + step);
          model.put(name, "v" + step);
        }
      }
      assertEquals(model.get(name), held.version(name), "seed " + seed + ", step " + step);
    }
    assertEquals(model, held.echo(Long.MAX_VALUE), "seed " + seed);
    assertEquals(model.size(), held.size());
  }

  @Test
  void whatDoesNotFitIsNotConfirmedUntilItIsNamed() {
    for (int i = 0; i < 100; i++) {
      held.put("name-" + i, "1");
    }
    Map<String, String> echo = held.echo(500);
    assertTrue(echo.size() > 10 && echo.size() < 40, () -> "echoed: " + echo.size());
    List<String> left = unconfirmed();
    assertEquals(100 - echo.size(), left.size());
    held.confirm(left.get(0));
    held.put(left.get(1), "2");
    assertEquals(left.subList(2, left.size()), unconfirmed());
  }

  @Test
  void nothingIsEchoedOnceAfterDistrust() {
    held.put("a", "1");
    held.distrust();
    assertEquals(Map.of(), held.echo(1_000));
    assertEquals(List.of("a"), unconfirmed());
    assertEquals(Map.of("a", "1"), held.echo(1_000));
  }

  private List<String> unconfirmed() {
    List<String> names = new ArrayList<>();
    held.forEachUnconfirmed(names::add);
    return names;
  }
}
