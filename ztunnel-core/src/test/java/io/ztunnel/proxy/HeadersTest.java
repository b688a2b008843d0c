package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeadersTest {
  private static final MeshView VIEW =
      TestMesh.view(
          """
          workloads:
          - {uid: full, name: web-0, namespace: shop, services: {}, workloadIps: [10.0.0.1], clusterId: east,
             workloadName: web, workloadType: deployment, canonicalName: web-c, canonicalRevision: v2,
             locality: {region: r1, zone: z1, subzone: s1}}
          - {uid: job, name: j, namespace: shop, services: {}, workloadIps: [10.0.0.2], clusterId: Kubernetes, workloadName: j, workloadType: job}
          - {uid: cronjob, name: c, namespace: shop, services: {}, workloadIps: [10.0.0.3], clusterId: Kubernetes, workloadName: c, workloadType: cronjob}
          - {uid: pod, name: p, namespace: shop, services: {}, workloadIps: [10.0.0.4], clusterId: Kubernetes, workloadName: p, workloadType: Pod}
          - {uid: daemonset, name: d, namespace: shop, services: {}, workloadIps: [10.0.0.5], workloadName: d, workloadType: daemonset}
          - {uid: untyped, name: u, namespace: shop, services: {}, workloadIps: [10.0.0.6], workloadName: u}
          - {uid: unnamed, name: n, namespace: shop, services: {}, workloadIps: [10.0.0.7], workloadType: pod}
          - {uid: bare, namespace: "", services: {}, workloadIps: [10.0.0.8]}
          """);

  private static Workload workload(String uid) {
    return TestMesh.workload(VIEW, uid);
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          full    | k8s.cluster.name=east,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web-c,service.version=v2,cloud.region=r1,cloud.availability_zone=z1
          job     | k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.job.name=j
          cronjob | k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.cronjob.name=c
          pod     | k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.pod.name=p
          daemonset | k8s.namespace.name=shop,k8s.deployment.name=d
          untyped | k8s.namespace.name=shop,k8s.deployment.name=u
          unnamed | k8s.namespace.name=shop
          bare    | ''
          """)
  void baggageDescribesTheWorkload(String uid, String expected) {
    assertEquals(expected, Headers.baggage(workload(uid)));
  }

  @ParameterizedTest(name = "from {0} to a service {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          1.2.3.4:80          |                        | for="1.2.3.4:80"
          [::1]:80            |                        | for="[::1]:80"
          [2001:db8:0:0::1]:1 | db.shop.svc.mesh.local | for="[2001:db8::1]:1";host=db.shop.svc.mesh.local
          1.2.3.4:65535       | db.shop.svc.mesh.local | for="1.2.3.4:65535";host=db.shop.svc.mesh.local
          """)
  void forwardedNamesTheApplicationAndTheService(
      String source, @Nullable String hostname, String expected) {
    ServiceName service = hostname == null ? null : new ServiceName("db", "shop", hostname);
    ConnectRequest request =
        Headers.request(workload("full"), "10.0.0.9:80", TestMesh.socket(source), service);
    assertEquals(expected, request.forwarded());
  }

  @Test
  void aRequestSaysNothingElse() {
    ConnectRequest request =
        Headers.request(workload("bare"), "10.0.0.9:80", TestMesh.socket("1.2.3.4:5"), null);
    assertEquals("10.0.0.9:80", request.authority());
    assertEquals("", request.baggage());
    assertNull(request.forwardedNetwork());
  }

  @Test
  void everyRequestIsATraceOfItsOwn() {
    String one = traceparent();
    assertTrue(one.matches("00-[0-9a-f]{32}-[0-9a-f]{16}-00"), one);
    assertNotEquals(one, traceparent());
  }

  private static String traceparent() {
    String value =
        Headers.request(workload("full"), "10.0.0.9:80", TestMesh.socket("1.2.3.4:5"), null)
            .traceparent();
    assertNotNull(value);
    return value;
  }
}
