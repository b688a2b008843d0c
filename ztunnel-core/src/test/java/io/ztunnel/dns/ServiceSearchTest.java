package io.ztunnel.dns;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Workload;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ServiceSearchTest {
  private static final Workload CLIENT =
      Workload.builder("client").identity(new SpiffeId("td", "ns", "sa")).build();

  @ParameterizedTest
  @CsvSource({
    "name,                              name.ns.svc.d.c",
    "name.other,                        name.other.svc.d.c name.other.ns.svc.d.c",
    "name.other.svc,                    name.other.svc.d.c name.other.svc.svc.d.c",
    "name.other.place,                  name.other.place.svc.d.c",
    "pod.name.other.svc,                pod.name.other.svc.d.c",
    "pod.name.other.place,              ''",
    "name.other.svc.d,                  ''",
    "name.other.svc.d.c,                ''",
    "www.example.com,                   www.example.com.svc.d.c",
  })
  void expandsShortNames(String name, String expected) {
    ServiceSearch search =
        new ServiceSearch(new LookupSettings("D.c.", null, true, new SearchDomains.OfNamespace()));
    assertEquals(expected, String.join(" ", search.expansions(CLIENT, name)));
  }

  @ParameterizedTest
  @CsvSource({
    "name,      name",
    "a.b,       a.b *.b",
    "a.b.c.d.e, a.b.c.d.e *.b.c.d.e *.c.d.e *.d.e *.e",
  })
  void wildcardsGoFromTheLongestToTwoLabels(String name, String expected) {
    assertEquals(expected, String.join(" ", ServiceSearch.withWildcards(name)));
  }

  @ParameterizedTest
  @CsvSource({
    "a.b.c, b.c,   true,  a",
    "a.b.c, c,     true,  a.b",
    "b.c,   b.c,   false, ''",
    "ab.c,  b.c,   false, ''",
    "c,     b.c,   false, ''",
    ".b.c,  b.c,   false, ''",
    "a.b.c, '',    false, ''",
  })
  void aDomainHasFewerLabelsThanTheNamesBelowIt(
      String name, String domain, boolean below, String rest) {
    assertEquals(below, ServiceSearch.isBelow(name, domain));
    if (below) {
      assertEquals(rest, ServiceSearch.withoutDomain(name, domain));
    }
  }
}
