package io.ztunnel.bench.load;

import java.io.IOException;
import java.util.Map;

/** The result that {@code iperf3 -J} prints. */
record IperfReport(double bitsPerSecond, double bytes) {

  /**
   * @throws IOException with iperf3's own error text if the transfer failed, or if the text is no
   *     such report
   */
  static IperfReport parse(String json) throws IOException {
    Map<String, Object> report = Json.readObject(json);
    if (report.get("error") instanceof String error) {
      throw new IOException("iperf3: " + error);
    }
    return new IperfReport(
        Json.number(report, "end", "sum_received", "bits_per_second"),
        Json.number(report, "end", "sum_received", "bytes"));
  }
}
