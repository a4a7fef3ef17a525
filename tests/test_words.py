"""Words from lips: what is read, what is learnt, and what is said of data that is not as it should.

The words of these tests are stretches of the made speaker's speech, or bars that open in a way of
their own.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Command
from made_clips import GEOMETRY
from talking_face import AAC, frames, speech, write_media

from avsync.errors import DataError, UsageError, WeightsError
from avsync.model import weights, weights_file
from avsync.model.config import DEFAULT_CONFIG, SMALL_CONFIG
from avsync.model.networks import DefaultStreams, build
from avsync.system.downloads import sha256_of
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE
from avsync.training.clips import ClipSource, PreparedClip
from avsync.words import model as files
from avsync.words.batches import WordBatches
from avsync.words.data import LRW_MIDDLE_SECONDS, WORD_FRAMES, Part, part_of, read_words
from avsync.words.evaluate import evaluate, ranks_of
from avsync.words.examples import WORD_WINDOWS, Example, Examples
from avsync.words.model import BackEnd, WordsConfig, WordsNet
from avsync.words.train import WordsOptions, train

SIZE = (320, 180)
SECONDS = WORD_FRAMES / FRAMES_PER_SECOND
SAID_AT = {"ABOUT": 0.4, "BLACK": 3.1, "CHINA": 5.9}  # seconds into the speech


# ---- through the real command, on talking faces in LRW's layout


def _write_word(path: Path, word: str, seed: int) -> None:
    """The made speaker says a word, a little earlier or later each time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first = round((SAID_AT[word] + 0.02 * (seed % 3)) * SAMPLE_RATE)
    said = speech()[first : first + round(SECONDS * SAMPLE_RATE)]
    write_media(path, frames(said, 25, SECONDS, SIZE), SIZE, 25, said, AAC)


