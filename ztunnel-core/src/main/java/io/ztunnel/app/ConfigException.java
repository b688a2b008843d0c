package io.ztunnel.app;

/**
 * A setting that cannot be used. The message names it, says what was found and what is expected.
 */
final class ConfigException extends RuntimeException {
  private static final long serialVersionUID = 1;

  ConfigException(String message) {
    super(message);
  }

  ConfigException(String message, Throwable cause) {
    super(message, cause);
  }

  /** A variable that does not parse. */
  static ConfigException variable(String name, String value, String reason) {
    return new ConfigException("invalid env var " + name + "=" + value + " (" + reason + ")");
  }

  /** Settings that do not go together. */
  static ConfigException state(String reason) {
    return new ConfigException("invalid configuration: " + reason);
  }

  static ConfigException proxyConfig(String reason, Throwable cause) {
    return new ConfigException("error parsing proxy config: " + reason, cause);
  }
}
