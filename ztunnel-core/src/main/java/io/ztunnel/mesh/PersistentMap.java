package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An immutable hash map whose changed copies share with it all that is the same: a change costs a
 * few small arrays, whatever the size.
 *
 * <p>A trie of the keys' hash codes, five bits a level, with entries and children packed in one
 * array of each node (the CHAMP layout of Steindorfer and Vinju, 2015). An {@link Editor} owns the
 * nodes that it made and changes them in place, so that a bulk load costs little more than in a
 * mutable map; {@link Editor#map} ends the ownership.
 *
 * <p>Order of iteration is that of hash codes.
 */
final class PersistentMap<K, V> {
  private static final PersistentMap<?, ?> EMPTY =
      new PersistentMap<>(new Node(0, 0, new Object[0], null), 0);

  private final Node root;
  private final int size;

  private PersistentMap(Node root, int size) {
    this.root = root;
    this.size = size;
  }

  @SuppressWarnings("unchecked") // it has no entries
  static <K, V> PersistentMap<K, V> empty() {
    return (PersistentMap<K, V>) EMPTY;
  }

  int size() {
    return size;
  }

  boolean isEmpty() {
    return size == 0;
  }

  @SuppressWarnings("unchecked") // only V goes in
  @Nullable V get(K key) {
    return (V) root.get(spread(key), key);
  }

  @SuppressWarnings("unchecked") // only K and V go in
  void forEach(BiConsumer<? super K, ? super V> action) {
    root.forEach((BiConsumer<Object, Object>) action);
  }

  @SuppressWarnings("unchecked") // only V goes in
  boolean anyMatch(Predicate<? super V> condition) {
    return root.anyMatch((Predicate<Object>) condition);
  }

  PersistentMap<K, V> with(K key, V value) {
    Editor<K, V> editor = edit();
    editor.put(key, value);
    return editor.map();
  }

  PersistentMap<K, V> without(K key) {
    Editor<K, V> editor = edit();
    editor.remove(key);
    return editor.map();
  }

  Editor<K, V> edit() {
    return new Editor<>(this);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("{");
    forEach((key, value) -> text.append(key).append('=').append(value).append(' '));
    return text.append('}').toString();
  }

  private static int spread(Object key) {
    int hash = key.hashCode();
    return hash ^ (hash >>> 16); // the low bits are used first, and often differ least
  }

  /** Changes a copy of a map. Confined to the thread that uses it. */
  static final class Editor<K, V> {
    /** Marks the nodes that only this editor has seen. */
    private Object owner = new Object();

    private PersistentMap<K, V> original;
    private Node root;
    private int size;

    private Editor(PersistentMap<K, V> original) {
      this.original = original;
      root = original.root;
      size = original.size;
    }

    @SuppressWarnings("unchecked") // only V goes in
    @Nullable V get(K key) {
      return (V) root.get(spread(key), key);
    }

    void put(K key, V value) {
      root = root.put(this, 0, spread(key), key, value);
    }

    void remove(K key) {
      root = root.remove(this, 0, spread(key), key);
    }

    int size() {
      return size;
    }

    /** The map as it is now; later changes do not show in it. */
    PersistentMap<K, V> map() {
      if (root != original.root || size != original.size) {
        original = size == 0 ? empty() : new PersistentMap<>(root, size);
        root = original.root;
        owner = new Object();
      }
      return original;
    }
  }

  /**
   * One level of the trie. Entries (key, value) fill the slots from the front, children from the
   * back; where the hash is used up, all entries are in a list. Changed by its owner only, before
   * any other thread can see it; then immutable.
   */
  @SuppressWarnings("ReferenceEquality") // the same object: nothing to change; the same owner: ours
  private static final class Node {
    private static final int BITS = 5;
    private static final int MASK = (1 << BITS) - 1;

    /** The last level that has hash bits left. */
    private static final int LAST_SHIFT = 30;

    private int dataMap;
    private int nodeMap;
    private Object[] slots;
    private final @Nullable Object owner;

    Node(int dataMap, int nodeMap, Object[] slots, @Nullable Object owner) {
      this.dataMap = dataMap;
      this.nodeMap = nodeMap;
      this.slots = slots;
      this.owner = owner;
    }

    private static int bit(int hash, int shift) {
      return 1 << ((hash >>> shift) & MASK);
    }

    private int dataIndex(int bit) {
      return 2 * Integer.bitCount(dataMap & (bit - 1));
    }

    private int nodeIndex(int bit) {
      return slots.length - 1 - Integer.bitCount(nodeMap & (bit - 1));
    }

    @Nullable Object get(int hash, Object key) {
      Node node = this;
      for (int shift = 0; shift <= LAST_SHIFT; shift += BITS) {
        int bit = bit(hash, shift);
        if ((node.dataMap & bit) != 0) {
          int index = node.dataIndex(bit);
          return node.slots[index].equals(key) ? node.slots[index + 1] : null;
        }
        if ((node.nodeMap & bit) == 0) {
          return null;
        }
        node = (Node) node.slots[node.nodeIndex(bit)];
      }
      int index = node.indexInList(key);
      return index < 0 ? null : node.slots[index + 1];
    }

    void forEach(BiConsumer<Object, Object> action) {
      int children = Integer.bitCount(nodeMap);
      int data = slots.length - children;
      for (int i = 0; i < data; i += 2) {
        action.accept(slots[i], slots[i + 1]);
      }
      for (int i = data; i < slots.length; i++) {
        ((Node) slots[i]).forEach(action);
      }
    }

    boolean anyMatch(Predicate<Object> condition) {
      int data = slots.length - Integer.bitCount(nodeMap);
      for (int i = 0; i < slots.length; i += i < data ? 2 : 1) {
        if (i < data ? condition.test(slots[i + 1]) : ((Node) slots[i]).anyMatch(condition)) {
          return true;
        }
      }
      return false;
    }

    Node put(Editor<?, ?> editor, int shift, int hash, Object key, Object value) {
      if (shift > LAST_SHIFT) {
        int index = indexInList(key);
        if (index >= 0) {
          return slots[index + 1] == value ? this : replace(editor, index + 1, value);
        }
        editor.size++;
        return become(editor, 0, 0, inserted(slots, slots.length, key, value));
      }
      int bit = bit(hash, shift);
      if ((dataMap & bit) != 0) {
        int index = dataIndex(bit);
        Object present = slots[index];
        if (present.equals(key)) {
          return slots[index + 1] == value ? this : replace(editor, index + 1, value);
        }
        Node child = new Node(0, 0, new Object[0], editor.owner);
        // Both entries count as new there, and one of them is only moved.
        editor.size--;
        child = child.put(editor, shift + BITS, spread(present), present, slots[index + 1]);
        child = child.put(editor, shift + BITS, hash, key, value);
        return dataToNode(editor, bit, child);
      }
      if ((nodeMap & bit) != 0) {
        int index = nodeIndex(bit);
        Node child = (Node) slots[index];
        Node changed = child.put(editor, shift + BITS, hash, key, value);
        return changed == child ? this : replace(editor, index, changed);
      }
      editor.size++;
      return become(editor, dataMap | bit, nodeMap, inserted(slots, dataIndex(bit), key, value));
    }

    Node remove(Editor<?, ?> editor, int shift, int hash, Object key) {
      if (shift > LAST_SHIFT) {
        int index = indexInList(key);
        if (index < 0) {
          return this;
        }
        editor.size--;
        return become(editor, 0, 0, removed(slots, index, 2));
      }
      int bit = bit(hash, shift);
      if ((dataMap & bit) != 0) {
        int index = dataIndex(bit);
        if (!slots[index].equals(key)) {
          return this;
        }
        editor.size--;
        return become(editor, dataMap & ~bit, nodeMap, removed(slots, index, 2));
      }
      if ((nodeMap & bit) == 0) {
        return this;
      }
      int index = nodeIndex(bit);
      Node child = (Node) slots[index];
      Node changed = child.remove(editor, shift + BITS, hash, key);
      if (changed.nodeMap == 0 && changed.slots.length == 2) {
        return nodeToData(editor, bit, changed.slots[0], changed.slots[1]);
      }
      return changed == child ? this : replace(editor, index, changed);
    }

    private int indexInList(Object key) {
      for (int i = 0; i < slots.length; i += 2) {
        if (slots[i].equals(key)) {
          return i;
        }
      }
      return -1;
    }

    private Node dataToNode(Editor<?, ?> editor, int bit, Node child) {
      Object[] kept = removed(slots, dataIndex(bit), 2);
      int children = nodeMap | bit;
      int index = kept.length - Integer.bitCount(children & (bit - 1));
      return become(editor, dataMap & ~bit, children, inserted(kept, index, child));
    }

    private Node nodeToData(Editor<?, ?> editor, int bit, Object key, Object value) {
      Object[] kept = removed(slots, nodeIndex(bit), 1);
      int entries = dataMap | bit;
      int index = 2 * Integer.bitCount(entries & (bit - 1));
      return become(editor, entries, nodeMap & ~bit, inserted(kept, index, key, value));
    }

    private Node replace(Editor<?, ?> editor, int index, Object value) {
      if (owner == editor.owner) {
        slots[index] = value;
        return this;
      }
      Object[] copy = slots.clone();
      copy[index] = value;
      return new Node(dataMap, nodeMap, copy, editor.owner);
    }

    private Node become(Editor<?, ?> editor, int data, int nodes, Object[] content) {
      if (owner != editor.owner) {
        return new Node(data, nodes, content, editor.owner);
      }
      dataMap = data;
      nodeMap = nodes;
      slots = content;
      return this;
    }

    private static Object[] inserted(Object[] slots, int index, Object... added) {
      Object[] copy = new Object[slots.length + added.length];
      System.arraycopy(slots, 0, copy, 0, index);
      System.arraycopy(added, 0, copy, index, added.length);
      System.arraycopy(slots, index, copy, index + added.length, slots.length - index);
      return copy;
    }

    private static Object[] removed(Object[] slots, int index, int count) {
      Object[] copy = Arrays.copyOf(slots, slots.length - count);
      System.arraycopy(slots, index + count, copy, index, slots.length - index - count);
      return copy;
    }
  }
}
