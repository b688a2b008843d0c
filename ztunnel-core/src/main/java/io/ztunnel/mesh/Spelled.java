package io.ztunnel.mesh;

/** A choice with a fixed spelling in configuration files and dumps (Istio). */
public interface Spelled {
  /** The spelling, case and all. */
  String text();
}
