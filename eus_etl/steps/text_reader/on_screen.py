"""The words that a screen shows all the time: they tell the screen from the ultrasound picture on it."""

from collections.abc import Iterator, Sequence

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.region import Box
from eus_etl.steps.text_reader.words import TextReader, Word, shared

_PICTURES = 2
_LONGEST_SIDE_PX = 1280
_SURE = 0.8
_SAME_PLACE = 0.5
_SHORTEST = 3
"""Letters and digits: of fewer, tissue has many that a reader is sure of."""


def words_on_screen(reader: TextReader | None, layout_id: str, pictures: Sequence[Picture]) -> list[Box]:
    """Boxes around words that two pictures of a layout show at the same place; none without a reader.

    Args:
        reader: reads the pictures.
        layout_id: for messages.
        pictures: uint8 (h, w), all of one size, spread over the layout.

    Raises:
        TextReaderError: the reader fails.
    """
    if reader is None or not pictures:
        return []
    chosen = [pictures[number] for number in spread(len(pictures), _PICTURES)]
    side = min(_LONGEST_SIDE_PX, max(chosen[0].shape))
    read = [list(_sure(words)) for words in reader.read(layout_id, chosen, side)]
    return [
        (word.x, word.y, word.w, word.h)
        for word in read[0]
        if all(any(min(shared(word, other)) > _SAME_PLACE for other in own) for own in read[1:])
    ]


def _sure(words: Sequence[Word]) -> Iterator[Word]:
    for word in words:
        if word.score >= _SURE and sum(map(str.isalnum, word.text)) >= _SHORTEST:
            yield word
