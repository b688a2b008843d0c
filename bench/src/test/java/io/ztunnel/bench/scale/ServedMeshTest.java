package io.ztunnel.bench.scale;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import io.ztunnel.bench.micro.MeshShape;
import java.io.IOException;
import java.net.InetAddress;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What the stand-in for istiod sends, read as a client of delta xDS reads it. */
class ServedMeshTest {
  private static final int WORKLOADS = 2_000;
  private static final int SERVICES = 100;
  private static final NodePod POD =
      new NodePod("client", "bench", "node-1", InetAddress.ofLiteral("10.240.1.2"));

  /** What a client holds: the version of each name. */
  private final Map<String, String> held = new TreeMap<>();

  private final Set<String> aliases = new HashSet<>();

  private static ServedMesh mesh(int revision, int replaced) {
    return new ServedMesh(new MeshShape(WORKLOADS), List.of(POD), revision, replaced);
  }

  /** Takes a response; returns how many resources it has. */
  private int take(byte[] response) throws IOException {
    int resources = 0;
    CodedInputStream in = CodedInputStream.newInstance(response);
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (WireFormat.getTagFieldNumber(tag)) {
        case 2 -> {
          takeResource(CodedInputStream.newInstance(in.readByteArray()));
          resources++;
        }
        case 6 -> held.remove(in.readString());
        default -> assertTrue(in.skipField(tag));
      }
    }
    return resources;
  }

  private void takeResource(CodedInputStream in) throws IOException {
    String name = "";
    String version = "";
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (WireFormat.getTagFieldNumber(tag)) {
        case 1 -> version = in.readString();
        case 3 -> name = in.readString();
        case 4 -> aliases.add(in.readString());
        default -> assertTrue(in.skipField(tag));
      }
    }
    held.put(name, version);
  }

  @Test
  void everythingIsSentOnceUnderNamesAndAliasesOfItsOwn() throws IOException {
    int resources = take(mesh(0, 0).everything("nonce"));

    assertEquals(WORKLOADS + SERVICES + 1, resources);
    assertEquals(resources, held.size());
    assertEquals(resources, aliases.size());
    assertTrue(held.containsKey("Kubernetes//Pod/bench/client"));
    assertTrue(aliases.contains("network-1/10.240.1.2"));
  }

  @Test
  void aRevisionGivesEverythingAnotherVersion() throws IOException {
    ServedMesh mesh = mesh(0, 0);
    take(mesh.everything("first"));
    Map<String, String> before = Map.copyOf(held);
    mesh.revise();

    assertEquals(before.size(), take(mesh.everything("second")));
    assertEquals(before.keySet(), held.keySet());
    held.forEach((name, version) -> assertTrue(!version.equals(before.get(name)), name));
  }

  @Test
  void replacedPodsComeAndGo() throws IOException {
    ServedMesh mesh = mesh(0, 0);
    take(mesh.everything("first"));
    Set<String> before = Set.copyOf(held.keySet());

    assertEquals(10, take(mesh.replace("second", 20)));
    assertEquals(before.size(), held.size());
    assertEquals(10, held.keySet().stream().filter(name -> !before.contains(name)).count());
  }

  @Test
  void aControlPlaneThatStartsAgainGoesOnWhereTheLastOneWas() throws IOException {
    ServedMesh mesh = mesh(0, 0);
    mesh.revise();
    take(mesh.everything("first"));
    for (int i = 0; i < WORKLOADS; i += 100) {
      take(mesh.replace("more", 300)); // more often than there are pods
    }

    assertEquals(0, take(mesh(mesh.revision(), mesh.replaced()).lacking("again", held)));
    int all = held.size();
    held.remove("Kubernetes//Pod/bench/client");
    held.put("Kubernetes//Pod/bench/gone", "1");
    assertEquals(
        1, take(mesh(mesh.revision(), mesh.replaced()).lacking("again", Map.copyOf(held))));
    assertEquals(all, held.size());
  }
}
