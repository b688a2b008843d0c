package io.ztunnel.dns;

/** Numbers of response codes (RFC 1035, 4.1.1) and their names. Stateless. */
final class ResponseCode {
  static final int NO_ERROR = 0;
  static final int FORMAT_ERROR = 1;
  static final int SERVER_FAILURE = 2;
  static final int NAME_ERROR = 3;
  static final int NOT_IMPLEMENTED = 4;
  static final int REFUSED = 5;

  private ResponseCode() {}

  static String name(int code) {
    return switch (code) {
      case NO_ERROR -> "NOERROR";
      case FORMAT_ERROR -> "FORMERR";
      case SERVER_FAILURE -> "SERVFAIL";
      case NAME_ERROR -> "NXDOMAIN";
      case NOT_IMPLEMENTED -> "NOTIMP";
      case REFUSED -> "REFUSED";
      default -> "RCODE" + code;
    };
  }
}
