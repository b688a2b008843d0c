package io.ztunnel.hbone;

import io.netty.handler.codec.http2.Http2Headers;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What one side of a tunnel says about its workload in the {@code baggage} field (Istio). An empty
 * component is unknown, and is left out when written; so is one that the field cannot say.
 * Immutable.
 *
 * @param workloadType in lower case: deployment, cronjob, pod or job; parsing keeps which it was
 * @param serviceName canonical service
 * @param serviceVersion canonical revision
 */
public record Baggage(
    String cluster,
    String namespace,
    String workloadType,
    String workloadName,
    String serviceName,
    String serviceVersion,
    String region,
    String zone) {
  /** Says nothing. */
  public static final Baggage EMPTY = new Baggage("", "", "", "", "", "", "", "");

  /** Longer ones are passed over as a whole (W3C Baggage, 3.3.2). */
  private static final int MAX_LENGTH = 8192;

  /** The longest name in Kubernetes. Labels of metrics are made of values, each kept for hours. */
  private static final int MAX_VALUE_LENGTH = 253;

  private static final String CLUSTER = "k8s.cluster.name";
  private static final String NAMESPACE = "k8s.namespace.name";
  private static final String SERVICE_NAME = "service.name";
  private static final String SERVICE_VERSION = "service.version";
  private static final String REGION = "cloud.region";
  private static final String ZONE = "cloud.availability_zone";

  public Baggage {
    if (!workloadName.isEmpty() && !isType(workloadType)) {
      throw new IllegalArgumentException(
          "workloadType: " + workloadType + " (expected: deployment, cronjob, pod or job)");
    }
  }

  /** What a request or an answer says in all its lines of the field; null: nothing, or too much. */
  static @Nullable String text(Http2Headers headers) {
    List<CharSequence> lines = headers.getAll(ConnectFields.BAGGAGE);
    String text = String.join(",", lines);
    return lines.isEmpty() || text.length() > MAX_LENGTH ? null : text;
  }

  /**
   * Reads the field's value, several lines joined by commas. Unknown keys are ignored, later
   * entries win, a value ends at a second {@code =}, and nothing is trimmed. A value that is longer
   * than a name can be is left out.
   *
   * @return empty if the text has a character that is not visible ASCII, space or tab: then none of
   *     it is to be trusted
   */
  public static Optional<Baggage> parse(String text) {
    if (!ConnectFields.isVisible(text)) {
      return Optional.empty();
    }
    Fields fields = new Fields();
    for (String entry : text.split(",", -1)) {
      String[] parts = entry.split("=", -1);
      if (parts.length > 1 && parts[1].length() <= MAX_VALUE_LENGTH) {
        fields.set(parts[0], parts[1]);
      }
    }
    return Optional.of(fields.baggage());
  }

  @Override
  public String toString() {
    StringBuilder out = new StringBuilder();
    append(out, CLUSTER, cluster);
    append(out, NAMESPACE, namespace);
    append(out, "k8s." + workloadType + ".name", workloadName);
    append(out, SERVICE_NAME, serviceName);
    append(out, SERVICE_VERSION, serviceVersion);
    append(out, REGION, region);
    append(out, ZONE, zone);
    return out.toString();
  }

  private static void append(StringBuilder out, String key, String value) {
    if (!value.isEmpty() && value.indexOf(',') < 0 && ConnectFields.isValue(value)) {
      if (!out.isEmpty()) {
        out.append(',');
      }
      out.append(key).append('=').append(value);
    }
  }

  private static boolean isType(String type) {
    return switch (type) {
      case "deployment", "cronjob", "pod", "job" -> true;
      default -> false;
    };
  }

  /** Entries read so far. Confined to one parse. */
  private static final class Fields {
    private String cluster = "";
    private String namespace = "";
    private String workloadType = "";
    private String workloadName = "";
    private String serviceName = "";
    private String serviceVersion = "";
    private String region = "";
    private String zone = "";

    void set(String key, String value) {
      switch (key) {
        case CLUSTER -> cluster = value;
        case NAMESPACE -> namespace = value;
        case "k8s.deployment.name", "k8s.cronjob.name", "k8s.pod.name", "k8s.job.name" -> {
          workloadType = key.substring("k8s.".length(), key.length() - ".name".length());
          workloadName = value;
        }
        case SERVICE_NAME -> serviceName = value;
        case SERVICE_VERSION -> serviceVersion = value;
        case REGION -> region = value;
        case ZONE -> zone = value;
        default -> {}
      }
    }

    Baggage baggage() {
      return new Baggage(
          cluster,
          namespace,
          workloadName.isEmpty() ? "" : workloadType,
          workloadName,
          serviceName,
          serviceVersion,
          region,
          zone);
    }
  }
}
