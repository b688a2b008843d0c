package io.ztunnel.dns;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import java.lang.management.ManagementFactory;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DnsAnswersTest {
  private static final MeshView MESH =
      TestMesh.view(
          """
          workloads:
          - {uid: client, name: client, namespace: ns1, network: net1, workloadIps: [10.0.0.1], services: {}}
          - {uid: h1, name: h1, namespace: ns1, network: net1, workloadIps: [10.0.1.1, 10.0.1.9, "fd00::1:1"],
             hostname: h1.pods.example.com,
             services: {ns1/headless.ns1.svc.cluster.local: {80: 80}, ns1/headless.example.com: {80: 80}}}
          - {uid: h2, name: h2, namespace: ns1, network: net2, workloadIps: [10.0.1.2], hostname: h2,
             services: {ns1/headless.ns1.svc.cluster.local: {80: 80}}}
          - {uid: h6, name: h6, namespace: ns1, network: net1, workloadIps: ["fd00::6"],
             services: {ns1/headless6.ns1.svc.cluster.local: {80: 80}}}
          services:
          - {name: web, namespace: ns1, hostname: web.ns1.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.1]}
          - {name: web, namespace: ns2, hostname: web.ns2.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.2]}
          - {name: other, namespace: ns2, hostname: other.ns2.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.3]}
          - {name: private, namespace: ns2, hostname: private.ns2.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.4], visibility: Namespace}
          - {name: own, namespace: ns1, hostname: own.ns1.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.5], visibility: Namespace}
          - {name: remote, namespace: ns1, hostname: details.ns2.svc.cluster.remote, ports: {80: 80},
             vips: [net1/10.96.1.1, net1/10.96.1.2, net1/10.96.1.3, net1/10.96.1.4]}
          - {name: dual, namespace: ns1, hostname: dual.ns1.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.6, "net1/fd00:96::6"]}
          - {name: four, namespace: ns1, hostname: four.ns1.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.7, "net1/fd00:96::7"], ipFamilies: IPv4}
          - {name: six, namespace: ns1, hostname: six.ns1.svc.cluster.local, ports: {80: 80},
             vips: [net1/10.96.0.8, "net1/fd00:96::8"], ipFamilies: IPv6}
          - {name: wild, namespace: ns1, hostname: "*.wild.example.com", ports: {80: 80},
             vips: [net1/10.97.0.1]}
          - {name: wilder, namespace: ns1, hostname: "*.deep.wild.example.com", ports: {80: 80},
             vips: [net1/10.97.0.2]}
          - {name: wildest, namespace: ns1, hostname: "*.com", ports: {80: 80}, vips: [net1/10.97.0.3]}
          - {name: wildsvc, namespace: ns1, hostname: "*.wild.ns1.svc.cluster.local", ports: {80: 80},
             vips: [net1/10.97.0.4]}
          - {name: far, namespace: ns1, hostname: far.ns1.svc.cluster.local, ports: {80: 80},
             vips: [net2/10.96.0.9]}
          - {name: both, namespace: ns1, hostname: both.ns1.svc.cluster.local, ports: {80: 80},
             vips: [net2/10.96.0.10, net1/10.96.0.11]}
          - {name: headless, namespace: ns1, hostname: headless.ns1.svc.cluster.local, ports: {80: 80}, vips: []}
          - {name: headless6, namespace: ns1, hostname: headless6.ns1.svc.cluster.local, ports: {80: 80}, vips: []}
          - {name: idle, namespace: ns1, hostname: idle.ns1.svc.cluster.local, ports: {80: 80}, vips: []}
          - {name: outside, namespace: ns1, hostname: headless.example.org, ports: {80: 80}, vips: []}
          - {name: plain, namespace: ns1, hostname: www.google.net, ports: {80: 80}, vips: [net1/10.98.0.1]}
          - {name: shout, namespace: ns1, hostname: Shout.example.net, ports: {80: 80}, vips: [net1/10.98.0.2]}
          - {name: pref1, namespace: ns3, hostname: preferred.example.net, ports: {80: 80}, vips: [net1/10.99.0.1]}
          - {name: pref2, namespace: preferred-ns, hostname: preferred.example.net, ports: {80: 80}, vips: [net1/10.99.0.2]}
          - {name: loc1, namespace: preferred-ns, hostname: local.example.net, ports: {80: 80}, vips: [net1/10.99.0.3]}
          - {name: loc2, namespace: ns1, hostname: local.example.net, ports: {80: 80}, vips: [net1/10.99.0.4]}
          - {name: can1, namespace: preferred-ns, hostname: canon.example.net, ports: {80: 80}, vips: [net1/10.99.0.5]}
          - {name: can2, namespace: ns3, hostname: canon.example.net, ports: {80: 80}, vips: [net1/10.99.0.6], canonical: true}
          - {name: lc1, namespace: ns3, hostname: localcanon.example.net, ports: {80: 80}, vips: [net1/10.99.0.7], canonical: true}
          - {name: lc2, namespace: ns1, hostname: localcanon.example.net, ports: {80: 80}, vips: [net1/10.99.0.8]}
          - {name: vis1, namespace: ns3, hostname: hidden.example.net, ports: {80: 80}, vips: [net1/10.99.0.9], visibility: Namespace, canonical: true}
          - {name: vis2, namespace: ns4, hostname: hidden.example.net, ports: {80: 80}, vips: [net1/10.99.0.10]}
          """);
  private static final Workload CLIENT = TestMesh.workload(MESH, "client");
  private static final DomainName MISSING = DomainName.ROOT;

  /** Of a datagram without EDNS, with room for 30 addresses. */
  private static final int BYTES = 512;

  private static DnsAnswers answers(boolean ipv6, SearchDomains domains) {
    return new DnsAnswers(
        new LookupSettings("cluster.local", "preferred-ns", ipv6, domains),
        () -> new SplittableRandom(1));
  }

  private static Question question(String name, int type) {
    return new Question(Objects.requireNonNullElse(DomainName.parse(name), MISSING), type, 1);
  }

  private static int type(String name) {
    return switch (name) {
      case "A" -> RecordType.A;
      case "AAAA" -> RecordType.AAAA;
      case "NS" -> RecordType.NS;
      default -> throw new IllegalArgumentException(name);
    };
  }

  private static String decide(DnsAnswers answers, String name, String type) {
    Question question = question(name, type(type)).normal();
    return switch (answers.decide(MESH, CLIENT, question, BYTES)) {
      case DnsAnswers.Decision.Forward _ -> "forward";
      case DnsAnswers.Decision.Unsupported _ -> "unsupported";
      case DnsAnswers.Decision.Empty _ -> "empty";
      case DnsAnswers.Decision.Addresses addresses -> text(DnsAnswers.reply(question, addresses));
    };
  }

  /** The aliases, and then the addresses in order with their owner. */
  private static String text(Reply reply) {
    Reply.Found found = (Reply.Found) reply;
    assertEquals(Reply.Source.MESH, found.source());
    return found.answers().stream()
        .sorted(
            Comparator.comparing((ResourceRecord record) -> record.type() != RecordType.CNAME)
                .thenComparing(ResourceRecord::toString))
        .map(ResourceRecord::toString)
        .collect(Collectors.joining(", "));
  }

  @ParameterizedTest(name = "{0} {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          # other types
          web.ns1.svc.cluster.local      | NS   | forward
          # names of the own namespace, in each form
          web.ns1.svc.cluster.local      | A    | web.ns1.svc.cluster.local. 30 A 10.96.0.1
          WEB.ns1.svc.Cluster.local      | A    | web.ns1.svc.cluster.local. 30 A 10.96.0.1
          web.ns1.svc                    | A    | web.ns1.svc. 30 A 10.96.0.1
          web.ns1                        | A    | web.ns1. 30 A 10.96.0.1
          web                            | A    | web. 30 A 10.96.0.1
          web.ns1.ns1.svc.cluster.local  | A    | web.ns1.ns1.svc.cluster.local. 30 CNAME web.ns1., web.ns1. 30 A 10.96.0.1
          web.ns1.svc.svc.cluster.local  | A    | web.ns1.svc.svc.cluster.local. 30 CNAME web.ns1.svc., web.ns1.svc. 30 A 10.96.0.1
          web.svc.cluster.local          | A    | web.svc.cluster.local. 30 CNAME web., web. 30 A 10.96.0.1
          web.ns1.svc.cluster.local      | AAAA | empty
          # other namespaces
          other.ns2                      | A    | other.ns2. 30 A 10.96.0.3
          other.ns2.svc.cluster.local    | A    | other.ns2.svc.cluster.local. 30 A 10.96.0.3
          other.ns2.svc                  | A    | other.ns2.svc. 30 A 10.96.0.3
          other                          | A    | forward
          web.ns2                        | A    | web.ns2. 30 A 10.96.0.2
          # visibility
          private.ns2.svc.cluster.local  | A    | forward
          private.ns2                    | A    | forward
          own.ns1.svc.cluster.local      | A    | own.ns1.svc.cluster.local. 30 A 10.96.0.5
          hidden.example.net             | A    | hidden.example.net. 30 A 10.99.0.10
          # another cluster's domain; families
          details.ns2.svc.cluster.remote | A    | details.ns2.svc.cluster.remote. 30 A 10.96.1.1, details.ns2.svc.cluster.remote. 30 A 10.96.1.2, details.ns2.svc.cluster.remote. 30 A 10.96.1.3, details.ns2.svc.cluster.remote. 30 A 10.96.1.4
          dual                           | A    | dual. 30 A 10.96.0.6
          dual                           | AAAA | dual. 30 AAAA fd00:96:0:0:0:0:0:6
          four                           | A    | four. 30 A 10.96.0.7
          four                           | AAAA | unsupported
          six                            | A    | unsupported
          six                            | AAAA | six. 30 AAAA fd00:96:0:0:0:0:0:8
          # networks
          far                            | A    | empty
          both                           | A    | both. 30 A 10.96.0.11
          # names outside of Kubernetes
          www.google.net                             | A | www.google.net. 30 A 10.98.0.1
          www.google.net.ns1.svc.cluster.local       | A | www.google.net.ns1.svc.cluster.local. 30 CNAME www.google.net., www.google.net. 30 A 10.98.0.1
          www.google.net.svc.cluster.local           | A | www.google.net.svc.cluster.local. 30 CNAME www.google.net., www.google.net. 30 A 10.98.0.1
          www.google.net.cluster.local               | A | www.google.net.cluster.local. 30 CNAME www.google.net., www.google.net. 30 A 10.98.0.1
          www.google.net.ns2.svc.cluster.local       | A | forward
          nobody.example.org                         | A | forward
          shout.example.net                          | A | forward
          # wildcards
          a.wild.example.com                         | A | a.wild.example.com. 30 A 10.97.0.1
          a.b.wild.example.com                       | A | a.b.wild.example.com. 30 A 10.97.0.1
          a.deep.wild.example.com                    | A | a.deep.wild.example.com. 30 A 10.97.0.2
          deep.wild.example.com                      | A | deep.wild.example.com. 30 A 10.97.0.1
          wild.example.com                           | A | wild.example.com. 30 A 10.97.0.3
          com                                        | A | forward
          a.wild.example.com.ns1.svc.cluster.local   | A | a.wild.example.com.ns1.svc.cluster.local. 30 A 10.97.0.1
          a.wild                                     | A | a.wild. 30 A 10.97.0.4
          # headless
          headless.ns1.svc.cluster.local | A    | headless.ns1.svc.cluster.local. 30 A 10.0.1.1, headless.ns1.svc.cluster.local. 30 A 10.0.1.2
          headless.ns1.svc.cluster.local | AAAA | headless.ns1.svc.cluster.local. 30 AAAA fd00:0:0:0:0:0:1:1
          headless6                      | A    | empty
          headless6                      | AAAA | headless6. 30 AAAA fd00:0:0:0:0:0:0:6
          idle                           | A    | empty
          headless.example.org           | A    | forward
          headless.example.net           | A    | forward
          # pods
          h1.headless.ns1.svc.cluster.local | A | forward
          h1.pods.example.org            | A    | forward
          h2                             | A    | forward
          # several services of one name
          preferred.example.net          | A    | preferred.example.net. 30 A 10.99.0.2
          local.example.net              | A    | local.example.net. 30 A 10.99.0.4
          canon.example.net              | A    | canon.example.net. 30 A 10.99.0.6
          localcanon.example.net         | A    | localcanon.example.net. 30 A 10.99.0.8
          """)
  void answers(String name, String type, String expected) {
    assertEquals(expected, decide(answers(true, new SearchDomains.OfNamespace()), name, type));
  }

  @ParameterizedTest
  @ValueSource(strings = {"dual", "six", "headless6"})
  void withoutIpv6NobodyLearnsAnIpv6Address(String name) {
    assertEquals(
        "unsupported", decide(answers(false, new SearchDomains.OfNamespace()), name, "AAAA"));
  }

  @ParameterizedTest
  @CsvSource({
    "www.google.net.corp.example.org, 'www.google.net.corp.example.org. 30 CNAME www.google.net., www.google.net. 30 A 10.98.0.1'",
    "www.google.net.ns1.svc.cluster.local, forward",
  })
  void onlySearchDomainsOfTheClientAreTakenOff(String name, String expected) {
    SearchDomains listed = new SearchDomains.Listed(List.of("Corp.example.org."));
    assertEquals(expected, decide(answers(true, listed), name, "A"));
  }

  @Test
  void theRootIsNobodysService() {
    assertEquals("forward", decide(answers(true, new SearchDomains.OfNamespace()), ".", "A"));
  }

  @Test
  void addressesComeInAnyOrder() {
    SplittableRandom random = new SplittableRandom(7);
    DnsAnswers answers =
        new DnsAnswers(
            new LookupSettings("cluster.local", null, true, new SearchDomains.OfNamespace()),
            () -> random);
    Set<String> first = new HashSet<>();
    for (int i = 0; i < 100; i++) {
      DnsAnswers.Decision.Addresses found =
          (DnsAnswers.Decision.Addresses)
              answers.decide(MESH, CLIENT, question("details.ns2.svc.cluster.remote", 1), BYTES);
      first.add(found.addresses().getFirst().getHostAddress());
    }
    assertEquals(Set.of("10.96.1.1", "10.96.1.2", "10.96.1.3", "10.96.1.4"), first);
  }

  /** A service without addresses of its own, and so many pods of it. */
  private static MeshView headless(int pods) {
    StringBuilder yaml = new StringBuilder("workloads:\n");
    yaml.append(
        "- {uid: client, name: client, namespace: ns1, workloadIps: [10.0.0.1], services: {}}\n");
    for (int i = 0; i < pods; i++) {
      yaml.append("- {uid: Kubernetes//Pod/ns1/p%d, name: p%d, namespace: ns1,".formatted(i, i))
          .append(" workloadIps: [10.1.%d.%d],".formatted(i / 256, i % 256))
          .append(" services: {ns1/many.ns1.svc.cluster.local: {80: 80}}}\n");
    }
    yaml.append(
        "services:\n- {name: many, namespace: ns1, hostname: many.ns1.svc.cluster.local,"
            + " ports: {80: 80}, vips: []}\n");
    return TestMesh.view(yaml.toString());
  }

  private static Reply.Found reply(DnsAnswers answers, MeshView mesh, int bytes) {
    Question question = question("many", RecordType.A);
    DnsAnswers.Decision.Addresses found =
        (DnsAnswers.Decision.Addresses)
            answers.decide(mesh, TestMesh.workload(mesh, "client"), question, bytes);
    return (Reply.Found) DnsAnswers.reply(question, found);
  }

  @Test
  void asMuchIsMadeForADatagramAsItCarriesAndNotOfAllEndpoints() {
    MeshView mesh = headless(10_000);
    DnsAnswers answers = answers(true, new SearchDomains.OfNamespace());
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Reply.Found _ = reply(answers, mesh, BYTES); // what is made once for many questions
    long before = threads.getCurrentThreadAllocatedBytes();
    Reply.Found found = reply(answers, mesh, BYTES);
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(bytes < 64 << 10, () -> bytes + " bytes");
    assertEquals(
        33, Set.copyOf(found.answers()).size(), "not 30, or nobody would see that more are left");
    assertEquals(4096, Set.copyOf(reply(answers, mesh, 65_535).answers()).size());
    assertEquals(10_000, Set.copyOf(reply(answers, mesh, 1 << 20).answers()).size());
  }

  @Test
  void whatDoesNotFitIsToldAndAllThatFitsIsSaid() {
    Question question = question("many", RecordType.A);
    Query query = new Query(Query.Head.of(1, 0), question, null);
    DnsAnswers answers = answers(true, new SearchDomains.OfNamespace());
    for (int pods : List.of(29, 30, 31, 32, 33, 34, 100)) {
      byte[] message = ReplyMessage.datagram(query, reply(answers, headless(pods), BYTES));
      assertEquals(Math.min(pods, 30), message[7], () -> pods + " pods");
      assertEquals(pods > 30, (message[2] & 2) != 0, () -> pods + " pods");
    }
  }

  @Test
  void eachEndpointIsDrawnEquallyOften() {
    MeshView mesh = headless(100);
    SplittableRandom random = new SplittableRandom(11);
    DnsAnswers answers =
        new DnsAnswers(
            new LookupSettings("cluster.local", null, true, new SearchDomains.OfNamespace()),
            () -> random);
    Map<ResourceRecord, Integer> drawn = new HashMap<>();
    for (int i = 0; i < 3_000; i++) {
      reply(answers, mesh, BYTES).answers().forEach(record -> drawn.merge(record, 1, Integer::sum));
    }
    assertEquals(100, drawn.size());
    drawn.forEach( // 990 is the mean, 26 the deviation
        (record, times) -> assertTrue(times > 860 && times < 1_120, record + ": " + times));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          gone                          | ns1/gone.ns1.svc.cluster.local
          gone.ns5                      | ns5/gone.ns5.svc.cluster.local
          gone.ns5.svc.cluster.local    | ns5/gone.ns5.svc.cluster.local
          gone.ns1.svc.cluster.local    | ns1/gone.ns1.svc.cluster.local
          www.example.org               | ''
          idle                          | ns1/idle.ns1.svc.cluster.local
          far                           | ''
          web                           | ''
          """)
  void asksForWhatTheNameMayBe(String name, String expected) {
    DnsAnswers answers = answers(true, new SearchDomains.OfNamespace());
    Question question = question(name, RecordType.A);
    Set<String> keys =
        answers.unknown(CLIENT, question, answers.decide(MESH, CLIENT, question, BYTES)).stream()
            .map(NamespacedHostname::toString)
            .collect(Collectors.toSet());
    assertTrue(expected.isEmpty() ? keys.isEmpty() : keys.contains(expected), keys::toString);
  }

  @Test
  void nobodyIsAskedForOtherTypes() {
    DnsAnswers answers = answers(true, new SearchDomains.OfNamespace());
    Question question = question("gone", RecordType.NS);
    assertEquals(
        List.of(),
        answers.unknown(CLIENT, question, answers.decide(MESH, CLIENT, question, BYTES)));
  }
}
