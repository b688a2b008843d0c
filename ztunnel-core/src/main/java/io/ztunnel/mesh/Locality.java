package io.ztunnel.mesh;

/** A place, from wide to narrow; empty pieces are unknown. Immutable. */
public record Locality(String region, String zone, String subzone) {
  public static final Locality UNKNOWN = new Locality("", "", "");
}