@pytest.fixture(scope="module")
def lrw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three words; one video broken, one word without any, one never in training."""
    place = tmp_path_factory.mktemp("lrw") / "lipread_mp4"
    for number, word in enumerate(SAID_AT):
        for part, count in (("train", 3), ("val", 1), ("test", 2)):
            for k in range(1, count + 1):
                _write_word(place / word / part / f"{word}_{k:05}.mp4", word, number + k)
    (place / "BLACK" / "train" / "BLACK_00009.mp4").write_bytes(b"no video" * 100)
    (place / "EMPTY" / "train").mkdir(parents=True)
    shutil.copytree(place / "CHINA" / "test", place / "NEVER" / "test")
    return place.parent


@pytest.mark.slow
def test_lrw_is_learnt_and_bad_data_does_not_stop_it(
    avsync: Command, lrw: Path, tmp_path: Path
) -> None:
    model, cache = tmp_path / "words.safetensors", tmp_path / "cache"
    common = ("--cache", cache, "--jobs", "1")
    done = avsync(
        "words", "train", lrw, "--features", "default", "--epochs", "40", "--words", "6",
        "-o", model, *common,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert "BLACK_00009.mp4: cannot be read (MediaError)" in done.stderr
    assert "'EMPTY': no example to learn from; left out of the vocabulary" in done.stderr
    assert "9 words to learn from, 3 to measure on" in done.stderr
    assert not model.with_suffix(".checkpoint").exists()

    done = avsync("words", "evaluate", lrw, "--model", model, "--json", *common)
    assert done.returncode == 0, done.stderr
    assert "never learnt 'NEVER': left out, 2 times" in done.stderr
    assert "'EMPTY': no example in the test part" in done.stderr
    (measured,) = json.loads(done.stdout)
    assert (measured["words"], measured["vocabulary"]) == (6, 3)
    assert measured["top1"] > 0.6  # chance: a third
    assert measured["top5"] == 1.0
    assert measured["never_learnt"] == {"NEVER": 2}
    assert {row["word"]: row["said"] for row in measured["by_word"]} == dict.fromkeys(SAID_AT, 2)
    table = avsync("words", "evaluate", lrw, "--model", model, "--part", "val", *common)
    assert "frozen" in table.stdout and "Words recognised, val part" in table.stdout

    again = avsync("words", "train", lrw, "-o", model, *common)
    assert again.returncode == 1 and "--force" in again.stderr


def test_contradictions_are_usage_errors(avsync: Command, tmp_path: Path) -> None:
    argv = ("words", "train", tmp_path, "-o", tmp_path / "a", "--end-to-end")
    for more in (("--features", "default"), ("--fine-tune",)):
        done = avsync(*argv, *more)
        assert done.returncode == 2 and "starts from nothing" in done.stderr
    with pytest.raises(UsageError, match="fine-tuned needs features to start"):
        _options(front="fine-tuned")
    done = avsync("words", "evaluate", tmp_path, "--model", tmp_path / "absent.safetensors")
    assert done.returncode == 1 and "make a model with avsync words train" in done.stderr


# ---- what is read


def _table(folder: Path, text: str) -> Path:
    path = folder / "words.tsv"
    path.write_text(text)
    return path


def test_lrw_is_read_as_it_is_distributed(lrw: Path) -> None:
    listed = read_words(lrw)
    assert listed.labels == ["ABOUT", "BLACK", "CHINA", "EMPTY", "NEVER"]
    assert len(listed.words) == 3 * 6 + 1 + 2
    assert {word.middle_seconds for word in listed.words} == {LRW_MIDDLE_SECONDS}
    assert {word.part for word in listed.words if word.label == "NEVER"} == {"test"}
    assert read_words(lrw / "lipread_mp4") == listed


def test_a_table_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    for name in ("a.mp4", "deep/b.mkv"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(b"")
    table = _table(
        tmp_path,
        "clip\tword\tstart_s\tend_s\tpart\n"
        "a\tbin\t0.9\t1.1\ttrain\n"
        "a.mp4\tblue\t1.1\t1.5\ttrain\n"
        "a\tsp\t1.5\t1.6\ttrain\n"
        "deep/b\tbin\t1\t2\ttest\n"
        "b\tred\t1\t2\tval\n"
        "c\tgreen\t1\t2\ttest\n"
        "a\tat\tsoon\t2\ttest\n"
        "a\tat\t1\t2\tlater\n",
    )
    listed = read_words(table, tmp_path / "videos")
    assert [(w.path.name, w.label, w.part) for w in listed.words] == [
        ("a.mp4", "bin", "train"), ("a.mp4", "blue", "train"),
        ("b.mkv", "bin", "test"), ("b.mkv", "red", "val"),
    ]  # fmt: skip
    assert listed.words[1].middle_seconds == pytest.approx(1.3)
    assert listed.labels == ["at", "bin", "blue", "green", "red"]
    assert [fault.split(": ", 1)[1] for fault in listed.faults] == [
        f"no video of this name in {tmp_path / 'videos'}",
        "line 8 lacks times or has an unknown part",
        "line 9 lacks times or has an unknown part",
    ]


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column `word`"):
        read_words(_table(tmp_path, "clip\tstart_s\nx\t1\n"))
    with pytest.raises(DataError, match="no folders WORD/train"):
        read_words(tmp_path)
    with pytest.raises(DataError, match="no such folder or table"):
        read_words(tmp_path / "absent")
    good = _table(tmp_path, "clip\tword\tstart_s\tend_s\nx\ty\t1\t2\n")
    with pytest.raises(DataError, match="name the folder of the videos"):
        read_words(good, tmp_path / "absent")


def test_videos_are_split_by_name_and_always_alike() -> None:
    parts = [part_of(f"clip{k}") for k in range(5000)]
    shares = {part: parts.count(part) / 5000 for part in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.02)
    assert [part_of(name) for name in ("bbaf2n", "bbaf4p", "bbal8p")] == ["val", "train", "test"]


def test_a_word_near_the_edge_repeats_it(tmp_path: Path) -> None:
    clip = _word_clip(tmp_path, 0, "a", 40)
    assert Example(clip, "a", 3).windows() == list(range(3, 3 + WORD_WINDOWS))
    assert Example(clip, "a", 3).windows(2)[0] == 5
    assert Example(clip, "a", -4).windows()[:6] == [0, 0, 0, 0, 0, 1]
    assert max(Example(clip, "a", 20).windows()) == 40 - 5


# ---- what is learnt

PHASES = {"a": 0.0, "b": 0.33, "c": 0.66}


def _word_clip(folder: Path, seed: int, word: str, count: int = WORD_FRAMES) -> PreparedClip:
    """A bar that opens and shuts; when it is widest is the word."""
    rng = np.random.default_rng((seed, ord(word)))
    pixels, middle = GEOMETRY.pixels, GEOMETRY.pixels // 2
    pictures = rng.integers(60, 90, (count, pixels, pixels)).astype(np.uint8)
    for k, picture in enumerate(pictures):
        opening = 0.5 + 0.5 * np.cos(2 * np.pi * (k / 14 - PHASES[word]))
        half = 2 + int(9 * opening)
        picture[middle - half : middle + half, middle - 10 : middle + 10] = 230
    path = folder / f"{word}{seed}.npz"
    samples = rng.integers(-99, 99, round(count / 25 * SAMPLE_RATE)).astype(np.int16)
    np.savez(path, frames=pictures, samples=samples)
    return PreparedClip(ClipSource(path, "somebody", "made"), path, 0, count, len(samples))


def _examples(folder: Path, learning: int = 6) -> Examples:
    def some(first: int, count: int) -> list[Example]:
        seeds = range(first, first + count)
        return [
            Example(_word_clip(folder, seed, word), word, 0) for seed in seeds for word in "abc"
        ]

    parts: dict[Part, list[Example]] = {
        "train": some(0, learning), "val": some(100, 2), "test": some(200, 3),
    }  # fmt: skip
    return Examples(parts, ["a", "b", "c"])


def _options(**changes: object) -> WordsOptions:
    values: dict[str, object] = {"features": "random", "config": "small", "epochs": 2, "words": 6}
    return WordsOptions(**{**values, **changes})  # type: ignore[arg-type]


def _front(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    streams = build(SMALL_CONFIG)
    weights_file.save(
        path, SMALL_CONFIG, streams.state_dict(), {}, {"options": {"objective": "avenet"}}
    )
    return path


def test_the_back_end_sees_all_windows_in_their_order() -> None:
    torch.manual_seed(0)
    back = BackEnd(WordsConfig(DEFAULT_CONFIG, tuple("abcd"))).eval()
    some = torch.randn(3, WORD_WINDOWS, DEFAULT_CONFIG.embedding_size, requires_grad=True)
    scores = back(some)
    assert scores.shape == (3, 4)
    scores.sum().backward()
    assert some.grad is not None
    felt = some.grad.abs().sum(dim=(0, 2)) > 0
    assert felt[2:20].all()
    assert not torch.allclose(back(some.flip(1)), scores, atol=1e-3)


@pytest.mark.slow
def test_words_are_told_apart(tmp_path: Path) -> None:
    examples = _examples(tmp_path)
    options = _options(front="end-to-end", features="", epochs=12)
    right = train(examples, tmp_path / "m.safetensors", options, {"data": "made"})
    assert right is not None and right > 0.8  # chance: a third
    model = files.load(tmp_path / "m.safetensors")
    assert model.provenance["val_top1"] == right
    assert model.provenance["options"]["epochs"] == 12
    assert evaluate(model, examples).top1 > 0.8


@pytest.mark.parametrize("front", ["frozen", "fine-tuned", "end-to-end"])
def test_the_front_end_learns_only_when_it_should(tmp_path: Path, front: str) -> None:
    start = _front(tmp_path / "front.safetensors")
    features = "" if front == "end-to-end" else str(start)
    output = tmp_path / "m.safetensors"
    train(_examples(tmp_path, 3), output, _options(front=front, features=features), {})
    model = files.load(output)
    before = weights.load(str(start)).streams
    assert isinstance(before, DefaultStreams)
    kept = model.net.streams.state_dict()
    same = [torch.equal(kept[name], value) for name, value in before.state_dict().items()]
    assert all(same) if front == "frozen" else not all(same)
    facts = model.provenance["front"]
    assert facts["kind"] == front
    if front != "end-to-end":
        assert facts["sha256"] == sha256_of(start) and facts["objective"] == "avenet"


class _Killed(Exception):
    """A run that ends in the middle."""


@pytest.mark.parametrize("front", ["frozen", "end-to-end"])
def test_the_same_seed_gives_the_same_file_also_after_a_kill(tmp_path: Path, front: str) -> None:
    examples = _examples(tmp_path, 4)
    options = _options(front=front, features="random" if front == "frozen" else "")

    def kill(what: str, done: float, total: float | None) -> None:
        if what == "training" and done == 3:
            raise _Killed

    whole, parts, other = (tmp_path / f"{name}.safetensors" for name in ("whole", "parts", "other"))
    train(examples, whole, options, {})
    with pytest.raises(_Killed):
        train(examples, parts, options, {}, 0.0, progress=kill)
    assert parts.with_suffix(".checkpoint").exists() and not parts.exists()
    with pytest.raises(DataError, match="other options or data"):
        train(examples, parts, _options(front=front, features=options.features, seed=1), {})
    train(examples, parts, options, {})
    assert sha256_of(whole) == sha256_of(parts)
    train(examples, other, _options(front=front, features=options.features, seed=1), {})
    assert sha256_of(whole) != sha256_of(other)


def test_batches_show_every_clip_once_an_epoch(tmp_path: Path) -> None:
    examples = _examples(tmp_path, 4).parts["train"]
    features = {e.clip.prepared: np.full((25, 2), k, np.float32) for k, e in enumerate(examples)}
    batches = WordBatches(examples, "abc", 4, 0, 44, features)
    assert batches.per_epoch == 3
    for epoch in range(2):
        drawn = [batches[epoch * 3 + k] for k in range(3)]
        seen = np.concatenate([b.clips[b.windows[:, 12], 0].numpy() for b in drawn])
        assert sorted(seen) == list(range(12))
        for batch in drawn:
            numbers = batch.clips[batch.windows[:, 12], 0].int().tolist()
            assert [examples[n].label for n in numbers] == ["abc"[k] for k in batch.labels]
    pictures = WordBatches(examples, "abc", 4, 0, 44)[0]
    assert pictures.frame_counts is not None
    assert len(pictures.clips) == sum(pictures.frame_counts)
    assert int(pictures.windows.max()) < sum(count - 4 for count in pictures.frame_counts)


def test_ranks_are_in_the_order_of_the_examples(tmp_path: Path) -> None:
    examples = _examples(tmp_path, 2).parts["train"]
    torch.manual_seed(0)
    net = WordsNet(WordsConfig(SMALL_CONFIG, ("a", "b", "c")), build(SMALL_CONFIG))
    last = net.back.layers[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([1.0, 2.0, 3.0])  # always says c, then b, then a
    assert ranks_of(net, examples).tolist() == [2, 1, 0] * 2


def test_a_random_front_end_is_not_a_constant(tmp_path: Path) -> None:
    """Its batch norms have seen data: else every embedding is its last layer's bias."""
    output = tmp_path / "m.safetensors"
    train(_examples(tmp_path, 3), output, _options(epochs=1), {})
    streams = files.load(output).net.streams
    clip = torch.from_numpy(_word_clip(tmp_path, 0, "a").frames[:, 6:50, 6:50].copy())
    with torch.inference_mode():
        embedded = streams.embed_video(clip)
    assert float((embedded - embedded.mean(0)).norm(dim=1).mean()) > 0.1


