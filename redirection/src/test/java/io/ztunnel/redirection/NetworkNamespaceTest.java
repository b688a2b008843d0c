package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class NetworkNamespaceTest {
  private static final Path INTERFACES = Path.of("/proc/thread-self/net/dev");

  @Test
  void twoHandlesOfOneNamespaceHaveOneIdentity() throws Exception {
    try (NetworkNamespace one = NetworkNamespace.current();
        NetworkNamespace other = NetworkNamespace.ofPath(Path.of("/proc/self/ns/net"))) {
      assertEquals(one.identity(), other.identity());
    }
  }

  @Test
  void actionRunsInsideAndTheThreadComesHome() throws Exception {
    Privileges.assumeLab();
    try (Lab lab = Lab.create("ns");
        NetworkNamespace home = NetworkNamespace.current();
        NetworkNamespace pod = lab.addNode().addPod("a").open()) {
      String inside = pod.call(() -> Files.readString(INTERFACES));
      assertTrue(inside.contains("eth0"), inside);
      assertNotEquals(inside, Files.readString(INTERFACES));
      assertNotEquals(home.identity(), pod.identity());
      try (NetworkNamespace after = NetworkNamespace.current()) {
        assertEquals(home.identity(), after.identity());
      }
    }
  }

  @Test
  void threadComesHomeFromAnActionThatThrows() throws Exception {
    Privileges.assumeLab();
    try (Lab lab = Lab.create("ns");
        NetworkNamespace home = NetworkNamespace.current();
        NetworkNamespace pod = lab.addNode().addPod("a").open()) {
      assertThrows(
          IllegalStateException.class,
          () ->
              pod.call(
                  () -> {
                    throw new IllegalStateException("planned");
                  }));
      try (NetworkNamespace after = NetworkNamespace.current()) {
        assertEquals(home.identity(), after.identity());
      }
      assertEquals("again", pod.call(() -> "again"));
    }
  }

  @Test
  void callsDoNotNest() throws Exception {
    Privileges.assumeLab();
    try (Lab lab = Lab.create("ns");
        NetworkNamespace pod = lab.addNode().addPod("a").open()) {
      assertThrows(IllegalStateException.class, () -> pod.call(() -> pod.call(() -> "nested")));
    }
  }

  @Test
  void virtualThreadIsRefused() throws Exception {
    try (NetworkNamespace own = NetworkNamespace.current()) {
      FutureTask<String> task = new FutureTask<>(() -> own.call(() -> "inside"));
      Thread.ofVirtual().start(task);
      Exception failure = assertThrows(Exception.class, () -> task.get(5, TimeUnit.SECONDS));
      assertEquals(
          "java.lang.IllegalStateException: virtual thread (expected: a platform thread, for setns)",
          String.valueOf(failure.getCause()));
    }
  }

  @Test
  void closedNamespaceRefusesCalls() throws Exception {
    NetworkNamespace own = NetworkNamespace.current();
    own.close();
    IOException failure = assertThrows(IOException.class, () -> own.call(() -> "inside"));
    assertEquals(own + " is closed", failure.getMessage());
  }

  @Test
  void closeDuringACallWaitsForItsEndToGiveTheDescriptorBack() throws Exception {
    Descriptors before = Descriptors.now();
    NetworkNamespace own = NetworkNamespace.current();
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    FutureTask<Boolean> call =
        new FutureTask<>(
            () ->
                own.call(
                    () -> {
                      inside.countDown();
                      return goOn.await(5, TimeUnit.SECONDS);
                    }));
    Thread.ofPlatform().start(call);
    assertTrue(inside.await(5, TimeUnit.SECONDS));
    own.close();
    own.close();
    assertThrows(AssertionError.class, before::assertNoneLeaked); // still open
    goOn.countDown();
    assertTrue(call.get(5, TimeUnit.SECONDS));
    before.assertNoneLeaked();
  }

  @Test
  void secondCloseSparesTheNextOwnerOfTheDescriptor() throws Exception {
    int fd = Libc.open(NetworkNamespace.OF_THIS_THREAD);
    NetworkNamespace first = NetworkNamespace.adopt(fd);
    first.close();
    int next = Libc.open(NetworkNamespace.OF_THIS_THREAD);
    first.close();
    assertEquals(Libc.identity(next), first.identity()); // fails if the descriptor was closed
    Libc.close(next);
  }

  @Test
  void descriptorThatIsNoNamespaceCannotBeEntered() throws Exception {
    Privileges.assumeLab();
    try (NetworkNamespace file = NetworkNamespace.ofPath(Path.of("/proc/self/status"))) {
      IOException failure = assertThrows(IOException.class, () -> file.call(() -> "inside"));
      assertEquals(
          "cannot enter %s: setns: Invalid argument (os error 22)".formatted(file),
          failure.getMessage());
    }
  }

  @Test
  void badDescriptorIsRefused() {
    IOException failure = assertThrows(IOException.class, () -> NetworkNamespace.adopt(999_999));
    assertEquals(
        "statx of descriptor 999999: Bad file descriptor (os error 9)", failure.getMessage());
  }

  @Test
  void missingPathIsNamed() {
    Path missing = Path.of("/run/netns/none-of-this-name");
    IOException failure = assertThrows(IOException.class, () -> NetworkNamespace.ofPath(missing));
    assertEquals(
        "open /run/netns/none-of-this-name: No such file or directory (os error 2)",
        failure.getMessage());
  }

  @Test
  void ipv6IsDetectedPerNamespace() throws Exception {
    Privileges.assumeLab();
    try (Lab lab = Lab.create("ns")) {
      Lab.Node node = lab.addNode();
      try (NetworkNamespace with = node.addPod("with").open();
          NetworkNamespace without = node.addPod("without", Lab.Without.IPV6).open()) {
        assertTrue(with.hasIpv6());
        assertFalse(without.hasIpv6());
      }
    }
  }

  @Test
  void namespaceOutlivesItsNameWhileItIsHeld() throws Exception {
    Privileges.assumeLab();
    try (Lab lab = Lab.create("ns")) {
      Lab.Pod pod = lab.addNode().addPod("a");
      try (NetworkNamespace held = pod.open()) {
        pod.delete();
        assertFalse(Files.exists(pod.netns()));
        String inside = held.call(() -> Files.readString(INTERFACES));
        assertFalse(inside.contains("eth0"), inside);
      }
    }
  }
}
