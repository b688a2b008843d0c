package io.ztunnel.profile;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.profile.PprofProfile.ValueType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.text.ParseException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import jdk.jfr.Configuration;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedThread;
import jdk.jfr.consumer.RecordingFile;
import org.jspecify.annotations.Nullable;

/**
 * Takes profiles of this process by the JVM's flight recorder: of CPU time, of allocations, and
 * recordings as they are. One of limited time at a time, allocations beside it; each recording is
 * bounded in size, and what is older goes.
 *
 * <p>Any thread may ask; the work is done on the executor, whose thread may wait for the disk.
 * Files are made in the system's temporary directory and removed.
 */
public final class Profiler implements AutoCloseable {
  private static final Log LOG = Log.target("ztunnel::profiling");

  /** More than this of one recording is dropped, the oldest first. */
  private static final long MAX_RECORDING_BYTES = 32L << 20;

  private static final ValueType SAMPLES = new ValueType("samples", "count");
  private static final ValueType CPU = new ValueType("cpu", "nanoseconds");
  private static final ValueType ALLOCATED = new ValueType("alloc_space", "bytes");

  /** CPU time of a thread, wherever it is spent: in Java, in the JVM, or in native code. */
  private static final String CPU_SAMPLE = "jdk.CPUTimeSample";

  private static final String ALLOCATION_SAMPLE = "jdk.ObjectAllocationSample";

  /** The rate at which allocations are sampled; each stands for all since the one before. */
  private static final String ALLOCATION_RATE = "150/s";

  /** Of the default settings: the environment, which may hold a token, and arguments of others. */
  private static final List<String> NOT_TOLD =
      List.of("jdk.InitialEnvironmentVariable", "jdk.SystemProcess");

  /**
   * How long the recorder writes one chunk of a recording. Whoever reads a recording holds all the
   * different stacks of a chunk and of the one before, of 2 KiB and more each; the recorder itself
   * would begin a new one after 12 MiB, which may be of 30,000 stacks.
   */
  private static final Duration CPU_CHUNK = Duration.ofSeconds(5);

  /** As {@link #CPU_CHUNK}, at {@link #ALLOCATION_RATE}; chunks without samples are of 120 KB. */
  private static final Duration ALLOCATIONS_CHUNK = Duration.ofMinutes(1);

  private final EventExecutor executor;
  private final InstantSource clock;
  private final Duration cpuChunk;
  private final Duration allocationsChunk;
  private final AtomicBoolean busy = new AtomicBoolean();

  /** The recording of allocations; confined to the executor's thread. */
  private @Nullable Recording allocations;

  /** Ends its chunks; confined to the executor's thread. */
  private @Nullable Future<?> allocationsChunks;

  /** Written by the executor's thread, read by any. */
  private volatile boolean heapActive;

  /**
   * A profiler that does nothing yet.
   *
   * @param executor one thread, not owned
   */
  public Profiler(EventExecutor executor, InstantSource clock) {
    this(executor, clock, CPU_CHUNK, ALLOCATIONS_CHUNK);
  }

  Profiler(
      EventExecutor executor, InstantSource clock, Duration cpuChunk, Duration allocationsChunk) {
    this.executor = executor;
    this.clock = clock;
    this.cpuChunk = cpuChunk;
    this.allocationsChunk = allocationsChunk;
  }

  /**
   * Where CPU time is spent from now on for so long, as a pprof message. Cancelling the future ends
   * it early. Fails with {@link ProfilerBusyException} if one is being taken.
   *
   * @param hertz samples for each second of CPU time of a thread
   */
  public Future<byte[]> cpu(Duration length, int hertz) {
    long periodNanos = TimeUnit.SECONDS.toNanos(1) / hertz;
    Future<byte[]> result =
        record(
            length,
            () -> {
              Recording recording = bounded(new Recording());
              recording.enable(CPU_SAMPLE).with("throttle", periodNanos / 1_000 + "us");
              return recording;
            },
            (file, begin) -> {
              PprofProfile profile = new PprofProfile(List.of(SAMPLES, CPU), CPU, periodNanos);
              StackFrames frames = new StackFrames();
              forEach(
                  file,
                  event -> {
                    if (event.getEventType().getName().equals(CPU_SAMPLE)) {
                      RecordedThread thread = event.getThread("eventThread");
                      profile.add(
                          frames.of(event.getStackTrace()),
                          thread == null ? "" : name(thread),
                          1,
                          event.getDuration("samplingPeriod").toNanos());
                    }
                  });
              return profile.encode(begin, length);
            });
    Future<?> chunks = endingChunks(cpuChunk);
    result.addListener(_ -> chunks.cancel(false));
    return result;
  }

  /** Has the recorder begin a new chunk again and again, until it is cancelled. */
  private Future<?> endingChunks(Duration each) {
    return executor.scheduleWithFixedDelay(
        Profiler::endChunk, each.toNanos(), each.toNanos(), TimeUnit.NANOSECONDS);
  }

  private static void endChunk() {
    // a snapshot is of whole chunks, so that the one in the making ends; nothing is copied
    FlightRecorder.getFlightRecorder().takeSnapshot().close();
  }

