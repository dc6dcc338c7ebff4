"""The plan of the synthetic study of liver ultrasound: who came, what was recorded and labelled."""

from eus_etl.sample.plan import DOCTOR, Cast, Episode, Item, Recording, SheetRow, StudyPlan, Timer, Visit

FAMILIES = {"liver": ("Liver",)}


def plan_fatty_liver(cast: Cast) -> StudyPlan:
    """Three visits, one of them never labelled."""
    linear, convex, unlabelled = _linear(cast), _convex(cast), _without_timers(cast)
    return StudyPlan(
        study="fatty_liver",
        families=FAMILIES,
        visits=(linear, convex, unlabelled),
        nobody=(),
        bad_files=(),
        key_header="Patient",
        headers={"cap_db_m": "CAP score", "stiffness_kpa": "Stiffness"},
        rows=_rows(cast, linear, convex, unlabelled),
    )


def _linear(cast: Cast) -> Visit:
    person, alias = cast.person(), cast.alias()
    recording = Recording(
        (f"{alias} liver", f"{person.surname} liver.mp4"),
        "libx264",
        "mp4",
        15,
        20,
        (Episode("frozen", 6, 8), Episode("color_mode", 14, 16)),
        states_time=True,
    )
    item = Item(
        timers=(
            Timer("Liver", 1, "00:00:02", "00:00:09", (2, 9)),
            Timer("Liver", 2, "00:00:11", "00:00:20", (11, 20)),
        ),
        stop_procedure="00:00:20",
    )
    return Visit(person, cast.patient_id(), alias, cast.day(11), "linear", (480, 360), (recording,), item)


def _convex(cast: Cast) -> Visit:
    """B-frames, a black lead-in, a lifted probe, and a label whose neighbour overlaps it by a tick."""
    person, patient_id = cast.person(), cast.patient_id()
    recording = Recording(
        (patient_id, "day 1", f"{person.surname} abdomen.mp4"),
        "libx264",
        "mp4",
        20,
        18,
        (Episode("no_signal", 0, 1.5), Episode("low_contact", 5, 8.2), Episode("blurred", 12, 13.2)),
        b_frames=2,
    )
    item = Item(
        timers=(
            Timer("Liver", 1, "00:00:03", "00:00:10", (3, 9)),
            Timer("Liver", 2, "00:00:09", "00:00:18", (9, 18)),
        ),
        stop_procedure="00:00:18",
    )
    return Visit(person, patient_id, cast.alias(), cast.day(12), "convex", (512, 384), (recording,), item)


def _without_timers(cast: Cast) -> Visit:
    """The screen changes twice; no folder of its own: the file's name begins with the alias."""
    person, alias = cast.person(), cast.alias()
    episodes = (Episode("split_layout", 4, 7.4), Episode("report_screen", 10, 13.4))
    recording = Recording((f"{alias} {person.surname}.mp4",), "libx264", "mp4", 15, 16, episodes)
    return Visit(person, cast.patient_id(), alias, cast.day(13), "linear", (480, 360), (recording,), Item())


def _rows(cast: Cast, linear: Visit, convex: Visit, unlabelled: Visit) -> tuple[SheetRow, ...]:
    def row(
        visit: Visit, key: str | None, cap: str, stiffness: str, good: dict[str, float], bad: dict[str, str]
    ) -> SheetRow:
        cells = {"cap_db_m": cap, "stiffness_kpa": stiffness}
        return SheetRow(
            key or "", visit.patient_id, visit.person.name, f"seen by {DOCTOR}", cells, dict(good), bad
        )

    stranger = cast.person()
    repeated = row(unlabelled, unlabelled.alias, "245", "5.2", {"cap_db_m": 245.0, "stiffness_kpa": 5.2}, {})
    return (
        row(linear, linear.patient_id, "287", "6.1", {"cap_db_m": 287.0, "stiffness_kpa": 6.1}, {}),
        row(
            convex,
            convex.alias,
            "450",
            "see report",
            {},
            {"cap_db_m": "out_of_range", "stiffness_kpa": "not_a_number"},
        ),
        repeated,
        repeated,
        SheetRow("Nowhere-Nemo-98", None, stranger.name, "", {"cap_db_m": "301"}, {}, {}),
    )
