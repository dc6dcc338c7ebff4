"""What the change feed tells of a study's folder, and what only a full listing finds."""

from eus_etl.sources.videos.google_drive.cache import Mirror
from eus_etl_tests.support.hospitals.drive_study import Study


def test_an_unchanged_drive_costs_one_request_and_no_writing(study: Study) -> None:
    for number in range(120):
        study.visit(f"visit{number}", "a.mp4")
    first = study.source.list_files()
    assert study.requests_of() == 1 + 1 + 1 + 3  # the folder, a token, its folders, their files
    before, written = study.requests_of(), study.mirror.stat().st_mtime_ns
    assert study.source.revision() == first.revision
    assert study.requests_of() == before + 1
    assert study.mirror.stat().st_mtime_ns == written
    assert study.source.list_files() == first
    assert study.requests_of() == before + 2


def test_changes_elsewhere_keep_the_revision(study: Study) -> None:
    study.visit("visit", "a.mp4")
    first = study.source.list_files()
    elsewhere = study.drive.folder("elsewhere", drive_id=study.drive.items[study.folder].drive_id)
    study.drive.upload("b.mp4", elsewhere, b"b")
    assert study.source.revision() == first.revision
    assert elsewhere not in {entry.entry_id for entry in Mirror(study.mirror).entries()}


def test_a_new_and_a_replaced_and_a_renamed_file(study: Study) -> None:
    visit = study.visit("visit")
    one, two = (study.drive.upload(name, visit, name.encode()) for name in ("1.mp4", "2.mp4"))
    before = study.source.list_files()
    study.drive.replace(one, b"other content")
    study.drive.change(two, name="renamed.mp4")
    three = study.drive.upload("3.mp4", visit, b"three")
    after = study.source.list_files()
    assert after.revision != before.revision
    md5s = {file.source_id: file.md5 for file in before.files}
    found = {file.source_id: file for file in after.files}
    assert found.keys() == {one, two, three}
    assert found[one].md5 == study.drive.items[one].md5 != md5s[one]
    assert (found[two].md5, found[two].name) == (md5s[two], "renamed.mp4")


def test_a_change_to_a_folder_moves_everything_below_it(study: Study) -> None:
    visit = study.visit("visit", "a.mp4")
    study.drive.upload("b.mp4", study.drive.folder("inner", visit), b"b")
    assert study.paths() == {"visit/a.mp4", "visit/inner/b.mp4"}
    study.drive.change(visit, name="renamed")
    assert study.paths() == {"renamed/a.mp4", "renamed/inner/b.mp4"}
    outside = study.drive.folder("outside", drive_id=study.drive.items[study.folder].drive_id)
    study.drive.change(visit, parent=outside)
    assert study.paths() == set()
    study.drive.upload("meanwhile.mp4", visit, b"while it was outside")
    study.drive.change(visit, parent=study.folder)
    assert study.paths() == {"renamed/a.mp4", "renamed/inner/b.mp4", "renamed/meanwhile.mp4"}
    study.drive.change(visit, trashed=True)
    assert study.paths() == set()
    study.drive.change(visit, trashed=False)
    assert len(study.paths()) == 3


def test_lost_access_takes_a_file_from_the_listing(study: Study) -> None:
    visit = study.visit("visit", "a.mp4")
    other = study.visit("other", "b.mp4")
    assert len(study.paths()) == 2
    study.drive.change(other, shared=False)
    assert study.paths() == {"visit/a.mp4"}
    study.drive.change(other, shared=True)
    assert study.paths() == {"visit/a.mp4", "other/b.mp4"}
    study.drive.delete(next(key for key, item in study.drive.items.items() if item.parent == visit))
    assert study.paths() == {"other/b.mp4"}


def test_a_rejected_token_means_a_full_listing(study: Study) -> None:
    study.visit("visit", "a.mp4")
    study.source.list_files()
    study.visit("later", "b.mp4")
    study.drive.forget_old_changes()
    lists = study.requests_of("list")
    assert study.paths() == {"visit/a.mp4", "later/b.mp4"}
    assert study.requests_of("list") > lists
    before = study.requests_of()
    study.source.revision()
    assert study.requests_of() == before + 1


def test_a_feed_of_several_pages(study: Study) -> None:
    study.source.list_files()
    study.server.page_limit = 2
    for number in range(5):
        study.visit(f"visit{number}", "a.mp4")
    assert len(study.paths()) == 5


def test_relisting_says_what_the_feed_had_missed(study: Study) -> None:
    visit = study.visit("visit", "a.mp4", "b.mp4")
    a, b = (key for key, item in study.drive.items.items() if item.parent == visit)
    study.server.missing = {a}  # a page that left out an entry
    assert study.paths() == {"visit/b.mp4"}
    study.server.missing = set()
    assert study.paths() == {"visit/b.mp4"}
    study.drive.items[b].take(b"the feed says nothing of this")
    missed = study.source.relist()
    assert (missed.appeared, missed.vanished, missed.changed) == ((a,), (), (b,))
    assert study.paths() == {"visit/a.mp4", "visit/b.mp4"}
    assert not study.source.relist()
