package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** How tenants share the budget; in units of 64 KiB, the steps in which it is counted. */
class HeldBytesTest {
  private static final int UNIT = 64 * 1024;

  private final HeldBytes whole = new HeldBytes(60L * UNIT);
  private int relieved;

  private HeldBytes.Account account(HeldBytes of) {
    return of.open(Runnable::run, () -> relieved++);
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
  void fromFourTimesTheLimitOnOneReaderMayHaveAPartOfWhatIsLeft() {
    HeldBytes.Account account = account(whole.part());
    HeldBytes.Account other = account(whole.part());
    account.add(240 * UNIT);
    assertEquals(Long.MAX_VALUE, account.mostForOne());
    account.add(UNIT);
    assertEquals((360 - 241) * UNIT / 64, account.mostForOne());
    assertEquals(account.mostForOne(), other.mostForOne());
    other.add(200 * UNIT);
    assertEquals(0, other.mostForOne());
    account.close();
    assertEquals(Long.MAX_VALUE, other.mostForOne());
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
