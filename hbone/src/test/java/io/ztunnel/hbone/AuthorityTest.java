package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AuthorityTest {
  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          1.2.3.4:80,               1.2.3.4:80
          0.0.0.0:0,                0.0.0.0:0
          255.255.255.255:65535,    255.255.255.255:65535
          [::1]:80,                 [::1]:80
          [2001:DB8::1]:443,        [2001:db8::1]:443
          [0:0:0:0:0:0:0:1]:1,      [::1]:1
          """)
  void numericAddresses(String text, String printed) {
    Authority authority = Authority.parse(text).orElseThrow();
    assertInstanceOf(Authority.Address.class, authority);
    assertEquals(printed, authority.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "example.com:80",
        "a:1",
        "svc.ns.svc.cluster.local:8080",
        "under_score:80",
        "1.2.3:80",
        "01.2.3.4:80",
        "1.2.3.256:80",
        "1.2.3.4.:80"
      })
  void hostNames(String text) {
    Authority authority = Authority.parse(text).orElseThrow();
    assertInstanceOf(Authority.Host.class, authority);
    assertEquals(text, authority.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ":80",
        "example.com",
        "example.com:",
        "example.com:65536",
        "example.com:-1",
        "example.com:+1",
        "example.com:99999999999",
        "1.2.3.4",
        "::1:80",
        "[::1]",
        "[::1:80",
        "::1]:80",
        "[::1%eth0]:80",
        "[1.2.3.4]:80",
        "[[::1]]:80",
        "[]:80",
        "user@host:80",
        "http://host:80",
        "ho st:80",
        "host/path:80",
        "h\u00f6st:80"
      })
  void neither(String text) {
    assertTrue(Authority.parse(text).isEmpty(), text);
  }

  @Test
  void componentsAreChecked() {
    assertThrows(IllegalArgumentException.class, () -> new Authority.Host("a b", 80));
    assertThrows(IllegalArgumentException.class, () -> new Authority.Host("a", 65_536));
  }

  @Test
  void whateverParsesPrintsToWhatParsesToTheSame() {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    String alphabet = "0123456789abcf:.[]-%\u00e4";
    int parsed = 0;
    for (int i = 0; i < 200_000; i++) {
      StringBuilder text = new StringBuilder();
      for (int n = random.nextInt(16); n > 0; n--) {
        text.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      var authority = Authority.parse(text.toString());
      if (authority.isPresent()) {
        parsed++;
        assertEquals(authority, Authority.parse(authority.get().toString()), text::toString);
      }
    }
    assertTrue(parsed > 0, "nothing parsed");
  }
}
