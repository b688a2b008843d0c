package io.ztunnel.mesh;

/** Is told of updates, on the control thread, in order. */
@FunctionalInterface
public interface MeshObserver {
  /** The mesh has changed; the state already answers with what is new. */
  void onChange(MeshChange change);
}
