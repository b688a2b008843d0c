package io.ztunnel.xds;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
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
    assertEquals(Map.of("n", version), echo(1_000));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Kubernetes//Pod/ns/cart-7d4b9c6f5-x2x8z",
        "ns/cart.ns.svc.cluster.local",
        "a-",
        "-",
        "-12345678",
        "-123456789",
        "a-é",
        "a-\0",
        "é-b",
        ""
      })
  void namesAreEchoedAsTheyCame(String name) {
    held.put(name, "1");
    held.put(name + "y", "2");
    held.put("x" + name, "3");
    assertEquals(Map.of(name, "1", name + "y", "2", "x" + name, "3"), echo(1_000));
    held.remove(name);
    assertFalse(held.contains(name));
    assertEquals("2", held.version(name + "y"));
  }

  @Test
  void podsOfADeploymentShareTheBeginningOfTheirNames() {
    for (int pod = 0; pod < 1_000; pod++) {
      held.put("Kubernetes//Pod/ns/cart-7d4b9c6f5-" + pod, "1");
      held.put("Kubernetes//Pod/ns/shop-5c8d7b9f4-" + pod, "1");
    }
    assertEquals(2, held.stems());
    for (int pod = 0; pod < 1_000; pod++) {
      held.remove("Kubernetes//Pod/ns/cart-7d4b9c6f5-" + pod);
    }
    assertEquals(1, held.stems(), "what no name needs is let go of");
  }

  @Test
  void holdsWhatAMapWouldHold() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Map<String, String> model = new HashMap<>();
    Set<String> unsettled = new HashSet<>();
    for (int step = 0; step < 200_000; step++) {
      String name = "n-" + random.nextInt(50) + "-" + random.nextInt(60);
      switch (random.nextInt(3)) {
        case 0 -> {
          held.remove(name);
          model.remove(name);
          unsettled.remove(name);
        }
        case 1 -> {
          String version = Integer.toHexString(random.nextInt());
          held.put(name, version);
          model.put(name, version);
          unsettled.add(name);
        }
        default -> {
          held.put(name, "v" + step);
          model.put(name, "v" + step);
          unsettled.add(name);
        }
      }
      if (random.nextInt(200) == 0) {
        if (random.nextBoolean()) {
          held.settle();
        } else {
          held.distrust();
          unsettled.forEach(one -> model.put(one, ""));
        }
        unsettled.clear();
      }
      assertEquals(model.get(name), held.version(name), "seed " + seed + ", step " + step);
    }
    assertEquals(model, echo(Long.MAX_VALUE), "seed " + seed);
    assertEquals(model.size(), held.size());
  }

  @Test
  void whatDoesNotFitIsNotConfirmedUntilItIsNamed() {
    for (int i = 0; i < 100; i++) {
      held.put("name-" + i, "1");
    }
    Map<String, String> echo = echo(500);
    assertTrue(echo.size() > 10 && echo.size() < 40, () -> "echoed: " + echo.size());
    List<String> left = unconfirmed();
    assertEquals(100 - echo.size(), left.size());
    held.confirm(left.get(0));
    held.put(left.get(1), "2");
    assertEquals(left.subList(2, left.size()), unconfirmed());
  }

  @Test
  void theVersionOfWhatMayNotBeInEffectIsNotEchoed() {
    held.put("old", "1");
    held.put("replaced", "text/1");
    held.settle();
    held.put("replaced", "text/2");
    held.put("new", "3");
    held.distrust();
    assertEquals(Map.of("old", "1", "replaced", "", "new", ""), echo(1_000));
    held.distrust();
    assertEquals(Map.of("old", "1", "replaced", "", "new", ""), echo(1_000));
    held.put("replaced", "text/2");
    held.settle();
    held.distrust();
    assertEquals(Map.of("old", "1", "replaced", "text/2", "new", ""), echo(1_000));
  }

  private Map<String, String> echo(long maxBytes) {
    Map<String, String> echo = new HashMap<>();
    assertEquals(held.echo(maxBytes, echo::put), echo.size());
    return echo;
  }

  private List<String> unconfirmed() {
    List<String> names = new ArrayList<>();
    held.forEachUnconfirmed(names::add);
    return names;
  }
}
