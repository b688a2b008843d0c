package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An immutable hash set of elements that know their own key, so that no key is held beside them.
 * Changed copies share with it all that is the same: a change costs a few small arrays, whatever
 * the size. Each part knows the weight of its elements, so that one can be drawn in proportion to
 * its weight without looking at all of them.
 *
 * <p>A trie of the hash codes, five bits a level, with elements and children packed in one array of
 * each node (the CHAMP layout of Steindorfer and Vinju, 2015). An {@link Editor} owns the nodes
 * that it made and changes them in place; {@link Editor#set} ends the ownership. That of an empty
 * set makes no nodes before then.
 */
final class Trie<E> {
  /** What a set needs to know of its elements. Pure: an element's answers never change. */
  interface Kind<E> {
    /** The hash code of the key. */
    int hash(E element);

    boolean sameKey(E one, E other);

    /** Not negative. */
    long weight(E element);
  }

  private static final Node EMPTY = new Node(0, 0, new Object[0], 0, null);

  private final Kind<E> kind;
  private final Node root;
  private final int size;

  private Trie(Kind<E> kind, Node root, int size) {
    this.kind = kind;
    this.root = root;
    this.size = size;
  }

  static <E> Trie<E> empty(Kind<E> kind) {
    return new Trie<>(kind, EMPTY, 0);
  }

  int size() {
    return size;
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** The weight of all elements. */
  long weight() {
    return root.weight;
  }

  /** The element with a key of this hash code that is the one meant. */
  @SuppressWarnings("unchecked") // only E goes in
  @Nullable E find(int keyHash, Predicate<? super E> isMeant) {
    return (E) root.find(spread(keyHash), (Predicate<Object>) isMeant);
  }

  @SuppressWarnings("unchecked") // only E goes in
  void forEach(Consumer<? super E> action) {
    root.forEach((Consumer<Object>) action);
  }

  @SuppressWarnings("unchecked") // only E goes in
  boolean anyMatch(Predicate<? super E> condition) {
    return root.anyMatch((Predicate<Object>) condition);
  }

  /**
   * The element at a place when each takes as many places as it weighs, in an order of no meaning.
   *
   * @param place from 0 up to, but not including, {@link #weight}
   */
  @SuppressWarnings("unchecked") // only E goes in
  E at(long place) {
    return (E) root.at(place, (Kind<Object>) kind);
  }

  Editor<E> edit() {
    return new Editor<>(this);
  }

  private static int spread(int hash) {
    return hash ^ (hash >>> 16); // the low bits are used first, and often differ least
  }

  /** Changes a copy of a set. Confined to the thread that uses it. */
  static final class Editor<E> {
    private final Kind<Object> kind;

    /** Marks the nodes that only this editor has seen. */
    private Object owner = new Object();

    private Trie<E> original;

    /** All that there is, as long as there is no node; null: there is one. */
    private @Nullable BulkLoad bulk;

    private Node root;
    private int size;

    @SuppressWarnings("unchecked") // only E goes in
    private Editor(Trie<E> original) {
      this.original = original;
      kind = (Kind<Object>) original.kind;
      root = original.root;
      size = original.size;
      bulk = size == 0 ? new BulkLoad(kind) : null;
    }

    @SuppressWarnings("unchecked") // only E goes in
    @Nullable E find(int keyHash, Predicate<? super E> isMeant) {
      int hash = spread(keyHash);
      Predicate<Object> meant = (Predicate<Object>) isMeant;
      return (E) (bulk == null ? root.find(hash, meant) : bulk.find(hash, meant));
    }

    /** Tells how many elements an empty set is about to have, so that it takes room once only. */
    void expect(int count) {
      if (bulk != null) {
        bulk.expect(count);
      }
    }

    /** Adds an element in place of one with the same key. */
    void put(E element) {
      int hash = spread(kind.hash(element));
      if (bulk == null) {
        root = root.put(this, 0, hash, element);
      } else {
        bulk.put(hash, element);
      }
    }

    /** Removes the element with the key of this one, if there is one. */
    void remove(E element) {
      int hash = spread(kind.hash(element));
      if (bulk == null) {
        root = root.remove(this, 0, hash, element);
      } else {
        bulk.remove(hash, element);
      }
    }

    int size() {
      return bulk == null ? size : bulk.size();
    }

    boolean isEmpty() {
      return size() == 0;
    }

    /** The set as it is now; later changes do not show in it. */
    Trie<E> set() {
      if (bulk != null && bulk.size() > 0) {
        size = bulk.size();
        root = bulk.build();
        bulk = null;
      }
      if (root != original.root || size != original.size) {
        original = new Trie<>(original.kind, size == 0 ? EMPTY : root, size);
        root = original.root;
        owner = new Object();
      }
      return original;
    }
  }

  /**
   * One level. Elements fill the slots from the front, children from the back; where the hash is
   * used up, all elements are in a list. Changed by its owner only, before any other thread can see
   * it; then immutable. The parents of what an editor owns are its own too.
   */
  @SuppressWarnings("ReferenceEquality") // the same object: nothing to change; the same owner: ours
  static final class Node {
    static final int BITS = 5;
    private static final int MASK = (1 << BITS) - 1;

    /** The last level that has hash bits left. */
    static final int LAST_SHIFT = 30;

    private int dataMap;
    private int nodeMap;
    private Object[] slots;
    private long weight;
    private final @Nullable Object owner;

    Node(int dataMap, int nodeMap, Object[] slots, long weight, @Nullable Object owner) {
      this.dataMap = dataMap;
      this.nodeMap = nodeMap;
      this.slots = slots;
      this.weight = weight;
      this.owner = owner;
    }

    /** Which of a level's places is that of a hash code. */
    static int bits(int hash, int shift) {
      return (hash >>> shift) & MASK;
    }

    private static int bit(int hash, int shift) {
      return 1 << bits(hash, shift);
    }

    long weight() {
      return weight;
    }

    private int dataIndex(int bit) {
      return Integer.bitCount(dataMap & (bit - 1));
    }

    private int nodeIndex(int bit) {
      return slots.length - 1 - Integer.bitCount(nodeMap & (bit - 1));
    }

    private int dataCount() {
      return slots.length - Integer.bitCount(nodeMap);
    }

    @Nullable Object find(int hash, Predicate<Object> isMeant) {
      Node node = this;
      for (int shift = 0; shift <= LAST_SHIFT; shift += BITS) {
        int bit = bit(hash, shift);
        if ((node.dataMap & bit) != 0) {
          Object present = node.slots[node.dataIndex(bit)];
          return isMeant.test(present) ? present : null;
        }
        if ((node.nodeMap & bit) == 0) {
          return null;
        }
        node = (Node) node.slots[node.nodeIndex(bit)];
      }
      for (Object present : node.slots) {
        if (isMeant.test(present)) {
          return present;
        }
      }
      return null;
    }

    void forEach(Consumer<Object> action) {
      int data = dataCount();
      for (int i = 0; i < slots.length; i++) {
        if (i < data) {
          action.accept(slots[i]);
        } else {
          ((Node) slots[i]).forEach(action);
        }
      }
    }

    boolean anyMatch(Predicate<Object> condition) {
      int data = dataCount();
      for (int i = 0; i < slots.length; i++) {
        if (i < data ? condition.test(slots[i]) : ((Node) slots[i]).anyMatch(condition)) {
          return true;
        }
      }
      return false;
    }

    Object at(long place, Kind<Object> kind) {
      Node node = this;
      long left = place;
      while (true) {
        int data = node.dataCount();
        int i = 0;
        for (; i < data; i++) {
          long share = kind.weight(node.slots[i]);
          if (left < share) {
            return node.slots[i];
          }
          left -= share;
        }
        while (left >= ((Node) node.slots[i]).weight) {
          left -= ((Node) node.slots[i]).weight;
          i++;
        }
        node = (Node) node.slots[i];
      }
    }

    Node put(Editor<?> editor, int shift, int hash, Object element) {
      long added = editor.kind.weight(element);
      if (shift > LAST_SHIFT) {
        int index = indexInList(editor.kind, element);
        if (index >= 0) {
          return replaceElement(editor, index, element);
        }
        editor.size++;
        return become(editor, 0, 0, inserted(slots, slots.length, element), weight + added);
      }
      int bit = bit(hash, shift);
      if ((dataMap & bit) != 0) {
        int index = dataIndex(bit);
        Object present = slots[index];
        if (editor.kind.sameKey(present, element)) {
          return replaceElement(editor, index, element);
        }
        Node child = new Node(0, 0, new Object[0], 0, editor.owner);
        // Both elements count as new there, and one of them is only moved.
        editor.size--;
        child = child.put(editor, shift + BITS, spread(editor.kind.hash(present)), present);
        child = child.put(editor, shift + BITS, hash, element);
        return dataToNode(editor, bit, child, weight + added);
      }
      if ((nodeMap & bit) != 0) {
        int index = nodeIndex(bit);
        Node child = (Node) slots[index];
        long before = child.weight;
        Node changed = child.put(editor, shift + BITS, hash, element);
        return replaceChild(editor, index, child, changed, weight + changed.weight - before);
      }
      editor.size++;
      return become(
          editor, dataMap | bit, nodeMap, inserted(slots, dataIndex(bit), element), weight + added);
    }

    Node remove(Editor<?> editor, int shift, int hash, Object element) {
      if (shift > LAST_SHIFT) {
        int index = indexInList(editor.kind, element);
        return index < 0 ? this : removeElement(editor, index, 0);
      }
      int bit = bit(hash, shift);
      if ((dataMap & bit) != 0) {
        int index = dataIndex(bit);
        return editor.kind.sameKey(slots[index], element)
            ? removeElement(editor, index, dataMap & ~bit)
            : this;
      }
      if ((nodeMap & bit) == 0) {
        return this;
      }
      int index = nodeIndex(bit);
      Node child = (Node) slots[index];
      long before = child.weight;
      Node changed = child.remove(editor, shift + BITS, hash, element);
      long after = weight + changed.weight - before;
      if (changed.nodeMap == 0 && changed.slots.length == 1) {
        return nodeToData(editor, bit, changed.slots[0], after);
      }
      return replaceChild(editor, index, child, changed, after);
    }

    private int indexInList(Kind<Object> kind, Object element) {
      for (int i = 0; i < slots.length; i++) {
        if (kind.sameKey(slots[i], element)) {
          return i;
        }
      }
      return -1;
    }

    private Node replaceElement(Editor<?> editor, int index, Object element) {
      if (slots[index] == element) {
        return this;
      }
      long after = weight - editor.kind.weight(slots[index]) + editor.kind.weight(element);
      return replace(editor, index, element, after);
    }

    private Node removeElement(Editor<?> editor, int index, int data) {
      editor.size--;
      return become(
          editor, data, nodeMap, removed(slots, index), weight - editor.kind.weight(slots[index]));
    }

    private Node replaceChild(Editor<?> editor, int index, Node child, Node changed, long after) {
      if (changed != child) {
        return replace(editor, index, changed, after);
      }
      if (weight != after) {
        weight = after; // the child is the editor's then, and so is this
      }
      return this;
    }

    private Node dataToNode(Editor<?> editor, int bit, Node child, long after) {
      Object[] kept = removed(slots, dataIndex(bit));
      int children = nodeMap | bit;
      int index = kept.length - Integer.bitCount(children & (bit - 1));
      return become(editor, dataMap & ~bit, children, inserted(kept, index, child), after);
    }

    private Node nodeToData(Editor<?> editor, int bit, Object element, long after) {
      Object[] kept = removed(slots, nodeIndex(bit));
      int elements = dataMap | bit;
      int index = Integer.bitCount(elements & (bit - 1));
      return become(editor, elements, nodeMap & ~bit, inserted(kept, index, element), after);
    }

    private Node replace(Editor<?> editor, int index, Object value, long after) {
      if (owner == editor.owner) {
        slots[index] = value;
        weight = after;
        return this;
      }
      Object[] copy = slots.clone();
      copy[index] = value;
      return new Node(dataMap, nodeMap, copy, after, editor.owner);
    }

    private Node become(Editor<?> editor, int data, int nodes, Object[] content, long after) {
      if (owner != editor.owner) {
        return new Node(data, nodes, content, after, editor.owner);
      }
      dataMap = data;
      nodeMap = nodes;
      slots = content;
      weight = after;
      return this;
    }

    private static Object[] inserted(Object[] slots, int index, Object added) {
      Object[] copy = new Object[slots.length + 1];
      System.arraycopy(slots, 0, copy, 0, index);
      copy[index] = added;
      System.arraycopy(slots, index, copy, index + 1, slots.length - index);
      return copy;
    }

    private static Object[] removed(Object[] slots, int index) {
      Object[] copy = Arrays.copyOf(slots, slots.length - 1);
      System.arraycopy(slots, index + 1, copy, index, slots.length - index - 1);
      return copy;
    }
  }
}
