package io.ztunnel.identity;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells when files have changed, by looking at them a few times a second. A symbolic link anywhere
 * in the path that is swapped, as Kubernetes does it, is a change like any other, and a file or
 * directory that is not there yet is waited for. A change is told once it has settled: two looks in
 * a row saw the same.
 *
 * <p>All of it happens on one thread, {@code files}, which may read files but does nothing else.
 */
public final class FileWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::identity::files");

  private static final Duration PERIOD = Duration.ofMillis(250);

  private static final long FIRST_LOAD_SECONDS = 10;

  /** Sub-directories are looked into this deep: the files of a mounted volume and their sets. */
  private static final int DEPTH = 2;

  /** No volume has as many; more are not told apart. */
  private static final int MAX_FILES = 10_000;

  private final EventExecutor files =
      new DefaultEventExecutor(new DefaultThreadFactory("files", true));
  private final List<Watched> watched = new ArrayList<>();

  public FileWatch() {
    Future<?> _ =
        files.scheduleWithFixedDelay(
            this::look, PERIOD.toMillis(), PERIOD.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** The thread that all actions run on. */
  EventExecutor thread() {
    return files;
  }

  /**
   * Runs the action at each change of a file, or of anything in a directory, from now on. Any
   * thread; the action runs on the watch's own, and what it throws is logged.
   */
  void watch(Path path, Runnable action) {
    List<String> now = state(path);
    files.execute(() -> watched.add(new Watched(path, action, now)));
  }

  /**
   * Runs the action now and at each change, as {@link #watch} does. Waits ten seconds at most for
   * the first run.
   */
  void load(Path path, Runnable action) {
    watch(path, action); // first, so that no change is missed
    files
        .submit(() -> run(path, action))
        .awaitUninterruptibly(FIRST_LOAD_SECONDS, TimeUnit.SECONDS);
  }

  private static void run(Path path, Runnable action) {
    try {
      action.run();
    } catch (RuntimeException e) {
      LOG.error("{} not taken over", path, e);
    }
  }

  private void look() {
    assert files.inEventLoop();
    watched.forEach(Watched::look);
  }

  @Override
  public void close() {
    files.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }

  /** What tells one content of a path from another without reading it; empty if there is none. */
  static List<String> state(Path path) {
    List<String> state = new ArrayList<>();
    add(state, path, DEPTH);
    Collections.sort(state);
    return state;
  }

  private static void add(List<String> state, Path path, int depth) {
    BasicFileAttributes attributes;
    try {
      attributes = Files.readAttributes(path, BasicFileAttributes.class);
    } catch (IOException e) {
      return; // not there, or not for us: the same until it changes
    }
    state.add(
        path
            + " "
            + attributes.fileKey()
            + " "
            + attributes.lastModifiedTime()
            + " "
            + attributes.size());
    if (attributes.isDirectory() && depth > 0) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
        for (Path entry : entries) {
          if (state.size() < MAX_FILES) {
            add(state, entry, depth - 1);
          }
        }
      } catch (IOException e) {
        state.add(path + " unreadable");
      }
    }
  }

  /** One path. Confined to the watch's thread. */
  private static final class Watched {
    private final Path path;
    private final Runnable action;
    private List<String> told;
    private List<String> seen;

    Watched(Path path, Runnable action, List<String> now) {
      this.path = path;
      this.action = action;
      this.told = now;
      this.seen = now;
    }

    void look() {
      List<String> now = state(path);
      boolean settled = now.equals(seen);
      seen = now;
      if (settled && !now.equals(told)) {
        told = now;
        run(path, action);
      }
    }
  }
}
