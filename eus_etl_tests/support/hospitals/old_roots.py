"""Roots as earlier scripts filled them."""

from pathlib import Path

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.settings import StudyConfig

INVENTED = "Quillfeather"
"""A name in uploaded file names and free text, which must not come out."""

OLD_LABELS = f"""Patient ID,Label,Start Time,End Time,doctor
{ONE},station 1,00:00:00,00:00:01,{INVENTED}
{ALIAS_TWO},Station 2 1,0,1,{INVENTED}
{TWO},{INVENTED},3,4,{INVENTED}
nobody-knows,Station 1,0,1,{INVENTED}
"""
OLD_PATIENTS = f"""pk,Hospital,Date,Stop Procedure,Cancer type,biopsy
{ONE},AIMS,2026-10-05,2.0,none,{INVENTED}
{TWO},AIMS,2026-10-05,00:00:07,adenocarcinoma,{INVENTED}
"""


def old_root(hospital: TinyHospital) -> StudyConfig:
    """Fill the hospital's root as the scripts did: own nesting and names, tables, frames."""
    root = hospital.study.root
    one, two = hospital.videos / ONE / "first.mp4", hospital.videos / f"{ALIAS_TWO} scans" / "first.mp4"
    written: dict[str, str | bytes] = {
        f"raw_data/{ONE}/day 1/{INVENTED}.mp4": one.read_bytes(),
        f"raw_data/{ONE}/first.mp4": two.read_bytes(),  # another visit's file stands in the way
        f"raw_data/{TWO}": "a file where a folder will be",
        f"raw_data/{ALIAS_TWO} {INVENTED}/copy.mp4": one.read_bytes(),
        f"raw_data/{INVENTED}.txt": "belongs to nobody",
        "master-dataset/Data/labels.csv": OLD_LABELS,
        "master-dataset/Data/patients.csv": OLD_PATIENTS,
        "master-dataset/Data/sync.csv": f"patient_id,offset_s\n{ONE},0\n",
        f"master-dataset/Frames/{ONE}.csv": "frame,label\n1,a\n",
        f"master-dataset/Frames/{ONE}/000001.png": b"png",
        f"master-dataset/Preprocessed/{ONE}/000001.png": b"grey",
    }
    for name, content in written.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return hospital.study


def files(root: Path) -> dict[str, bytes]:
    """Every file of a root but the pipeline's own state."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".eus_etl")}


ADOPTED = {
    f"raw_data/{ONE}/first.mp4",
    f"raw_data/{TWO}/first.mp4",
    f"legacy/raw_data/{TWO}",
    f"legacy/raw_data/{ALIAS_TWO} {INVENTED}/copy.mp4",
    f"legacy/raw_data/{INVENTED}.txt",
    "master-dataset/Data/legacy/labels.csv",
    "master-dataset/Data/legacy/patients.csv",
    "master-dataset/Data/sync.csv",
    f"master-dataset/Data/legacy/Frames/{ONE}.csv",
    f"master-dataset/Data/legacy/Frames/{ONE}/000001.png",
    f"master-dataset/Data/legacy/Preprocessed/{ONE}/000001.png",
}
