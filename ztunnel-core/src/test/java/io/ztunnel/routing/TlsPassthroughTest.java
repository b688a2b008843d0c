package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class TlsPassthroughTest {
  @Test
  void aListIsRead() {
    assertEquals(
        List.of(
            new TlsPassthrough(
                15012,
                "istiod.istio-system.svc",
                15012,
                List.of(
                    "istiod.istio-system.svc",
                    "istiod.istio-system.svc.td.local",
                    "istiod.istio-system")),
            new TlsPassthrough(443, "api.example.com", 6443, List.of("api.example.com")),
            new TlsPassthrough(
                443, "a.b.svc.td.local", 1, List.of("a.b.svc.td.local", "a.b.svc", "a.b")),
            new TlsPassthrough(443, "a.b.svc.other", 1, List.of("a.b.svc.other"))),
        TlsPassthrough.parse(
            "15012:Istiod.istio-system.svc:15012, 443:api.example.com:6443,443:a.b.svc.td.local:1,443:a.b.svc.other:1",
            "TD.local"));
    assertEquals(List.of(), TlsPassthrough.parse(" ", "cluster.local"));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          15012                           | expected: port:host:port, as in 15012:istiod.istio-system.svc:15012
          15012:istiod                    | expected: port:host:port, as in 15012:istiod.istio-system.svc:15012
          1:a:2:3                         | expected: port:host:port, as in 15012:istiod.istio-system.svc:15012
          1:a b:2                         | expected: port:host:port, as in 15012:istiod.istio-system.svc:15012
          1:.a:2                          | expected: port:host:port, as in 15012:istiod.istio-system.svc:15012
          1::2                            | expected: port:host:port, as in 15012:istiod.istio-system.svc:15012
          1:a:2,                          | expected: port:host:port, as in 15012:istiod.istio-system.svc:15012
          0:a:2                           | port 0, expected: 1-65535
          1:a:65536                       | port 65536, expected: 1-65535
          x:a:2                           | port x, expected: 1-65535
          1:a.b.svc:2,1:a.b:3             | a.b twice on port 1 (expected: one target for each name and port)
          """)
  void aBadListSaysWhatIsExpected(String text, String message) {
    assertEquals(
        message,
        assertThrows(
                IllegalArgumentException.class, () -> TlsPassthrough.parse(text, "cluster.local"))
            .getMessage());
  }
}
