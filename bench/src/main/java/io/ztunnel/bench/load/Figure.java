package io.ztunnel.bench.load;

/**
 * One number that the project is held to.
 *
 * @param name unique within a report
 * @param unit printed after the number; {@code x} for ratios to direct TCP
 */
public record Figure(String name, String unit, Spread measured, Target target) {

  /** The median decides: single rounds of a shared machine are noise. */
  boolean isMet() {
    return target.isMetBy(measured.median());
  }
}
