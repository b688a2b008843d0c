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
import org.junit.jupiter.params.provider.ValueSource;

final class TrieTest {
  private static final int STEPS = 20_000;

  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);

  /** An element; few different hash codes make many of them share one. */
  private record Element(int key, int hash, long load) {}

  private enum ByKey implements Trie.Kind<Element> {
    KIND;

    @Override
    public int hash(Element element) {
      return element.hash();
    }

    @Override
    public boolean sameKey(Element one, Element other) {
      return one.key() == other.key();
    }

    @Override
    public long weight(Element element) {
      return element.load();
    }
  }

  @ParameterizedTest(name = "{0} hash codes")
  @ValueSource(ints = {1, 3, 100, 1 << 30})
  void holdsWhatAMapHolds(int hashes) {
    System.out.println("trie: seed " + seed);
    Map<Integer, Element> model = new HashMap<>();
    Trie<Element> set = Trie.empty(ByKey.KIND);
    List<Trie<Element>> versions = new ArrayList<>();
    List<Map<Integer, Element>> contents = new ArrayList<>();
    int step = 0;
    while (step < STEPS) {
      Trie.Editor<Element> editor = set.edit();
      for (int i = random.nextInt(50); i >= 0; i--, step++) {
        int key = random.nextInt(hashes < 100 ? 40 : 2000);
        Element element = new Element(key, key * 0x9e3779b1 % hashes, random.nextInt(4));
        if (random.nextBoolean()) {
          editor.put(element);
          model.put(key, element);
        } else {
          editor.remove(element);
          model.remove(key);
        }
        assertEquals(
            model.get(key), editor.find(element.hash(), it -> it.key() == key), "seed " + seed);
      }
      set = editor.set();
      if (random.nextInt(20) == 0) {
        versions.add(set);
        contents.add(Map.copyOf(model));
      }
    }
    versions.add(set);
    contents.add(model);
    for (int i = 0; i < versions.size(); i++) {
      compare(contents.get(i), versions.get(i));
    }
  }

  /** What is made at once is the same as what grew, down to the order of its elements. */
  @ParameterizedTest(name = "{0} hash codes")
  @ValueSource(ints = {1, 3, 100, 1 << 30})
  void isOfOneShapeHoweverItWasMade(int hashes) {
    System.out.println("trie: seed " + seed);
    for (int round = 0; round < 50; round++) {
      Trie.Editor<Element> atOnce = Trie.<Element>empty(ByKey.KIND).edit();
      atOnce.expect(random.nextInt(100));
      Trie<Element> grown = Trie.empty(ByKey.KIND);
      Map<Integer, Element> model = new HashMap<>();
      for (int i = random.nextInt(300); i >= 0; i--) {
        int key = random.nextInt(200);
        Element element = new Element(key, key * 0x9e3779b1 % hashes, random.nextInt(4));
        Trie.Editor<Element> growing = grown.edit();
        if (random.nextInt(3) > 0) {
          atOnce.put(element);
          growing.put(element);
          model.put(key, element);
        } else {
          atOnce.remove(element);
          growing.remove(element);
          model.remove(key);
        }
        grown = growing.set();
        assertEquals(model.size(), atOnce.size(), "seed " + seed);
      }
      Trie<Element> made = atOnce.set();
      compare(model, made);
      if (hashes > 100) { // a list of those with one hash code has the order of its making
        assertEquals(elements(grown), elements(made), "seed " + seed);
      }
    }
  }

  private static List<Element> elements(Trie<Element> set) {
    List<Element> elements = new ArrayList<>();
    set.forEach(elements::add);
    return elements;
  }

  private void compare(Map<Integer, Element> expected, Trie<Element> set) {
    Map<Integer, Element> found = new HashMap<>();
    set.forEach(element -> assertNull(found.put(element.key(), element), "seed " + seed));
    assertEquals(expected, found, "seed " + seed);
    assertEquals(expected.size(), set.size(), "seed " + seed);
    assertEquals(
        expected.values().stream().mapToLong(Element::load).sum(), set.weight(), "seed " + seed);
    Map<Integer, Long> places = new HashMap<>();
    for (long place = 0; place < set.weight(); place++) {
      places.merge(set.at(place).key(), 1L, Long::sum);
    }
    expected.forEach(
        (key, element) ->
            assertEquals(element.load(), places.getOrDefault(key, 0L), "seed " + seed));
    assertEquals(
        expected.values().stream().anyMatch(element -> element.load() == 3),
        set.anyMatch(element -> element.load() == 3));
  }

  @Test
  void whatIsNotChangedIsTheSame() {
    Element element = new Element(1, 1, 1);
    Trie.Editor<Element> editor = Trie.<Element>empty(ByKey.KIND).edit();
    editor.put(element);
    Trie<Element> one = editor.set();
    Trie.Editor<Element> again = one.edit();
    again.put(element);
    again.remove(new Element(2, 2, 1));
    assertSame(one, again.set());
    again.remove(element);
    assertEquals(0, again.set().weight());
    assertEquals(1, one.weight(), "the earlier set stays as it was");
  }
}
