package io.ztunnel.log;

import org.jspecify.annotations.Nullable;

/** How a line is written. Stateless: everything is in the buffer. */
enum LineFormat {
  /** Tab-separated, for people. */
  PLAIN {
    @Override
    void begin(
        LineBuffer out,
        long second,
        int nanos,
        LogLevel level,
        String target,
        @Nullable Span span,
        String message) {
      out.time(second, nanos).raw('\t').raw(level.label()).raw('\t');
      out.bare(target.startsWith(OWN) ? target.substring(OWN.length()) : target);
      span(out, span);
      out.raw('\t');
      if (!message.isEmpty()) {
        out.raw(message).raw('\t');
      }
    }

    private static void span(LineBuffer out, @Nullable Span span) {
      if (span == null) {
        return;
      }
      span(out, span.parent());
      out.raw(':').raw(span.name());
      char before = '{';
      for (Span.Field field : span.fields()) {
        out.raw(before).raw(field.name()).raw('=');
        switch (field.value()) {
          case String text -> out.quoted(text);
          case Object other -> out.bare(other.toString());
        }
        before = ' ';
      }
      if (!span.fields().isEmpty()) {
        out.raw('}');
      }
    }

    @Override
    void name(LineBuffer out, boolean first, String name) {
      if (!first) {
        out.raw(' ');
      }
      out.raw(name).raw('=');
    }

    @Override
    void string(LineBuffer out, String value) {
      out.quoted(value);
    }

    @Override
    void display(LineBuffer out, String value) {
      out.bare(value);
    }

    @Override
    void end(LineBuffer out, @Nullable Span span) {
      out.raw('\n');
    }
  },

  /** One JSON object. */
  JSON {
    @Override
    void begin(
        LineBuffer out,
        long second,
        int nanos,
        LogLevel level,
        String target,
        @Nullable Span span,
        String message) {
      out.raw("{\"level\":\"").raw(level.label()).raw("\",\"time\":\"");
      out.time(second, nanos).raw("\",\"scope\":").json(target);
      if (!message.isEmpty()) {
        out.raw(",\"message\":").json(message);
      }
    }

    @Override
    void name(LineBuffer out, boolean first, String name) {
      out.raw(',').json(name).raw(':');
    }

    @Override
    void string(LineBuffer out, String value) {
      out.json(value);
    }

    @Override
    void display(LineBuffer out, String value) {
      out.json(value);
    }

    @Override
    void end(LineBuffer out, @Nullable Span span) {
      spans(out, span);
      out.raw("}\n");
    }

    private static void spans(LineBuffer out, @Nullable Span span) {
      if (span == null) {
        return;
      }
      spans(out, span.parent());
      out.raw(',').json(span.name()).raw(":{");
      boolean first = true;
      for (Span.Field field : span.fields()) {
        if (!first) {
          out.raw(',');
        }
        first = false;
        out.json(field.name()).raw(':');
        switch (field.value()) {
          case Integer number -> out.number(number);
          case Long number -> out.number(number);
          case Boolean flag -> out.raw(flag.toString());
          case Object other -> out.json(other.toString());
        }
      }
      out.raw('}');
    }
  };

  /** What targets of this program begin with; plain lines leave it out. */
  private static final String OWN = "ztunnel::";

  abstract void begin(
      LineBuffer out,
      long second,
      int nanos,
      LogLevel level,
      String target,
      @Nullable Span span,
      String message);

  abstract void name(LineBuffer out, boolean first, String name);

  abstract void string(LineBuffer out, String value);

  abstract void display(LineBuffer out, String value);

  abstract void end(LineBuffer out, @Nullable Span span);
}
