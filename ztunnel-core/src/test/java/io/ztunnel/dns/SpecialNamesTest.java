package io.ztunnel.dns;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpecialNamesTest {
  @ParameterizedTest
  @CsvSource({
    "localhost,                1,  0, '[localhost. 86400 A 127.0.0.1]'",
    "a.localhost,              28, 0, '[a.localhost. 86400 AAAA 0:0:0:0:0:0:0:1]'",
    "localhost,                16, 0, '[]'",
    "1.0.0.127.in-addr.arpa,   12, 0, '[1.0.0.127.in-addr.arpa. 86400 PTR localhost.]'",
    "1.0.0.127.in-addr.arpa,   1,  0, '[]'",
    "some.invalid,             1,  3, '[]'",
    "some.onion,               28, 3, '[]'",
  })
  void areAnsweredHere(String name, int type, int code, String records) {
    ForwardedAnswer answer = SpecialNames.answer(DnsClient.question(name, type));
    assertNotNull(answer);
    assertEquals(code, answer.code());
    assertEquals(records, answer.answers().toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"www.example.com", "notlocalhost", "localhost.example.com", "."})
  void othersAreNot(String name) {
    assertNull(SpecialNames.answer(DnsClient.question(name, RecordType.A)));
  }
}
