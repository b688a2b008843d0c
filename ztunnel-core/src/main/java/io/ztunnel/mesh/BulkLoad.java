package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What an {@link Trie.Editor} of an empty set has been given: a hash table of open addressing, of
 * which the trie is made at once. A trie that grows by one element at a time rewrites its nodes all
 * over the heap, and each of them many times. Confined to the thread that uses it.
 */
final class BulkLoad {
  private static final int FIRST_CAPACITY = 8;
  private static final Object[] NO_ELEMENTS = new Object[0];
  private static final int[] NO_HASHES = new int[0];

  private final Trie.Kind<Object> kind;

  /** Null where there is none; the length is a power of two. */
  private @Nullable Object[] elements = NO_ELEMENTS;

  /** The spread hash codes of the elements. */
  private int[] hashes = NO_HASHES;

  private int size;

  BulkLoad(Trie.Kind<Object> kind) {
    this.kind = kind;
  }

  int size() {
    return size;
  }

  @Nullable Object find(int hash, Predicate<Object> isMeant) {
    if (size == 0) {
      return null;
    }
    int mask = elements.length - 1;
    for (int i = hash & mask; ; i = (i + 1) & mask) {
      Object present = elements[i];
      if (present == null || (hashes[i] == hash && isMeant.test(present))) {
        return present;
      }
    }
  }

  /** Adds an element in place of one with the same key. */
  void put(int hash, Object element) {
    if (isFull(size + 1, elements.length)) {
      resize(Math.max(FIRST_CAPACITY, 2 * elements.length));
    }
    int i = place(hash, element);
    if (elements[i] == null) {
      size++;
    }
    elements[i] = element;
    hashes[i] = hash;
  }

  /** Where the element with the key of this one is, or would be. */
  private int place(int hash, Object element) {
    int mask = elements.length - 1;
    int i = hash & mask;
    while (true) {
      Object present = elements[i];
      if (present == null || (hashes[i] == hash && kind.sameKey(present, element))) {
        return i;
      }
      i = (i + 1) & mask;
    }
  }

  /** Makes room for so many elements at once. */
  void expect(int count) {
    if (count > 0 && isFull(count, elements.length)) {
      int capacity = Integer.highestOneBit(count);
      resize(isFull(count, capacity) ? 2 * capacity : capacity);
    }
  }

  private static boolean isFull(int count, int capacity) {
    return 8L * count > 7L * capacity;
  }

  private void resize(int capacity) {
    @Nullable Object[] before = elements;
    int[] beforeHashes = hashes;
    elements = new Object[capacity];
    hashes = new int[capacity];
    int mask = elements.length - 1;
    for (int from = 0; from < before.length; from++) {
      if (before[from] != null) {
        int i = beforeHashes[from] & mask;
        while (elements[i] != null) {
          i = (i + 1) & mask;
        }
        elements[i] = before[from];
        hashes[i] = beforeHashes[from];
      }
    }
  }

  /** Removes the element with the key of this one, if there is one. */
  void remove(int hash, Object element) {
    if (size == 0) {
      return;
    }
    int hole = place(hash, element);
    if (elements[hole] == null) {
      return;
    }
    size--;
    // Those behind it come forward, or they would not be found beyond the hole.
    int mask = elements.length - 1;
    for (int i = (hole + 1) & mask; elements[i] != null; i = (i + 1) & mask) {
      int distance = (i - (hashes[i] & mask)) & mask;
      if (distance >= ((i - hole) & mask)) {
        elements[hole] = elements[i];
        hashes[hole] = hashes[i];
        hole = i;
      }
    }
    elements[hole] = null;
  }

  /** The trie of all elements, which are used up by it; not empty. */
  Trie.Node build() {
    int count = 0;
    for (int i = 0; i < elements.length; i++) {
      Object element = elements[i];
      if (element != null) {
        elements[count] = element;
        hashes[count++] = hashes[i];
      }
    }
    Trie.Node root = node(0, count, 0);
    elements = NO_ELEMENTS;
    hashes = NO_HASHES;
    size = 0;
    return root;
  }

  /**
   * The node of some of the elements.
   *
   * @param shift which bits of the hash codes tell them apart here
   */
  private Trie.Node node(int begin, int end, int shift) {
    if (shift > Trie.Node.LAST_SHIFT) {
      Object[] list = Arrays.copyOfRange(elements, begin, end);
      return new Trie.Node(0, 0, list, weight(list), null);
    }
    int[] ends = sort(begin, end, shift);
    int data = 0;
    int nodes = 0;
    int from = begin;
    for (int value = 0; value < ends.length; value++) {
      int count = ends[value] - from;
      data |= (count == 1 ? 1 : 0) << value;
      nodes |= (count > 1 ? 1 : 0) << value;
      from = ends[value];
    }
    Object[] slots = new Object[Integer.bitCount(data) + Integer.bitCount(nodes)];
    int nextData = 0;
    int nextNode = slots.length - 1;
    long weight = 0;
    from = begin;
    for (int to : ends) {
      if (to - from == 1) {
        Object element = Objects.requireNonNull(elements[from], "an element");
        slots[nextData++] = element;
        weight += kind.weight(element);
      } else if (to > from) {
        Trie.Node child = node(from, to, shift + Trie.Node.BITS);
        slots[nextNode--] = child;
        weight += child.weight();
      }
      from = to;
    }
    return new Trie.Node(data, nodes, slots, weight, null);
  }

  /** Brings elements into the order of some bits; says where each of their values ends. */
  private int[] sort(int begin, int end, int shift) {
    int[] ends = new int[1 << Trie.Node.BITS];
    for (int i = begin; i < end; i++) {
      ends[Trie.Node.bits(hashes[i], shift)]++;
    }
    int[] next = new int[ends.length];
    int sum = begin;
    for (int value = 0; value < ends.length; value++) {
      next[value] = sum;
      sum += ends[value];
      ends[value] = sum;
    }
    for (int value = 0; value < ends.length; value++) {
      while (next[value] < ends[value]) {
        int at = next[value];
        int of = Trie.Node.bits(hashes[at], shift);
        swap(at, next[of]++); // where it belongs, and done if it was there
      }
    }
    return ends;
  }

  private void swap(int one, int other) {
    Object element = elements[one];
    elements[one] = elements[other];
    elements[other] = element;
    int hash = hashes[one];
    hashes[one] = hashes[other];
    hashes[other] = hash;
  }

  private long weight(Object[] list) {
    long weight = 0;
    for (Object element : list) {
      weight += kind.weight(element);
    }
    return weight;
  }
}