  /**
   * A recording of the JVM's default settings, without the environment and the list of processes,
   * as a file. Whoever gets it removes it; if nobody takes it any more it is removed here. Fails
   * and ends as {@link #cpu} does.
   */
  public Future<Path> flight(Duration length) {
    return record(
        length,
        () -> {
          Recording recording = bounded(new Recording(Configuration.getConfiguration("default")));
          NOT_TOLD.forEach(recording::disable);
          return recording;
        },
        (file, _) -> {
          Path taken = Files.createTempFile("ztunnel-", ".jfr");
          Files.move(file, taken, StandardCopyOption.REPLACE_EXISTING);
          return taken;
        });
  }

  /** Whether allocations are being sampled. */
  public boolean isHeapActive() {
    return heapActive;
  }

  /** Samples allocations from now on, or stops and forgets them. Completes with the new state. */
  public Future<Boolean> heapActive(boolean active) {
    return executor.submit(
        () -> {
          Recording running = allocations;
          if (active && running == null) {
            Recording recording = bounded(new Recording());
            recording.enable(ALLOCATION_SAMPLE).with("throttle", ALLOCATION_RATE);
            recording.start();
            allocations = recording;
            allocationsChunks = endingChunks(allocationsChunk);
          } else if (!active) {
            stopAllocations();
          }
          heapActive = active;
          return active;
        });
  }

  private void stopAllocations() {
    Recording running = allocations;
    if (running != null) {
      running.close();
      allocations = null;
    }
    Future<?> chunks = allocationsChunks;
    if (chunks != null) {
      chunks.cancel(false);
      allocationsChunks = null;
    }
  }

  /**
   * Who allocated how much since {@link #heapActive} as far back as the recording goes, as a pprof
   * message. Fails with {@link NotActiveException} if nothing is sampled.
   */
  public Future<byte[]> heap() {
    return executor.submit(
        () -> {
          Recording recording = allocations;
          if (recording == null) {
            throw new NotActiveException();
          }
          Instant begin = recording.getStartTime();
          PprofProfile profile =
              new PprofProfile(List.of(SAMPLES, ALLOCATED), new ValueType("space", "bytes"), 0);
          StackFrames frames = new StackFrames();
          Path file = Files.createTempFile("ztunnel-", ".jfr");
          try {
            recording.dump(file);
            forEach(
                file,
                event -> {
                  if (event.getEventType().getName().equals(ALLOCATION_SAMPLE)) {
                    profile.add(frames.of(event.getStackTrace()), "", 1, event.getLong("weight"));
                  }
                });
          } finally {
            Files.deleteIfExists(file);
          }
          return profile.encode(begin, Duration.between(begin, clock.instant()));
        });
  }

  private static Recording bounded(Recording recording) {
    recording.setName("ztunnel");
    recording.setMaxSize(MAX_RECORDING_BYTES);
    return recording;
  }

  private static String name(RecordedThread thread) {
    String java = thread.getJavaName();
    return java == null ? String.valueOf(thread.getOSName()) : java;
  }

  private interface Recordings {
    Recording create() throws IOException, ParseException;
  }

  private interface Extraction<T> {
    T from(Path file, Instant begin) throws IOException;
  }

  private <T> Future<T> record(Duration length, Recordings recordings, Extraction<T> extraction) {
    Promise<T> promise = executor.newPromise();
    if (!busy.compareAndSet(false, true)) {
      return promise.setFailure(new ProfilerBusyException());
    }
    executor.execute(
        () -> {
          Recording recording = null;
          try {
            recording = recordings.create();
            recording.start();
          } catch (Exception e) {
            if (recording != null) {
              recording.close();
            }
            busy.set(false);
            promise.tryFailure(e);
            return;
          }
          finishAfter(length, recording, extraction, promise);
        });
    return promise;
  }

  private <T> void finishAfter(
      Duration length, Recording recording, Extraction<T> extraction, Promise<T> promise) {
    Instant begin = clock.instant();
    ScheduledFuture<?> end =
        executor.schedule(
            () -> {
              if (!promise.setUncancellable()) {
                return; // given up; its listener has cleaned up, or will
              }
              try {
                promise.setSuccess(extract(recording, extraction, begin));
              } catch (Exception e) {
                promise.setFailure(e);
              } finally {
                recording.close();
                busy.set(false);
              }
            },
            length.toNanos(),
            TimeUnit.NANOSECONDS);
    promise.addListener(
        _ -> {
          if (promise.isCancelled()) {
            end.cancel(false);
            recording.close();
            busy.set(false);
          }
        });
  }

  private static <T> T extract(Recording recording, Extraction<T> extraction, Instant begin)
      throws IOException {
    recording.stop();
    Path file = Files.createTempFile("ztunnel-", ".jfr");
    try {
      recording.dump(file);
      return extraction.from(file, begin);
    } finally {
      Files.deleteIfExists(file);
    }
  }

  private interface EventReader {
    void read(RecordedEvent event);
  }

  private static void forEach(Path file, EventReader reader) throws IOException {
    try (RecordingFile events = new RecordingFile(file)) {
      while (events.hasMoreEvents()) {
        reader.read(events.readEvent());
      }
    }
  }

  @Override
  public void close() {
    executor
        .submit(
            () -> {
              stopAllocations();
              heapActive = false;
            })
        .addListener(
            done -> {
              if (!done.isSuccess()) {
                LOG.at(LogLevel.DEBUG, "recording of allocations not closed")
                    .string("error", String.valueOf(done.cause()))
                    .log();
              }
            });
  }
}
