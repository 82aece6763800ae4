"""Free text over one tenant's entities: ranked, without regard to case and accents, and never behind what is committed.

The index is a cache. It lies in a folder of its own, knows up to which position of the log it has seen everything, and
may be thrown away at any time: whoever opens it adds what is newer than its `seq`.
"""

import logging
import math
import shutil
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import tantivy

from runtime.errors import InvalidArguments, Unavailable
from runtime.searchable import text_of
from runtime.tokens import tokenize

__all__ = ["Hit", "Row", "TextIndex", "text_of", "tokenize"]

QUERY_CHARS_MAX = 1_000
WORDS_MAX = 32
LIMIT_MAX = 1_000
# Rows that are searched in memory until they are written; a commit costs 16-25 ms, so it is made about once a second.
OVERLAY_ROWS_MAX = 10_000
OVERLAY_CHARS_MAX = 8_000_000
SETTLE_AFTER_S = 1.0
WRITER_HEAP_BYTES = 15_000_000  # the least that tantivy takes, and only while it writes
# The last word may be unfinished: so many of the words that it could become are looked for, from so many letters on.
ENDINGS_MAX = 16
ENDING_CHARS_MIN = 2
# A word in the title counts as often as if it were written so many times in the rest. One field instead of two is
# searched twice as fast.
TITLE_WEIGHT = 3

_FORMAT = 2  # of what is in the folder, the way that words are folded included: another one is built anew
_STATE_ID = "$state"
_TOKENIZER = "words"
_LONGEST_TEXT = 400_000  # characters of one row

_REBUILT = "it is rebuilt when the tenant is opened again"

