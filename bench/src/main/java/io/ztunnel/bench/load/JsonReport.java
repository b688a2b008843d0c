package io.ztunnel.bench.load;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The results as a JSON file: every run, and the figures, so that a later call can be compared with
 * it.
 */
public final class JsonReport {
  private JsonReport() {}

  static void write(Path file, Results results, Map<String, String> machine) throws IOException {
    try (JsonGenerator json = Json.FACTORY.createGenerator(Files.newBufferedWriter(file))) {
      json.setPrettyPrinter(new DefaultPrettyPrinter());
      json.writeStartObject();
      writeFigures(json, results.figures(), machine);
      json.writeObjectFieldStart("loads");
      for (Load load : results.loads()) {
        json.writeObjectFieldStart(load.name());
        for (Arrangement arrangement : results.arrangements()) {
          writeRuns(json, results.path().title(arrangement), results.runs(load, arrangement));
        }
        json.writeEndObject();
      }
      json.writeEndObject();
      json.writeEndObject();
    }
  }

  /** As above, of figures alone. */
  public static void write(Path file, List<Figure> figures, Map<String, String> machine)
      throws IOException {
    try (JsonGenerator json = Json.FACTORY.createGenerator(Files.newBufferedWriter(file))) {
      json.setPrettyPrinter(new DefaultPrettyPrinter());
      json.writeStartObject();
      writeFigures(json, figures, machine);
      json.writeEndObject();
    }
  }

  private static void writeFigures(
      JsonGenerator json, List<Figure> figures, Map<String, String> machine) throws IOException {
    json.writeObjectFieldStart("machine");
    for (Map.Entry<String, String> fact : machine.entrySet()) {
      json.writeStringField(fact.getKey(), fact.getValue());
    }
    json.writeEndObject();
    json.writeObjectFieldStart("figures");
    for (Figure figure : figures) {
      writeFigure(json, figure);
    }
    json.writeEndObject();
  }

  private static void writeFigure(JsonGenerator json, Figure figure) throws IOException {
    json.writeObjectFieldStart(figure.name());
    json.writeStringField("unit", figure.unit());
    json.writeNumberField("median", figure.measured().median());
    json.writeNumberField("min", figure.measured().min());
    json.writeNumberField("max", figure.measured().max());
    switch (figure.target()) {
      case Target.AtLeast(double bound) -> json.writeNumberField("at least", bound);
      case Target.AtMost(double bound) -> json.writeNumberField("at most", bound);
    }
    json.writeBooleanField("met", figure.isMet());
    json.writeEndObject();
  }

  private static void writeRuns(JsonGenerator json, String arrangement, List<Run> runs)
      throws IOException {
    json.writeArrayFieldStart(arrangement);
    for (Run run : runs) {
      json.writeStartObject();
      json.writeNumberField("rate", run.rate());
      json.writeNumberField("work", run.work());
      if (!Double.isNaN(run.p50Micros())) {
        json.writeNumberField("p50Micros", run.p50Micros());
        json.writeNumberField("p99Micros", run.p99Micros());
      }
      json.writeNumberField("cpuSeconds", run.cpuSeconds());
      json.writeNumberField("errors", run.errors());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  /** The medians of the figures of a file, by name. */
  public static Map<String, Double> readMedians(Path file) throws IOException {
    Map<String, Double> medians = new LinkedHashMap<>();
    Map<String, Object> document = Json.readObject(Files.readString(file));
    if (!(document.get("figures") instanceof Map<?, ?> figures)) {
      throw new IOException(file + ": no member \"figures\" (expected: a file of bench --json)");
    }
    for (Map.Entry<?, ?> figure : figures.entrySet()) {
      if (figure.getValue() instanceof Map<?, ?> members
          && members.get("median") instanceof Double median) {
        medians.put(String.valueOf(figure.getKey()), median);
      }
    }
    return medians;
  }
}
