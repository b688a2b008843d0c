package io.ztunnel.mesh;

import java.lang.ref.WeakReference;
import java.util.WeakHashMap;

/**
 * Keeps one object of those that are equal, as long as anybody uses it. Confined to the control
 * thread.
 */
final class Interner {
  private final WeakHashMap<Object, WeakReference<Object>> known = new WeakHashMap<>();

  /** An object equal to this one, the same for every call. */
  @SuppressWarnings("unchecked") // equal objects of the model are of one class
  <T> T intern(T value) {
    WeakReference<Object> reference = known.get(value);
    Object earlier = reference == null ? null : reference.get();
    if (earlier != null) {
      return (T) earlier;
    }
    known.put(value, new WeakReference<>(value));
    return value;
  }
}
