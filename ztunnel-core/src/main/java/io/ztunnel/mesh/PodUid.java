package io.ztunnel.mesh;

/**
 * The uid that the control plane gives to pods, {@code cluster//Pod/namespace/name}, in its pieces:
 * it need not be kept beside them.
 */
final class PodUid {
  static final String POD = "//Pod/";

  private PodUid() {}

  static String text(String cluster, String namespace, String namePrefix, long nameTail) {
    StringBuilder text =
        new StringBuilder(
                cluster.length()
                    + POD.length()
                    + namespace.length()
                    + 1
                    + namePrefix.length()
                    + Long.BYTES)
            .append(cluster)
            .append(POD)
            .append(namespace)
            .append('/')
            .append(namePrefix);
    NameTail.append(nameTail, text);
    return text.toString();
  }

  /** Whether a text is the uid of these pieces. */
  static boolean is(
      String text, String cluster, String namespace, String namePrefix, long nameTail) {
    int afterCluster = cluster.length();
    int slash = afterCluster + POD.length() + namespace.length();
    return text.length() > slash
        && text.charAt(slash) == '/'
        && text.startsWith(cluster)
        && text.startsWith(POD, afterCluster)
        && text.startsWith(namespace, afterCluster + POD.length())
        && text.startsWith(namePrefix, slash + 1)
        && NameTail.ends(text, slash + 1 + namePrefix.length(), nameTail);
  }

  /** The hash code that {@link #text} would have. */
  static int hash(String cluster, String namespace, String namePrefix, long nameTail) {
    int hash = append(cluster.hashCode(), POD);
    hash = 31 * append(hash, namespace) + '/';
    return NameTail.hash(append(hash, namePrefix), nameTail);
  }

  /** The hash code of a text that goes on with another. */
  private static int append(int hash, String text) {
    int power = 1;
    int base = 31;
    for (int left = text.length(); left > 0; left >>= 1) { // 31 to the power of the length
      if ((left & 1) != 0) {
        power *= base;
      }
      base *= base;
    }
    return hash * power + text.hashCode();
  }
}