_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """An entity as it is at a position in the log: `text` is its title and the rest; a deleted one needs none."""

    seq: int
    noun: str
    id: str
    text: tuple[str, str]
    deleted: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """An entity that was found. Scores compare within one answer only."""

    noun: str
    id: str
    score: float


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A row that is not yet written: its words, with a space around each of them."""

    seq: int
    noun: str
    words: str
    deleted: bool


class TextIndex:
    """The words of one tenant's entities. All methods may be called from any thread."""

    def __init__(self, folder: Path, *, settle_after_s: float | None = SETTLE_AFTER_S) -> None:
        """Open the index in `folder`, or begin one; what is there and is not ours, or is broken, is wiped first.

        What is added is written by itself `settle_after_s` later, on a thread that ends with that; with None, only by
        `settle`.
        """
        self._folder = folder
        self._settle_after_s = settle_after_s
        self._fresh: dict[str, _Fresh] = {}
        self._fresh_chars = 0
        self._lock = threading.Lock()  # of the fresh rows, the timer, and which searcher is the present one
        self._writing = threading.Lock()  # one writer at a time
        self._timer: threading.Timer | None = None
        self._closed = False
        self._schema = _schema()
        self._index, self._written_seq = _opened(folder, self._schema)
        self._searcher = self._index.searcher()
        self._seq = self._written_seq

    @property
    def seq(self) -> int:
        """The position in the log up to which this index has seen everything: the highest `seq` that was added."""
        return self._seq

    @property
    def written_seq(self) -> int:
        """The position that the folder would be opened with again."""
        return self._written_seq

    def add(self, rows: Iterable[tuple[int, str, str, tuple[str, str], bool]]) -> None:
        """Take in `(seq, noun, id, (title, rest), deleted)`; from now on they are found as they are here.

        Costs a few microseconds a row, and now and then, past the bounds of what is kept in memory, a commit.
        Raises Unavailable where that fails.
        """
        for row in rows:
            seq, noun, id, text, deleted = row
            fresh = _Fresh(seq, noun, "" if deleted else _words(text), deleted)
            with self._lock:
                former = self._fresh.get(id)
                if former is None or former.seq <= seq:
                    self._fresh[id] = fresh
                    self._fresh_chars += len(fresh.words) - (len(former.words) if former is not None else 0)
                self._seq = max(self._seq, seq)
                full = len(self._fresh) >= OVERLAY_ROWS_MAX or self._fresh_chars >= OVERLAY_CHARS_MAX
            if full:
                self.settle()
        self._settle_later()

    def reached(self, seq: int) -> None:
        """Say that everything up to this position was added, also what needed no row: `seq` is now at least this."""
        with self._lock:
            self._seq = max(self._seq, seq)

    def search(self, words: str, *, nouns: Collection[str] | None = None, limit: int = 20) -> list[Hit]:
        """The entities with these words, best first: with all of them, or, where none has, with any of them.

        The last word may be the beginning of one. Whatever else is in `words` is no syntax. Raises InvalidArguments for
        a text that is too long, and Unavailable where the folder cannot be read.
        """
        wanted = _wanted(words)
        if not 1 <= limit <= LIMIT_MAX:
            raise InvalidArguments(f"limit is from 1 to {LIMIT_MAX}, not {limit}")
        if not wanted or (nouns is not None and not nouns):
            return []
        with self._lock:
            # Both at once: a row must be in one of them, and a newer one must hide an older.
            searcher, fresh = self._searcher, dict(self._fresh)
        kept = frozenset(nouns) if nouns is not None else None
        try:
            for every in (True, False) if len(wanted) > 1 else (True,):
                hits = _fresh_hits(searcher, fresh, wanted, kept, every=every)
                hits += self._written_hits(searcher, fresh, wanted, kept, limit, every=every)
                if hits:
                    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]
        except (ValueError, OSError) as error:
            raise Unavailable("the text index cannot be read", hint=_REBUILT) from error
        return []

    def count(self, words: str, *, nouns: Collection[str] | None = None) -> int:
        """How many entities `search` would find without a limit. A row not yet written may be counted twice."""
        wanted = _wanted(words)
        if not wanted or (nouns is not None and not nouns):
            return 0
        with self._lock:
            searcher, fresh = self._searcher, dict(self._fresh)
        kept = frozenset(nouns) if nouns is not None else None
        try:
            for every in (True, False) if len(wanted) > 1 else (True,):
                query = _query(self._schema, searcher, wanted, kept, every=every)
                # tantivy's type stubs leave out `count`.
                written = cast(Any, searcher.search(query, 1, count=True)).count or 0
                found = written + len(_fresh_hits(searcher, fresh, wanted, kept, every=every))
                if found:
                    return found
        except (ValueError, OSError) as error:
            raise Unavailable("the text index cannot be read", hint=_REBUILT) from error
        return 0

    def settle(self) -> None:
        """Write what was added since the last time. Raises Unavailable where that fails; nothing is lost by it."""
        with self._writing:
            with self._lock:
                taken = dict(self._fresh)
                seq = self._seq
            if not taken and seq == self._written_seq:
                return
            try:
                self._write(taken, seq)
                self._index.reload()
                searcher = self._index.searcher()
            except (ValueError, OSError) as error:
                raise Unavailable("the text index cannot be written") from error
            with self._lock:
                self._searcher = searcher
                self._written_seq = seq
                for id, row in taken.items():
                    if self._fresh.get(id) is row:
                        del self._fresh[id]
                        self._fresh_chars -= len(row.words)

    def close(self) -> None:
        """Write what was added, as far as that is possible, and let go of the folder."""
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        try:
            self.settle()
        except Unavailable:
            _log.warning("the text index was closed without its last rows; they will be added again", exc_info=True)

    def _write(self, rows: dict[str, _Fresh], seq: int) -> None:
        writer = self._index.writer(heap_size=WRITER_HEAP_BYTES, num_threads=1)
        for id, row in rows.items():
            writer.delete_documents_by_term("id", id)
            if not row.deleted:
                writer.add_document(_document(id, row.noun, row.words))
        # In the same commit as what it speaks of.
        writer.delete_documents_by_term("id", _STATE_ID)
        state = _document(_STATE_ID, "", "")
        state.add_unsigned("seq", seq)
        state.add_unsigned("format", _FORMAT)
        writer.add_document(state)
        writer.commit()
        # Also lets go of the folder, the heap and the threads: a tenant at rest holds none of them.
        writer.wait_merging_threads()

    def _settle_later(self) -> None:
        if self._settle_after_s is None:
            return
        with self._lock:
            if self._timer is not None or self._closed or not self._fresh:
                return
            self._timer = threading.Timer(self._settle_after_s, self._settle_now)
            self._timer.daemon = True
            self._timer.start()

    def _settle_now(self) -> None:
        with self._lock:
            self._timer = None
        try:
            self.settle()
        except Unavailable:
            # The rows stay where they are and are found; the next addition tries again, and a full overlay says so.
            _log.warning("the text index could not be written; it will be tried again", exc_info=True)

    def _written_hits(
        self,
        searcher: tantivy.Searcher,
        fresh: dict[str, _Fresh],
        wanted: tuple[str, ...],
        nouns: frozenset[str] | None,
        limit: int,
        *,
        every: bool,
    ) -> list[Hit]:
        query = _query(self._schema, searcher, wanted, nouns, every=every)
        asked = limit
        while True:
            found = searcher.search(query, asked, count=False).hits
            documents = [(searcher.doc(address), score) for score, address in found]
            hits = [Hit(_text(document, "noun"), _text(document, "id"), score) for document, score in documents]
            # What has a newer row in memory is found there, or is not to be found any more.
            hits = [hit for hit in hits if hit.id not in fresh]
            if len(hits) >= limit or len(found) < asked:
                return hits[:limit]
            asked *= 4


def _opened(folder: Path, schema: tantivy.Schema) -> tuple[tantivy.Index, int]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        index = _index(folder, schema)
        seq = _state(index, schema)
        if seq is not None:
            return index, seq
    except (ValueError, OSError):
        _log.warning("the text index cannot be read and is built anew", exc_info=True)
    except BaseException as error:
        # Where a file of its own is cut short, tantivy panics, and its panics are no Exceptions.
        if type(error).__name__ != "PanicException":
            raise
        _log.warning("the text index is broken and is built anew", exc_info=True)
    shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return _index(folder, schema), 0


