package io.ztunnel.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.mesh.StringMatch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class StringMatchTest {
  @ParameterizedTest(name = "{0} {1} on {2}: {3}")
  @CsvSource({
    "Exact,    foo,  foo,     true",
    "Exact,    foo,  bar,     false",
    "Exact,    foo,  '',      false",
    "Exact,    foo,  foobar,  false",
    "Prefix,   foo-, foo-bar, true",
    "Prefix,   foo-, bar-foo, false",
    "Prefix,   foo-, '',      false",
    "Suffix,   -foo, bar-foo, true",
    "Suffix,   -foo, foo-bar, false",
    "Suffix,   -foo, '',      false",
    "Presence, '',   anything, true",
    "Presence, '',   '',      false",
  })
  void matches(String kind, String value, String text, boolean expected) {
    StringMatch match =
        switch (kind) {
          case "Exact" -> new StringMatch.Exact(value);
          case "Prefix" -> new StringMatch.Prefix(value);
          case "Suffix" -> new StringMatch.Suffix(value);
          default -> new StringMatch.Presence();
        };
    assertEquals(expected, match.matches(text));
  }
}
