"""The plan of the synthetic study of endoscopic ultrasound: who came, what was recorded and labelled.

Procedure times are kept below a minute. Every quirk of the labelling app appears in one of these visits.
"""

from eus_etl.sample.plan import (
    DOCTOR,
    BadFile,
    Cast,
    Episode,
    Item,
    Recording,
    SheetRow,
    StudyPlan,
    Timer,
    Visit,
)

FAMILIES = {
    "station": ("Station 1", "Station 2", "Station 3"),
    "position": ("Stomach 1", "D 1", "D 2"),
    "fna": ("FNA",),
    "tumor": ("Tumor",),
}
_PRESUMED = ("CCP", "Cysts")


def plan_eusml(cast: Cast) -> StudyPlan:
    """Four visits with item and videos, one without videos, one without an item."""
    stated, rerun, late = _stated_times(cast), _labelled_twice(cast), _late_start(cast)
    slow, unrecorded, unlabelled = _slow_stopwatch(cast), _without_video(cast), _without_item(cast)
    nobody = _nobody(cast)
    return StudyPlan(
        study="eusml",
        families=FAMILIES,
        visits=(stated, rerun, late, slow, unrecorded, unlabelled),
        nobody=(nobody,),
        bad_files=_bad_files(stated, rerun, late, nobody),
        key_header="Patient",
        headers={"cancer_type": "Cancer type"},
        rows=_rows(cast, stated, rerun, late, slow, unrecorded),
    )


def _stated_times(cast: Cast) -> Visit:
    """Two files of one name in two folders, whose containers state times with a gap of 4 s between them.

    Neighbouring labels overlap by a tick, FNA over-runs, a stop lies just past the end, a timer is lost.
    """
    person, alias = cast.person(), cast.alias()
    folder, name = f"{alias} upload 3", f"{person.surname} scan 1.mp4"
    first = (Episode("no_signal", 0, 1.5), Episode("color_mode", 5, 8), Episode("frozen", 10, 13))
    second = (Episode("blurred", 3, 4.5), Episode("frozen", 8, 10))
    return Visit(
        person=person,
        patient_id=cast.patient_id(),
        alias=alias,
        started_at=cast.day(1),
        field_kind="convex",
        size=(480, 360),
        recordings=(
            Recording((folder, "part a", name), "libx264", "mp4", 15, 16, first, 0, states_time=True),
            Recording((folder, "part b", name), "libx264", "mp4", 15, 16, second, 20, states_time=True),
        ),
        item=Item(
            timers=(
                Timer("Stomach 1", 1, "00:00:00", "00:00:21", (0, 20)),
                Timer("D 1", 1, "00:00:20", "00:00:37", (20, 36)),
                Timer("Station 1", 1, "00:00:03", "00:00:12", (3, 11)),
                Timer("Station 2", 1, "00:00:11", "00:00:26", (11, 26)),
                Timer("Station 3", 1, "00:00:26", None, problems=("no_stop",)),
                Timer("FNA", 1, "00:00:13", "00:00:29", (13, 29)),
                Timer("Tumor", 1, "00:00:14", "00:00:24", (14, 24)),
            ),
            stop_procedure="00:00:36",
            cancer=True,
            morphology=("Cysts", "Mass"),
            morphology_presumed=_PRESUMED,
            biopsy=f"Adenocarcinoma, grade 2. {person.name} told by Dr. {DOCTOR}",
        ),
    )


