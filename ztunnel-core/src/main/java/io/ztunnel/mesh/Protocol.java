package io.ztunnel.mesh;

/** How a workload is reached: plainly, or through an mTLS tunnel that its node proxy ends. */
public enum Protocol implements Spelled {
  TCP,
  HBONE;

  @Override
  public String text() {
    return name();
  }
}