def test_fewer_than_two_words_are_no_task(tmp_path: Path) -> None:
    found = _examples(tmp_path, 2)
    only_a = [e for e in found.parts["train"] if e.label == "a"]
    with pytest.raises(DataError, match="fewer than two words"):
        train(Examples({**found.parts, "train": only_a}, ["a"]), tmp_path / "m", _options(), {})


def test_nothing_of_the_vocabulary_is_said(tmp_path: Path) -> None:
    found = _examples(tmp_path, 2)
    train(found, tmp_path / "m.safetensors", _options(epochs=1), {})
    others = [Example(e.clip, "z", 0) for e in found.parts["test"]]
    with pytest.raises(DataError, match="none of its words is said in the test part"):
        model = files.load(tmp_path / "m.safetensors")
        evaluate(model, Examples({**found.parts, "test": others}, ["z"]))


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    start = _front(tmp_path / "front.safetensors")
    with pytest.raises(WeightsError, match="knows no words"):
        files.load(start)
    with pytest.raises(WeightsError, match="is not there"):
        files.load(tmp_path / "absent.safetensors")
    model = tmp_path / "m.safetensors"
    train(_examples(tmp_path, 2), model, _options(epochs=1), {})
    with pytest.raises(WeightsError, match="configuration this version does not know"):
        weights.load(str(model))
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    with pytest.raises(WeightsError, match="wrong checksum"):
        files.load(model)
