package io.ztunnel.mesh;

import com.google.protobuf.WireFormat;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads pods that are like others that were met before. All but its name, its address and its uid a
 * pod shares with those of its deployment or of its node, byte by byte: so these bytes are looked
 * up, and not decoded again. Whatever is no such pod, a broken message for one, is left to others.
 * Confined to the thread that uses it.
 */
final class PodReader {
  private static final int WORKLOAD = 1;

  // Fields of a workload.
  private static final int NAME = 1;
  private static final int ADDRESS = 3;
  private static final int NETWORK = 4;
  private static final int NODE = 9;
  private static final int CLUSTER = 18;
  private static final int UID = 20;
  private static final int LOCALITY = 24;

  private static final int V4_BYTES = 4;
  private static final int VARINT_BITS = 7;

  /** Of a tag or a length; who needs more is left to others. */
  private static final int MAX_VARINT_BYTES = 4;

  private static final int NOTHING = -1;

  private final Key<Profile> deployment = new Key<>();
  private final Key<Location> place = new Key<>();

  // The message that was read last.
  private byte[] bytes = {};
  private int position;
  private int end;
  private boolean isPod;
  private final Range name = new Range();
  private final Range address = new Range();
  private final Range uid = new Range();

  /** Where the part of the name begins that is the pod's own. */
  private int tailBegin;

  /** A part of the message. */
  private static final class Range {
    private int begin;
    private int end;

    void clear() {
      begin = NOTHING;
    }

    /** False if it is set already, for then it is not the usual, or if it is no text. */
    boolean setOnce(int wireType, int from, int to) {
      boolean first = !isSet() && wireType == WireFormat.WIRETYPE_LENGTH_DELIMITED;
      begin = from;
      end = to;
      return first;
    }

    boolean isSet() {
      return begin != NOTHING;
    }

    int length() {
      return end - begin;
    }
  }

  /** Some fields of the message as they are, and what they were found to say in others. */
  private static final class Key<V> {
    private static final int MAX_BYTES = 1 << 10;

    private final byte[] bytes = new byte[MAX_BYTES];
    private ByteKeys<V> known = new ByteKeys<>();
    private int length;

    boolean add(byte[] source, int begin, int end) {
      int count = end - begin;
      if (count > MAX_BYTES - length) {
        return false;
      }
      System.arraycopy(source, begin, bytes, length, count);
      length += count;
      return true;
    }

    @Nullable V find() {
      return known.get(bytes, length);
    }

    void learn(V value) {
      known.put(bytes, length, value);
    }

    void forget() {
      if (!known.isEmpty()) {
        known = new ByteKeys<>();
      }
    }
  }

  /** The pod; null if the message is none, or none that is like those met before. */
  @Nullable Workload read(byte[] message, int offset, int length) {
    bytes = message;
    position = offset;
    end = offset + length;
    isPod = split();
    if (!isPod) {
      return null;
    }
    Profile profile = deployment.find();
    Location location = place.find();
    if (profile == null
        || location == null
        || profile.namePrefix().length() != tailBegin - name.begin
        || !isUid(location.clusterId(), profile.identity().namespace())) {
      return null;
    }
    int v4 = v4();
    return v4 == 0 ? null : Workload.pod(profile, location, tail(), v4);
  }

  /** Takes from now on for known what the message that was read last says, which is this. */
  void learn(Workload workload) {
    if (isPod) {
      deployment.learn(workload.profile());
      place.learn(workload.location());
    }
  }

  /** Knows nothing any more. */
  void forget() {
    deployment.forget();
    place.forget();
  }

  /** Finds the fields; false if it is not the usual message of a pod. */
  private boolean split() {
    deployment.length = 0;
    place.length = 0;
    name.clear();
    address.clear();
    uid.clear();
    if (varint() != (WORKLOAD << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED)
        || varint() != end - position) {
      return false;
    }
    while (position < end) {
      if (!readField()) {
        return false;
      }
    }
    return position == end
        && name.isSet()
        && address.isSet()
        && address.length() == V4_BYTES
        && uid.isSet()
        && findTail()
        // What the name begins with is the deployment's too. Its length is compared by itself.
        && deployment.add(bytes, name.begin, tailBegin);
  }

  private boolean readField() {
    int begin = position;
    int tag = varint();
    int wireType = WireFormat.getTagWireType(tag);
    int value = varint();
    if (tag == NOTHING || value == NOTHING) {
      return false;
    }
    int content = position;
    if (wireType == WireFormat.WIRETYPE_LENGTH_DELIMITED) {
      if (value > end - position) {
        return false;
      }
      position += value;
    } else if (wireType != WireFormat.WIRETYPE_VARINT) {
      return false;
    }
    return switch (WireFormat.getTagFieldNumber(tag)) {
      case NAME -> name.setOnce(wireType, content, position);
      case ADDRESS -> address.setOnce(wireType, content, position);
      case UID -> uid.setOnce(wireType, content, position);
      case NETWORK, NODE, CLUSTER, LOCALITY -> place.add(bytes, begin, position);
      default -> deployment.add(bytes, begin, position);
    };
  }

  /** A number of few bytes; {@link #NOTHING} if there is none. */
  private int varint() {
    int value = 0;
    for (int shift = 0; shift < MAX_VARINT_BYTES * VARINT_BITS && position < end; ) {
      byte next = bytes[position++];
      value |= (next & Byte.MAX_VALUE) << shift;
      if (next >= 0) {
        return value;
      }
      shift += VARINT_BITS;
    }
    return NOTHING;
  }

  /** As {@link NameTail#start} has it; false if there is no tail. */
  private boolean findTail() {
    int begin = name.end;
    while (begin > name.begin && bytes[begin - 1] != '-') {
      begin--;
      if (bytes[begin] <= 0) {
        return false; // not ASCII, or not usual
      }
    }
    tailBegin = begin;
    return begin > name.begin && begin < name.end && name.end - begin <= Long.BYTES;
  }

  /** As {@link NameTail#of} has it. */
  private long tail() {
    long tail = NameTail.NONE;
    for (int i = name.end - 1; i >= tailBegin; i--) {
      tail = (tail << Byte.SIZE) | bytes[i];
    }
    return tail;
  }

  private int v4() {
    int v4 = 0;
    for (int i = address.begin; i < address.end; i++) {
      v4 = (v4 << Byte.SIZE) | Byte.toUnsignedInt(bytes[i]);
    }
    return v4;
  }

  /** Whether the uid is what {@link PodUid} makes of these and the name. */
  private boolean isUid(String cluster, String namespace) {
    int pod = uid.begin + cluster.length();
    int slash = pod + PodUid.POD.length() + namespace.length();
    return uid.end == slash + 1 + name.length()
        && isAt(uid.begin, cluster)
        && isAt(pod, PodUid.POD)
        && isAt(pod + PodUid.POD.length(), namespace)
        && bytes[slash] == '/'
        && Arrays.equals(bytes, slash + 1, uid.end, bytes, name.begin, name.end);
  }

  private boolean isAt(int begin, String text) {
    for (int i = 0; i < text.length(); i++) {
      if (bytes[begin + i] != text.charAt(i)) {
        return false;
      }
    }
    return true;
  }
}
