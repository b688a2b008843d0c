package io.ztunnel.mesh;

/** What a policy can ask about a connection. */
public enum PolicyAttribute {
  /** The match asks nothing, and so never matches. */
  NONE("empty match"),
  NAMESPACE("namespace"),
  SERVICE_ACCOUNT("service account"),
  PRINCIPAL("principal"),
  SOURCE_IP("source ip"),
  DESTINATION_IP("destination ip"),
  DESTINATION_PORT("destination port");

  private final String text;

  PolicyAttribute(String text) {
    this.text = text;
  }

  /** As error details name it. */
  public String text() {
    return text;
  }
}