def _labelled_twice(cast: Cast) -> Visit:
    """Two files without times, to be laid end to end by natural name; intervals of a first run remain."""
    person, patient_id = cast.person(), cast.patient_id()
    first = (Episode("color_mode", 2, 4), Episode("frozen", 6, 8.5))
    second = (Episode("blurred", 5, 6), Episode("color_mode", 8, 10))
    return Visit(
        person=person,
        patient_id=patient_id,
        alias=cast.alias(),
        started_at=cast.day(2),
        field_kind="radial",
        size=(512, 384),
        recordings=(
            Recording((patient_id, f"{person.surname} 2.avi"), "mjpeg", "avi", 15, 12, first),
            Recording(
                (patient_id, f"{person.surname} 10.mpeg"),
                "mpeg2video",
                "vob",
                25,
                14,
                second,
                12,
                b_frames=2,
            ),
        ),
        item=Item(
            timers=(
                Timer("Stomach 1", 1, "00:00:00", "00:00:14", (0, 14)),
                Timer("D 1", 1, "00:00:14", "00:00:26", (14, 26)),
                Timer("Station 1", 1, "00:00:02", "00:00:10", (2, 10)),
                Timer("Station 1", 2, "00:00:06", "00:00:09", problems=("stale_rerun",)),
                Timer("Station 2", 1, "00:00:10", "00:00:21", (10, 21)),
                Timer("Station 3", 1, "00:00:31", "00:00:40", problems=("stale_rerun", "past_procedure_end")),
            ),
            stop_procedure="00:00:26",
            cancer=" ",
            morphology="Mass",
            morphology_presumed="CCP",
        ),
    )


def _late_start(cast: Cast) -> Visit:
    """The recording begins 4 s before the procedure; its rate varies; old spellings, rubbish times."""
    person, patient_id = cast.person(), cast.patient_id()
    episodes = (
        Episode("no_signal", 0, 2),
        Episode("optical_view", 2, 5),
        Episode("color_mode", 12, 15),
        Episode("blurred", 20, 21.2),
        Episode("frozen", 24, 26),
    )
    recording = Recording(
        (f"{patient_id}_eus", f"{person.surname} (1) .. ~ 2.MP4"),
        "libx264",
        "mp4",
        20,
        28,
        episodes,
        rate_kind="variable",
    )
    return Visit(
        person=person,
        patient_id=patient_id,
        alias=cast.alias(),
        started_at=cast.day(3),
        field_kind="convex",
        size=(480, 360),
        recordings=(recording,),
        item=Item(
            timers=(
                Timer("Stomach 1", 1, "00:00:00", "00:00:10", (0, 10)),
                Timer("D 1", 1, "00:00:10", "00:00:24", (10, 24)),
                Timer("Station 1", 1, "00:00:02", "00:00:08", (2, 8)),
                Timer("Station 1", 2, "00:00:15", "00:00:24", (15, 24)),
                Timer("Station 3", 1, "00:00:08", "00:00:15", (8, 15)),
                Timer("FNA", 1, "00:00:08", "00:00:05", problems=("stop_before_start",)),
                Timer("FNA", 2, "00:00:14", "00:00:17", (14, 17)),
                Timer("Tumor", 1, "ab:cd", "00:00:09", problems=("bad_time",)),
            ),
            stop_procedure="00:00:24",
            spelling="joined",
            cancer=False,
            morphology=("Normal",),
        ),
        offset_s=4.0,
    )


def _slow_stopwatch(cast: Cast) -> Visit:
    """The stopwatch lost 1 s in 21; the stream's time starts at 139 s; an old item with camel case keys."""
    person, alias = cast.person(), cast.alias()
    episodes = (Episode("frozen", 5, 7), Episode("blurred", 10, 11), Episode("color_mode", 14, 16))
    name = f"{person.surname} Übersicht 1\N{DIVISION SLASH}2 \\ ä.ts"
    recording = Recording((f"{alias} Größe", name), "libx264", "mpegts", 20, 21, episodes, first_pts_s=139)
    return Visit(
        person=person,
        patient_id=cast.patient_id(),
        alias=alias,
        started_at=cast.day(4),
        field_kind="convex",
        size=(480, 360),
        recordings=(recording,),
        item=Item(
            timers=(
                Timer("Stomach 1", 1, "00:00:00", "00:00:09", (0, 9)),
                Timer("D 1", 1, "00:00:09", "00:00:20", (9, 20)),
                Timer("Station 1", 1, "00:00:02", "00:00:07", (2, 7)),
                Timer("Station 2", 1, "00:00:07", "00:00:13", (7, 13)),
                Timer("Station 3", 1, "00:00:13", "00:00:19", (13, 19)),
                Timer("Tumor", 1, "00:00:08", "00:00:12", (8, 12)),
            ),
            stop_procedure="00:00:20",
            spelling="camel",
            morphology="CCP",
        ),
        scale=1.05,
    )


