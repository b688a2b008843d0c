package io.ztunnel.explain;

import io.ztunnel.explain.Explanation.Place;
import io.ztunnel.explain.Explanation.Step;
import java.util.ArrayList;
import java.util.List;

/** The steps of an explanation in the making. Confined to the thread that explains. */
final class Steps {
  private final List<Step> steps = new ArrayList<>();
  private Place place = Place.QUESTION;

  /** Further steps are taken there. */
  void enter(Place next) {
    place = next;
  }

  void add(String text) {
    steps.add(new Step(place, 0, text));
  }

  /** Something that belongs to the step before. */
  void detail(String text) {
    steps.add(new Step(place, 1, text));
  }

  List<Step> list() {
    return steps;
  }
}
