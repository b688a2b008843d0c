package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FieldValuesTest {
  private static final String FULL =
      "k8s.cluster.name=c,k8s.namespace.name=n,k8s.deployment.name=w,service.name=s,"
          + "service.version=v,cloud.region=r,cloud.availability_zone=z";

  @Test
  void baggageIsWrittenInItsOrder() {
    assertEquals(FULL, new Baggage("c", "n", "deployment", "w", "s", "v", "r", "z").toString());
    assertEquals("k8s.pod.name=w", new Baggage("", "", "pod", "w", "", "", "", "").toString());
    assertEquals("", Baggage.EMPTY.toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          k8s.namespace.name=a,k8s.namespace.name=b | k8s.namespace.name=b | the later wins
          k8s.namespace.name=a=b                    | k8s.namespace.name=a | up to the second =
          k8s.namespace.name=a,k8s.namespace.name=  | ''                   | empty unsets
          other=x,service.name=s,,=,novalue         | service.name=s       | unknown is ignored
          'service.name=s, cloud.region=r'          | service.name=s       | keys are not trimmed
          k8s.job.name=j                            | k8s.job.name=j       | any workload type
          k8s.statefulset.name=j                    | ''                   | of the four
          ''                                        | ''                   | nothing
          """)
  void baggageIsReadLeniently(String text, String printed, String why) {
    assertEquals(printed, Baggage.parse(text).orElseThrow().toString(), why);
  }

  @ParameterizedTest
  @ValueSource(strings = {"service.name=\u00e4", "service.name=a\u0000", "\u007f"})
  void baggageThatIsNotPlainTextIsNone(String text) {
    assertEquals(Optional.empty(), Baggage.parse(text));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"a,k8s.namespace.name=b", "two\nlines", "Z\u00fcrich", "\u0000", " z", "z\t", " "})
  void valuesThatBaggageCannotSayAreLeftOut(String place) {
    assertEquals(
        "k8s.cluster.name=c,cloud.availability_zone=z",
        new Baggage("c", "", "", "", "", "", place, "z").toString());
    assertEquals(
        "k8s.cluster.name=c,cloud.region=r",
        new Baggage("c", "", "", "", "", "", "r", place).toString());
  }

  /** They become labels of metrics, of which a peer must not make large ones. */
  @Test
  void valuesOfBaggageThatAreLongerThanANameMayBeAreLeftOut() {
    String name = "n".repeat(253);
    String cluster = "k8s.cluster.name=" + name;
    String text = cluster + ",service.name=s" + name + ",k8s.pod.name=" + name + "p";
    assertEquals(cluster, Baggage.parse(text).orElseThrow().toString());
  }

  @Test
  void baggageNeedsATypeForItsWorkload() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new Baggage("", "", "statefulset", "w", "", "", "", ""));
  }

  @Test
  void baggageReadsWhatItWrote() {
    assertEquals(FULL, Baggage.parse(FULL).orElseThrow().toString());
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    String[] pieces = {"k8s.", "pod", ".name", "=", ",", "service", "a", " ", "cloud.region", "\t"};
    for (int i = 0; i < 50_000; i++) {
      StringBuilder text = new StringBuilder();
      for (int n = random.nextInt(20); n > 0; n--) {
        text.append(pieces[random.nextInt(pieces.length)]);
      }
      String written = Baggage.parse(text.toString()).orElseThrow().toString();
      assertEquals(written, Baggage.parse(written).orElseThrow().toString(), text::toString);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          10.0.0.1 | 80 |             | for="10.0.0.1:80"
          ::1      | 80 |             | for="[::1]:80"
          10.0.0.1 | 1  | example.com | for="10.0.0.1:1";host=example.com
          """)
  void forwardedIsWritten(String ip, int port, String host, String printed) {
    assertEquals(printed, new Forwarded(new InetSocketAddress(ip, port), host).toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\'',
      nullValues = "none",
      textBlock =
          """
          for="1.2.3.4:5";host=example.com       | example.com
          for="1.2.3.4:5"; host="example.com" ;x | example.com
          host=a;host=b                          | a
          HOST=a                                 | none
          host=                                  | none
          host=""                                | none
          host="                                 | "
          host=a;for=\u00e4                      | none
          for=x                                  | none
          ''                                     | none
          host=a,host=b                          | a,host=b
          """)
  void forwardedHostIsRead(String value, String host) {
    assertEquals(Optional.ofNullable(host), Forwarded.parseHost(value));
  }

  @Test
  void traceParentReadsWhatItWrote() {
    Random random = new Random(1);
    for (int i = 0; i < 1_000; i++) {
      TraceParent trace = TraceParent.random(random);
      assertEquals(55, trace.toString().length());
      assertEquals(trace, TraceParent.parse(trace.toString()).orElseThrow());
    }
    TraceParent small = new TraceParent(0, 1, 2, 0);
    assertEquals("00-00000000000000000000000000000001-0000000000000002-00", small.toString());
    assertEquals("00000000000000000000000000000001", small.traceId());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "00-00000000000000000000000000000001-0000000000000002-0",
        "00-00000000000000000000000000000001-0000000000000002-000",
        "00-0000000000000000000000000000000001-00000000000002-00",
        "00000000000000000000000000000000000001-0000000000000002",
        "00-0000000000000000000000000000000g-0000000000000002-00",
        "00-000000000000000000000000000000+1-0000000000000002-00",
        "00-0000000000000000000000000000001\u0661-0000000000000002-00"
      })
  void otherTextIsNoTraceParent(String text) {
    assertTrue(TraceParent.parse(text).isEmpty(), text);
  }
}
