package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WorkerThreadsTest {
  @ParameterizedTest(name = "{0} of {5}: {6}")
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          # threads | resource limit | cpu limit | request | concurrency | cores | expected
          4         | -              | -         | -       | -           | 8     | 4
          50%       | -              | -         | -       | -           | 8     | 4
          30%       | -              | -         | -       | -           | 16    | 5
          10%       | -              | -         | -       | -           | 4     | 1
          12.5%     | -              | -         | -       | -           | 8     | 1
          0         | -              | -         | -       | -           | 8     | 8
          50%       | 2              | 6         | -       | -           | 8     | 1
          50%       | -              | 6         | -       | -           | 8     | 3
          -         | -              | -         | -       | -           | 8     | 2
          -         | -              | -         | -       | -           | 1     | 2
          -         | -              | -         | -       | -           | 32    | 8
          -         | -              | 32        | -       | -           | 4     | 8
          -         | -              | 0         | -       | -           | 4     | 2
          0         | -              | 0         | -       | -           | 4     | 1
          -         | 16             | -         | -       | -           | 4     | 16
          -         | 1              | -         | -       | -           | 4     | 1
          -         | 500m           | -         | -       | -           | 4     | 1
          -         | 2500m          | -         | -       | -           | 4     | 3
          -         | 1.5            | -         | -       | -           | 4     | 2
          -         | -              | -         | 8       | -           | 8     | 8
          -         | -              | -         | 1       | -           | 4     | 2
          -         | 16             | -         | 4       | -           | 4     | 16
          -         | 4              | -         | 8       | -           | 4     | 8
          -         | -              | -         | -       | 3           | 16    | 3
          -         | 5              | -         | -       | 0           | 16    | 5
          -         | -              | -         | -       | 0           | 16    | 16
          7         | -              | -         | -       | 3           | 16    | 7
          """)
  void threadsFollowLimitsAndRequests(
      @Nullable String threads,
      @Nullable String resourceLimit,
      @Nullable String cpuLimit,
      @Nullable String request,
      @Nullable Integer concurrency,
      int cores,
      int expected) {
    var variables = new HashMap<String, String>();
    put(variables, "ZTUNNEL_WORKER_THREADS", threads);
    put(variables, "ZTUNNEL_RESOURCE_CPU_LIMIT", resourceLimit);
    put(variables, "ZTUNNEL_CPU_LIMIT", cpuLimit);
    put(variables, "ZTUNNEL_RESOURCE_CPU_REQUEST", request);
    assertEquals(expected, WorkerThreads.count(new Environment(variables), cores, concurrency));
  }

  private static void put(Map<String, String> variables, String name, @Nullable String value) {
    if (value != null) {
      variables.put(name, value);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "ZTUNNEL_WORKER_THREADS, 0%, percentage must be between 0 and 100",
    "ZTUNNEL_WORKER_THREADS, 101%, percentage must be between 0 and 100",
    "ZTUNNEL_WORKER_THREADS, x%, expected: a number of threads or a percentage",
    "ZTUNNEL_WORKER_THREADS, x, expected: a whole number from 0 to 65535",
    "ZTUNNEL_RESOURCE_CPU_LIMIT, 0, must be a positive CPU quantity",
    "ZTUNNEL_RESOURCE_CPU_LIMIT, NaN, must be a positive CPU quantity",
    "ZTUNNEL_RESOURCE_CPU_REQUEST, -1, must be a positive CPU quantity",
    "ZTUNNEL_RESOURCE_CPU_REQUEST, '', must be a positive CPU quantity",
  })
  void aBadQuantityIsReportedEvenIfAnotherSettingWins(String name, String value, String reason) {
    var variables = new HashMap<String, String>();
    variables.put("ZTUNNEL_WORKER_THREADS", "4");
    variables.put(name, value);
    var refused =
        assertThrows(
            ConfigException.class, () -> WorkerThreads.count(new Environment(variables), 4, null));
    assertEquals(
        "invalid env var " + name + "=" + value + " (" + reason + ")", refused.getMessage());
  }
}