def _without_video(cast: Cast) -> Visit:
    """Labels without a recording, with rubbish beside what is good."""
    person = cast.person()
    return Visit(
        person=person,
        patient_id=cast.patient_id(),
        alias=cast.alias(),
        started_at=cast.day(5),
        field_kind="radial",
        size=(480, 360),
        recordings=(),
        item=Item(
            timers=(
                Timer("D 2", 1, "00:00:10", "00:00:45", (10, 45)),
                # nothing tells which of these two is right
                Timer("Station 1", 1, "00:00:05", "00:00:20", None, ("overlaps_same_family",), "overlap"),
                Timer("Station 2", 1, "00:00:12", "00:00:30", None, ("overlaps_same_family",), "overlap"),
                Timer("Station 3", 1, "00:00:35", "00:00:50", (35, 50)),
                Timer("FNA", 1, None, "00:00:40", problems=("no_start",)),
                Timer("Tumor", 1, "99:99:99", "00:00:30", problems=("bad_time",)),
                Timer("Gallbladder", 1, "00:00:03", "00:00:09", problems=("unknown_label",)),
            ),
            stop_procedure="00:01:00",
            cancer=True,
            morphology=("Mass", "Others"),
            biopsy=f"No result yet, {person.name} to be called",
        ),
    )


def _without_item(cast: Cast) -> Visit:
    """An upload whose labels have not come yet: the folder's name is all that is known."""
    person, patient_id = cast.person(), cast.patient_id()
    recording = Recording((patient_id, "new", f"{person.surname}.mp4"), "libx264", "mp4", 10, 12)
    return Visit(person, patient_id, None, cast.day(6), "convex", (480, 360), (recording,))


def _nobody(cast: Cast) -> Visit:
    person = cast.person()
    recording = Recording(("misc", f"Frau {person.surname} Sono.mp4"), "libx264", "mp4", 10, 12)
    return Visit(person, None, None, cast.day(7), "linear", (320, 240), (recording,))


def _bad_files(stated: Visit, rerun: Visit, late: Visit, nobody: Visit) -> tuple[BadFile, ...]:
    first = stated.recordings[0]
    folder = first.parts[0]
    return (
        BadFile(
            (folder, f"copy of {stated.person.surname}.mp4"),
            "duplicate_upload",
            stated.patient_id,
            copy_of=first.file,
        ),
        BadFile((folder, f"{stated.person.surname} broken.mp4"), "unreadable", stated.patient_id),
        BadFile(
            (rerun.recordings[0].parts[0], f"{rerun.person.surname} dictation.wav"),
            "audio_only",
            rerun.patient_id,
        ),
        BadFile((late.recordings[0].parts[0], f"{late.person.surname} empty.mp4"), "empty", late.patient_id),
        BadFile(
            (f"{stated.alias} and others", f"{rerun.patient_id} {nobody.person.surname}.mp4"),
            "two_patients",
            copy_of=nobody.recordings[0].file,
        ),
    )


def _rows(
    cast: Cast, stated: Visit, rerun: Visit, late: Visit, slow: Visit, unrecorded: Visit
) -> tuple[SheetRow, ...]:
    def row(visit: Visit, key: str | None, cell: str, good: str | None, why: str | None = None) -> SheetRow:
        return SheetRow(
            key or "",
            visit.patient_id,
            visit.person.name,
            f"phone {DOCTOR}, ext. 5550142",
            {"cancer_type": cell},
            {"cancer_type": good} if good else {},
            {"cancer_type": why} if why else {},
        )

    stranger = cast.person()
    repeated = row(unrecorded, unrecorded.alias, "none", "none")
    return (
        row(stated, stated.patient_id, "adenocarcinoma", "adenocarcinoma"),
        row(rerun, rerun.alias, "Neuroendocrine", "neuroendocrine"),
        row(late, late.patient_id, "sarcoma?", None, "not_allowed"),
        row(slow, slow.alias, "", None),
        repeated,
        repeated,
        SheetRow("Nowhere-Nemo-99", None, stranger.name, "", {"cancer_type": "other"}, {}, {}),
    )
