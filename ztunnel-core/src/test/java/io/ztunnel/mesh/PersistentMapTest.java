package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class PersistentMapTest {
  /** Keys whose hash codes are as alike as wanted. */
  private record Key(int name, int hash) {
    @Override
    public int hashCode() {
      return hash;
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "hashes all over,         0xffffffff",
    "hashes that differ late, 0xf8000000",
    "few hashes,              0x00010003",
    "one hash,                0x00000000",
  })
  void behavesLikeAHashMapAndKeepsOldVersions(String why, String mask) {
    long seed = new Random().nextLong();
    System.out.println(why + ": seed " + seed);
    Random random = new Random(seed);
    PersistentMap<Key, Integer> map = PersistentMap.empty();
    Map<Key, Integer> model = new HashMap<>();
    List<PersistentMap<Key, Integer>> versions = new ArrayList<>();
    List<Map<Key, Integer>> models = new ArrayList<>();
    for (int round = 0; round < 60; round++) {
      PersistentMap.Editor<Key, Integer> editor = map.edit();
      int changes = random.nextInt(40);
      for (int i = 0; i < changes; i++) {
        int name = random.nextInt(300);
        Key key = new Key(name, name * 0x9e3779b9 & Long.decode(mask).intValue());
        if (random.nextInt(5) < 2) {
          editor.remove(key);
          model.remove(key);
        } else {
          editor.put(key, i);
          model.put(key, i);
        }
        assertEquals(model.get(key), editor.get(key));
      }
      assertEquals(model.size(), editor.size());
      map = editor.map();
      versions.add(map);
      models.add(Map.copyOf(model));
    }
    for (int i = 0; i < versions.size(); i++) {
      assertEquals(models.get(i), content(versions.get(i)));
      assertEquals(models.get(i).size(), versions.get(i).size());
    }
  }

  @Test
  void forgetsWhatIsRemovedDownToTheLast() {
    PersistentMap<Key, Integer> map = PersistentMap.empty();
    for (int i = 0; i < 100; i++) {
      map = map.with(new Key(i, i % 7), i);
    }
    for (int i = 0; i < 100; i++) {
      map = map.without(new Key(i, i % 7));
      assertNull(map.get(new Key(i, i % 7)));
    }
    assertSame(PersistentMap.empty(), map);
  }

  @Test
  void anEditThatChangesNothingGivesTheSameMap() {
    Integer value = 1000;
    PersistentMap<String, Integer> map = PersistentMap.<String, Integer>empty().with("a", value);
    assertSame(map, map.with("a", value));
    assertSame(map, map.without("b"));
  }

  @Test
  void anEditorGoesOnAfterItsMapWasTaken() {
    PersistentMap.Editor<String, Integer> editor = PersistentMap.<String, Integer>empty().edit();
    editor.put("a", 1);
    PersistentMap<String, Integer> first = editor.map();
    editor.put("a", 2);
    editor.put("b", 3);
    assertEquals(Map.of("a", 1), content(first));
    assertEquals(Map.of("a", 2, "b", 3), content(editor.map()));
  }

  private static <K, V> Map<K, V> content(PersistentMap<K, V> map) {
    Map<K, V> content = new HashMap<>();
    map.forEach(content::put);
    return content;
  }
}
