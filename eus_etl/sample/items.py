"""Label items as the labelling app writes them, in DynamoDB's attribute-value form."""

from collections.abc import Sequence

from eus_etl.sample.plan import Item, Spelling, Visit

AttributeValue = dict[str, object]

ORG = "AIMS"
# how old items spelt labels that have a space today
_JOINED = {"Stomach 1": "Stomach"}


def item_of(visit: Visit) -> dict[str, AttributeValue] | None:
    """The visit's item, attributes sorted by name as the app's exports show them; None where it has none."""
    item = visit.item
    if item is None or visit.patient_id is None or visit.alias is None:
        return None
    attributes: dict[str, AttributeValue] = {
        "pk": {"S": visit.patient_id},
        "pseudo_name": {"S": visit.alias},
        "org": {"S": ORG},
        "Date": {"S": visit.started_at.date().isoformat()},
    }
    for timer in item.timers:
        for press, value in (("Start", timer.start), ("Stop", timer.stop)):
            if value is not None:
                attributes[_key(item.spelling, press, timer.label, timer.occurrence)] = {"S": value}
    for name, said in _said(item).items():
        if said is not None:
            attributes[name] = _value(said)
    return dict(sorted(attributes.items()))


def _said(item: Item) -> dict[str, bool | str | Sequence[str] | None]:
    return {
        "Stop Procedure": item.stop_procedure,
        "cancer": item.cancer,
        "morphology": item.morphology,
        "morphology_presumed": item.morphology_presumed,
        "biopsy": item.biopsy,
    }


def _key(spelling: Spelling, press: str, label: str, occurrence: int) -> str:
    if spelling == "spaced":
        return f"{press} {label} {occurrence}"
    joined = _JOINED.get(label, label.replace(" ", ""))
    return f"{press} {joined} {occurrence}" if spelling == "joined" else f"{joined.lower()}{press}"


def _value(said: bool | str | Sequence[str]) -> AttributeValue:
    if isinstance(said, bool):
        return {"BOOL": said}
    return {"S": said} if isinstance(said, str) else {"L": [{"S": word} for word in said]}
