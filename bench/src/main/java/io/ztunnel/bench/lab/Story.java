package io.ztunnel.bench.lab;

import java.io.PrintStream;
import java.util.List;

/** The demo's text: numbered chapters, commands, and what came of them. Confined to its thread. */
public final class Story {
  private final PrintStream out;
  private int chapter;

  public Story(PrintStream out) {
    this.out = out;
  }

  void chapter(String title) {
    out.printf("%n%d. %s%n%n", ++chapter, title);
    out.flush();
  }

  /** A sentence for the reader. */
  void say(String text) {
    out.printf("   %s%n", text);
    out.flush();
  }

  /** A command as it was run. */
  void command(String... command) {
    out.printf("   $ %s%n", String.join(" ", command));
  }

  /** What programs printed, as it is. */
  void quote(String text) {
    quote(text.lines().toList());
  }

  void quote(List<String> lines) {
    lines.stream().filter(line -> !line.isBlank()).forEach(line -> out.println("     | " + line));
    out.flush();
  }
}
