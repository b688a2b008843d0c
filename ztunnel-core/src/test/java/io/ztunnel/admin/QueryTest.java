package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QueryTest {
  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      nullValues = "none",
      textBlock =
          """
          /path                | {}
          /path?               | {}
          /path?&&             | {}
          /path?a              | {a=[]}
          /path?a=             | {a=[]}
          /path?a=1&b=2&a=3    | {a=[1, 3], b=[2]}
          /path?a=b=c          | {a=[b=c]}
          /path?a=1;b=2        | {a=[1;b=2]}
          /path?a=?/           | {a=[?/]}
          /path?a+b=c+d%20e    | {a b=[c d e]}
          /path?a%3d=%3A%3a    | {a==[::]}
          /path?a=%            | {a=[%]}
          /path?a=%4           | {a=[%4]}
          /path?a=%zz%41       | {a=[%zzA]}
          /path?a=%e2%82%ac    | {a=[€]}
          /path?a=\u00e2\u0082\u00ac | {a=[€]}
          """)
  void isReadAsFormsAre(String uri, String values) {
    assertEquals(values, Query.of(uri).values().toString());
  }

  @ParameterizedTest
  @CsvSource({"/p?a=1&a=2, 2", "/p?a, ''", "/p?b=1, ''"})
  void theLastOfSeveralCounts(String uri, String last) {
    assertEquals(last, Query.of(uri).last("a"));
  }
}