def _index(folder: Path, schema: tantivy.Schema) -> tantivy.Index:
    index = tantivy.Index(schema, path=str(folder), reuse=True)
    # Words are folded by `tokenize` before they come here, so all that is left is to part them.
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    index.register_tokenizer(_TOKENIZER, analyzer)
    return index


def _state(index: tantivy.Index, schema: tantivy.Schema) -> int | None:
    """The `seq` that the folder was written with: 0 for a new one, None for one of another format."""
    searcher = index.searcher()
    hits = searcher.search(tantivy.Query.term_query(schema, "id", _STATE_ID, "basic"), 1).hits
    if not hits:
        return 0 if searcher.num_docs == 0 else None
    document = searcher.doc(hits[0][1])
    seq, written_as = document.get_first("seq"), document.get_first("format")
    return seq if isinstance(seq, int) and written_as == _FORMAT else None


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("noun", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("words", tokenizer_name=_TOKENIZER, index_option="freq")
    builder.add_unsigned_field("seq", stored=True)
    builder.add_unsigned_field("format", stored=True)
    return builder.build()


def _document(id: str, noun: str, words: str) -> tantivy.Document:
    document = tantivy.Document()
    document.add_text("id", id)
    document.add_text("noun", noun)
    document.add_text("words", words)
    return document


def _text(document: tantivy.Document, name: str) -> str:
    return str(document.get_first(name))


def _words(text: tuple[str, str]) -> str:
    title, rest = text
    tokens = tokenize(title[:_LONGEST_TEXT]) * TITLE_WEIGHT + tokenize(rest[:_LONGEST_TEXT])
    return f" {' '.join(tokens)} "


def _wanted(words: str) -> tuple[str, ...]:
    if len(words) > QUERY_CHARS_MAX:
        raise InvalidArguments(f"query has {len(words)} characters; at most {QUERY_CHARS_MAX} are allowed")
    tokens = tokenize(words)
    # A word that is repeated wants nothing more, but the last one stays last: it may be unfinished.
    wanted = tuple(dict.fromkeys(reversed(tokens)))[::-1]
    if len(wanted) > WORDS_MAX:
        raise InvalidArguments(f"query has {len(wanted)} words; at most {WORDS_MAX} are allowed")
    return wanted


def _query(
    schema: tantivy.Schema,
    searcher: tantivy.Searcher,
    wanted: tuple[str, ...],
    nouns: frozenset[str] | None,
    *,
    every: bool,
) -> tantivy.Query:
    query, occur = tantivy.Query, tantivy.Occur
    *finished, last = (query.term_query(schema, "words", word, "freq") for word in wanted)
    endings = searcher.terms_with_prefix("words", wanted[-1], limit=ENDINGS_MAX) if _may_go_on(wanted[-1]) else []
    begun = [word for word, _ in endings if word != wanted[-1]]
    if begun:
        # However many of them there are, a whole word outweighs all that it could become.
        longer = [query.term_query(schema, "words", word, "freq") for word in begun]
        last = query.disjunction_max_query([last, *(query.boost_query(word, 0.5) for word in longer)])
    must = occur.Must if every else occur.Should
    asked = query.boolean_query([(must, word) for word in (*finished, last)])
    if nouns is None:
        return asked
    of_noun = query.const_score_query(query.term_set_query(schema, "noun", sorted(nouns)), 0.0)
    return query.boolean_query([(occur.Must, asked), (occur.Must, of_noun)])


def _fresh_hits(
    searcher: tantivy.Searcher,
    fresh: dict[str, _Fresh],
    wanted: tuple[str, ...],
    nouns: frozenset[str] | None,
    *,
    every: bool,
) -> list[Hit]:
    """What is not yet written, scored as tantivy would: BM25, with the rarity of words in what is written."""
    if not fresh:
        return []
    # What each word is looked for as, and what it is worth: whole, and for the last one also begun.
    looked_for = [(f" {word} ", f" {word} ", _rarity(searcher, word)) for word in wanted]
    if _may_go_on(wanted[-1]):
        looked_for[-1] = (f" {wanted[-1]}", *looked_for[-1][1:])
    enough = all if every else any
    hits: list[Hit] = []
    for id, row in fresh.items():
        text = row.words
        if row.deleted or (nouns is not None and row.noun not in nouns):
            continue
        if enough(begun in text for begun, _, _ in looked_for):
            length = text.count(" ") - 1
            score = sum(_worth(text, begun, whole, rarity, length) for begun, whole, rarity in looked_for)
            hits.append(Hit(row.noun, id, score))
    return hits


def _may_go_on(word: str) -> bool:
    return len(word) >= ENDING_CHARS_MIN


def _rarity(searcher: tantivy.Searcher, word: str) -> float:
    holding, documents = searcher.doc_freq("words", word), searcher.num_docs
    return math.log(1 + (documents - holding + 0.5) / (holding + 0.5))


def _worth(text: str, begun: str, whole: str, rarity: float, length: int) -> float:
    """BM25 with tantivy's k1 = 1.2 and b = 0.75, for texts of about 30 words; half for a word that is only begun."""
    times = text.count(whole.rstrip()) if whole in text else 0.5 * text.count(begun)
    return rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / 30)) if times else 0.0
