package io.ztunnel.identity;

import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells when files have changed, by looking at them a few times a second. A symbolic link anywhere
 * in the path that is swapped, as Kubernetes does it, is a change like any other, and a file or
 * directory that is not there yet is waited for. A change is told once it has settled: two looks in
 * a row saw the same. What could not be taken over for a reason that may pass is tried again though
 * nothing changes, with pauses that double up to about a minute.
 *
 * <p>All of it happens on one thread, {@code files}, which may read files but does nothing else.
 */
public final class FileWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::identity::files");

  static final Duration PERIOD = Duration.ofMillis(250);

  /** The longest pause before another attempt, in looks: 64 s. */
  private static final int LONGEST_PAUSE = 256;

  private static final long FIRST_LOAD_SECONDS = 10;

  /** Sub-directories are looked into this deep: the files of a mounted volume and their sets. */
  private static final int DEPTH = 2;

  /** With the time of changes, since other rights change nothing else. */
  private static final String ATTRIBUTES = "unix:dev,ino,ctime,lastModifiedTime,size,isDirectory";

  /** No volume has as many; more are not told apart. */
  private static final int MAX_FILES = 10_000;

  /** What is done at a change. Runs on the watch's thread. */
  @FunctionalInterface
  interface Action {
    void run(Change change);
  }

  private final EventExecutor files;
  private final List<Watched> watched = new ArrayList<>();

  public FileWatch() {
    this(new DefaultEventExecutor(new DefaultThreadFactory("files", true)));
  }

  FileWatch(EventExecutor files) {
    this.files = files;
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
   * thread; what the action throws is logged.
   */
  void watch(Path path, Action action) {
    Watched added = new Watched(path, action);
    files.execute(() -> watched.add(added));
  }

  /**
   * Runs the action now and at each change, as {@link #watch} does. Waits ten seconds at most for
   * the first run.
   */
  void load(Path path, Action action) {
    Watched added = new Watched(path, action); // first, so that no change is missed
    files
        .submit(
            () -> {
              watched.add(added);
              added.attempt();
            })
        .awaitUninterruptibly(FIRST_LOAD_SECONDS, TimeUnit.SECONDS);
  }

  private void look() {
    assert files.inEventLoop();
    for (Watched one : watched) {
      try {
        one.look();
      } catch (RuntimeException e) { // one that throws must not end the watch of the others
        LOG.error("cannot look at {}: {}", one.path, e.toString());
      }
    }
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
    Map<String, Object> attributes;
    try {
      attributes = Files.readAttributes(path, ATTRIBUTES);
    } catch (IOException e) {
      return; // not there, or not for us: the same until it changes
    }
    state.add(path + " " + new TreeMap<>(attributes));
    if (Boolean.TRUE.equals(attributes.get("isDirectory")) && depth > 0) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
        for (Path entry : entries) {
          if (state.size() < MAX_FILES) {
            add(state, entry, depth - 1);
          }
        }
      } catch (IOException | DirectoryIteratorException e) {
        state.add(path + " unreadable");
      }
    }
  }

  /** One change, which more than one attempt may be made to take over. For the watch's thread. */
  static final class Change {
    private final Set<String> said = new HashSet<>();
    private boolean again;

    /**
     * Takes down what was not taken over, and has another attempt made if that may help.
     *
     * @return whether it is to be logged: no attempt failed for that before
     */
    boolean failed(Path path, Exception cause) {
      again |= cause instanceof NotNowException;
      return said.add(path + " " + cause);
    }
  }

  /** One path. Confined to the watch's thread once it is looked at. */
  private static final class Watched {
    private final Path path;
    private final Action action;
    private List<String> told;
    private List<String> seen;
    private Change change = new Change();
    private int pause = 1;
    private int looksLeft;

    Watched(Path path, Action action) {
      this.path = path;
      this.action = action;
      this.told = state(path);
      this.seen = told;
    }

    void look() {
      List<String> now = state(path);
      boolean settled = now.equals(seen);
      seen = now;
      if (settled && !now.equals(told)) {
        told = now;
        change = new Change();
        pause = 1;
        attempt();
      } else if (change.again && --looksLeft == 0) {
        attempt();
      }
    }

    void attempt() {
      change.again = false;
      try {
        action.run(change);
      } catch (RuntimeException e) {
        LOG.error("{} not taken over", path, e);
      }
      looksLeft = pause;
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }
}
