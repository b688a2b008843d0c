package io.ztunnel.mesh;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Makes the resources of the control plane, {@code istio.workload.Address} and {@code
 * istio.security.Authorization}, from their bytes. Reads them field by field and makes nothing that
 * is not kept; what repeats, texts or the part of a workload that it shares with its whole
 * deployment, is one object. Whatever the bytes are, the end is a value of the model or a {@link
 * ResourceException}. Confined to the thread that uses it.
 */
public final class ResourceDecoder {
  private final StringCache strings = new StringCache();
  private final Interner interner = new Interner();
  private final PodReader pods = new PodReader();

  /**
   * A response has ended. Pods are read quicker after others like them; what it takes to know these
   * is not held any longer.
   */
  public void endResponse() {
    pods.forget();
  }

  /** As below, of a whole array. */
  public Addressable address(byte[] message) throws ResourceException {
    return address(message, 0, message.length);
  }

  /**
   * Reads a workload or a service.
   *
   * @throws ResourceException when it cannot be used; the others are not concerned
   */
  public Addressable address(byte[] bytes, int offset, int length) throws ResourceException {
    Workload pod = pods.read(bytes, offset, length);
    if (pod != null) {
      return pod;
    }
    AddressProto proto = new AddressProto();
    read(bytes, offset, length, proto::read);
    Addressable address = proto.build(interner);
    if (address instanceof Workload workload) {
      pods.learn(workload);
    }
    return address;
  }

  /**
   * Reads a policy.
   *
   * @throws ResourceException when it cannot be used; the others are not concerned
   */
  public Authorization authorization(byte[] message) throws ResourceException {
    PolicyProto policy = new PolicyProto();
    read(message, 0, message.length, policy::read);
    return policy.build();
  }

  private void read(byte[] bytes, int offset, int length, ProtoReader.Fields fields)
      throws ResourceException {
    try {
      new ProtoReader(bytes, offset, length, strings).all(fields);
    } catch (IOException e) {
      throw new ResourceException("decode error: " + e.getMessage());
    }
  }

  /** {@code istio.workload.Address}: of the two kinds the last one counts. */
  private static final class AddressProto {
    private @Nullable WorkloadProto workload;
    private @Nullable ServiceProto service;

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> {
          service = null;
          workload = workload == null ? new WorkloadProto() : workload;
          in.message(tag, workload::read);
        }
        case 2 -> {
          workload = null;
          service = service == null ? new ServiceProto() : service;
          in.message(tag, service::read);
        }
        default -> in.skip(tag);
      }
    }

    Addressable build(Interner interner) throws ResourceException {
      if (workload != null) {
        return workload.build().sharing(interner);
      }
      if (service != null) {
        return service.build();
      }
      throw new ResourceException("unknown type: neither a workload nor a service");
    }
  }
}
