package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;

/** How tenants share the budget; in units of 64 KiB, the steps in which it is counted. */
class HeldBytesTest {
  private static final int UNIT = 64 * 1024;

  private final HeldBytes whole = new HeldBytes(60L * UNIT);
  private int relieved;

  private HeldBytes.Account account(HeldBytes of) {
    return of.open(Runnable::run, () -> relieved++, () -> {});
  }

  @Test
  void oneTenantAloneMayHoldTwoThirds() {
    HeldBytes part = whole.part();
    HeldBytes.Account account = account(part);
    account.add(40 * UNIT);
    assertFalse(account.isExceeded());
    account.add(UNIT);
    assertTrue(account.isExceeded());
    assertEquals(41L * UNIT, whole.total());
  }

  @Test
  void whoComesFindsRoomHoweverManyHoldAllTheyMay() {
    HeldBytes large = new HeldBytes(6_000L * UNIT);
    for (int tenant = 0; tenant < 5; tenant++) {
      HeldBytes.Account greedy = account(large.part());
      while (!greedy.isExceeded()) {
        greedy.add(UNIT);
      }
    }
    assertTrue(large.total() < 6_000L * UNIT, () -> "held: " + large.total());
    assertFalse(account(large.part()).isExceeded());
  }

  @Test
  void whoComesFindsRoomWhateverWindowsThatWereOpenBring() {
    HeldBytes large = new HeldBytes(12_800L * UNIT);
    HeldBytes.Account greedy = account(large.part());
    greedy.add(30_000 * UNIT);
    assertTrue(greedy.isExceeded());
    HeldBytes.Account modest = account(large.part());
    modest.add(100 * UNIT);
    assertFalse(modest.isExceeded());
    modest.add(UNIT);
    assertTrue(modest.isExceeded());
  }

  @Test
  void fromFourTimesTheLimitOnTheTenantThatHoldsMostLetsGoOfIt() {
    HeldBytes greedy = whole.part();
    List<String> told = new ArrayList<>();
    Map<String, HeldBytes.Account> all = new HashMap<>();
    BiFunction<HeldBytes, String, HeldBytes.Account> open =
        (tenant, name) -> {
          HeldBytes.Account account =
              tenant.open(
                  Runnable::run,
                  () -> {},
                  () -> {
                    told.add(name);
                    if (name.startsWith("slow")) {
                      Objects.requireNonNull(all.get(name)).remove(50 * UNIT);
                    }
                  });
          all.put(name, account);
          return account;
        };
    open.apply(whole.part(), "neighbour").add(90 * UNIT);
    open.apply(greedy, "slow 60").add(60 * UNIT);
    open.apply(greedy, "slow 80").add(80 * UNIT);
    assertEquals(List.of(), told);
    open.apply(greedy, "busy").add(10 * UNIT);
    assertEquals(List.of(), told, "four times the limit are held now");
    HeldBytes.Account late = open.apply(whole.part(), "late");
    late.add(UNIT);
    assertEquals(List.of("slow 80"), told);
    late.add(100 * UNIT); // 291 of 240: neighbour 90, greedy 100, late 101
    assertEquals("late", told.getLast(), "who holds most now");
    assertTrue(whole.isFull(), "it could not let go");
  }

  @Test
  void aTenantThatWaitsIsRelievedByItsOwnReadersAndByOthers() {
    HeldBytes.Account one = account(whole.part());
    HeldBytes.Account other = account(whole.part());
    other.add(30 * UNIT);
    one.add(25 * UNIT);
    one.awaitRelief();
    one.remove(10 * UNIT); // 15 of 2 * (60 - 45)
    assertEquals(1, relieved);
    one.add(20 * UNIT);
    one.awaitRelief();
    other.remove(5 * UNIT); // 35 of 2 * (60 - 60)
    assertEquals(1, relieved);
    other.close(); // 35 of 2 * (60 - 35)
    assertEquals(2, relieved);
  }

  @Test
  void whatLingersIsLimitedForAllTenantsTogether() {
    HeldBytes one = whole.part();
    HeldBytes other = whole.part();
    assertTrue(one.tryLinger(40L * UNIT));
    assertTrue(other.isLingeringScarce());
    assertFalse(other.tryLinger(21L * UNIT));
    assertEquals(40L * UNIT, whole.total());
    assertEquals(40L * UNIT, one.total());
    one.lingered(40L * UNIT);
    assertEquals(0, whole.total());
    assertTrue(other.tryLinger(21L * UNIT));
    other.lingered(21L * UNIT);
    assertEquals(0, other.total());
  }
}
