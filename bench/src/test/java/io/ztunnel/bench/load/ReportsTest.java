package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReportsTest {
  private static final String WRK =
      """
      Running 1s test @ http://10.0.0.1/
        1 threads and 4 connections
        Thread Stats   Avg      Stdev     Max   +/- Stdev
          Latency    53.19us  129.90us   2.85ms   98.72%
          Req/Sec    84.46k    17.41k  100.51k    90.91%
        Latency Distribution
           50%   37.00us
           75%   48.00us
           90%   64.00us
           99%    1.25ms
        92093 requests in 1.10s, 13.44MB read
      Requests/sec:  83768.05
      Transfer/sec:     12.22MB
      """;

  @Test
  void wrkReportIsReadWithItsUnits() throws IOException {
    assertEquals(new WrkReport(92093, 83768.05, 37, 1250, 0), WrkReport.parse(WRK));
  }

  @Test
  void wrkErrorsAreAddedUp() throws IOException {
    String text =
        WRK
            + "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
            + "  Non-2xx or 3xx responses: 5\n";

    assertEquals(15, WrkReport.parse(text).errors());
  }

  @Test
  void wrkThatFailedIsQuoted() {
    var thrown =
        assertThrows(
            IOException.class, () -> WrkReport.parse("unable to connect to 10.0.0.1:80\n"));

    assertTrue(String.valueOf(thrown.getMessage()).endsWith("unable to connect to 10.0.0.1:80"));
  }

  @Test
  void iperfReportIsWhatTheReceiverGot() throws IOException {
    String json =
        """
        {"start": {"x": [1, null, {"y": true}]}, "none": null, "end": {
          "sum_sent": {"bytes": 3, "bits_per_second": 4},
          "sum_received": {"bytes": 1000, "bits_per_second": 8e3}}}
        """;

    assertEquals(new IperfReport(8000, 1000), IperfReport.parse(json));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          {"error": "unable to connect"} | iperf3: unable to connect
          {"end": {}}                    | end.sum_received.bits_per_second: null (expected: a number)
          []                             | no JSON object (found: START_ARRAY)
          """)
  void iperfThatFailedSaysWhy(String json, String message) {
    assertEquals(
        message, assertThrows(IOException.class, () -> IperfReport.parse(json)).getMessage());
  }
}
