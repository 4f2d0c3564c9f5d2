"""Every public corpus comes out in one format: made here as it is published, and read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from gptasr_subs.cli.train import app
from gptasr_subs.corpora.audio import read_audio, read_manifest, read_samples
from gptasr_subs.corpora.importing import ImportOptions, import_corpus
from gptasr_subs.corpora.readers import LAYOUTS
from gptasr_subs.corpora.report import REPORT_FILE
from gptasr_subs.errors import FormatError, UsageError
from gptasr_subs.training.preparation import prepare
from gptasr_subs.training.store import AudioStore
from tests.support.ended import train
from tests.support.tones import RATE, make_corpus, say, spoken, texts

Said = list[tuple[str, str]]  # speaker and text of each clip that must come out


def sound(file: Path, text: str = "bah dee", rate: int = RATE, **options: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, say(text), rate, **options)
    return file


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def libritts(root: Path) -> Said:
    for part, speaker, name, text in (
        ("train-clean-100", "103", "1240/103_1240_000000_000001", '"Well," said she.\n'),
        ("train-other-500", "20", "205/20_205_000002_000000", "Mister Hale came."),
        ("dev-clean", "84", "121123/84_121123_000007_000001", "Held out."),
    ):
        wav = sound(root / part / speaker / f"{name}.wav", rate=24000)
        write(wav.with_suffix(".normalized.txt"), text)
        write(wav.with_suffix(".original.txt"), "Mr. Hale, 1st.")
    return [("103", '"Well," said she.'), ("20", "Mister Hale came.")]


def librispeech(root: Path) -> Said:
    for part, chapter in (("train-clean-100", "19/198"), ("test-clean", "61/70968")):
        folder, name = root / part / chapter, chapter.replace("/", "-")
        lines = [
            f"{name}-0000 CHAPTER ONE",
            f"{name}-0001 IT'S SO",
            f"{name}-0002 NOBODY RECORDED IT",
        ]
        write(folder / f"{name}.trans.txt", "\n".join(lines) + "\n")
        for number in (0, 1):
            sound(folder / f"{name}-000{number}.flac")
    return [("19", "CHAPTER ONE"), ("19", "IT'S SO")]


def commonvoice(root: Path) -> Said:
    folder = root / "cv-corpus-17.0-2024-03-15" / "en"
    speaker = "0123456789abcdef" * 8
    header = (
        "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\tdown_votes\tlocale\n"
    )
    for part, name, sentence in (
        ("train", "common_voice_en_1", "So, they went home."),
        ("train", "common_voice_en_2", '"He said ""no"""'),
        ("test", "common_voice_en_3", "Held out."),
    ):
        table = folder / f"{part}.tsv"
        before = table.read_text(encoding="utf-8") if table.exists() else header
        write(table, f"{before}{speaker}\t{name}.mp3\tx1\t{sentence}\t\t2\t0\ten\n")
        sound(folder / "clips" / f"{name}.mp3", rate=32000, format="MP3")
    return [(speaker[:16], "So, they went home."), (speaker[:16], 'He said "no"')]


def tedlium(root: Path) -> Said:
    for part in ("train", "dev"):
        folder = root / "TEDLIUM_release-3" / "legacy" / part
        sound(folder / "sph" / "AnnLee_2010.sph", "bah dee koo sow bah dee", format="NIST")
        lines = [
            ";; a comment",
            "AnnLee_2010 1 AnnLee_2010 0.10 0.90 <o,f0,female> it 's {BREATH} so(2) we 'll go",
            "AnnLee_2010 1 inter_segment_gap 0.90 1.10 <o,,unknown> ignore_time_segment_in_scoring",
            "AnnLee_2010 1 AnnLee_2010 1.10 2.00 <o,f0,female> a <unk> word",
            "AnnLee_2010 1 AnnLee_2010 99.00 99.50 <o,f0,female> after the end",
        ]
        write(folder / "stm" / "AnnLee_2010.stm", "\n".join(lines) + "\n")
    return [("AnnLee_2010", "it's so we'll go")]


def ljspeech(root: Path) -> Said:
    folder = root / "LJSpeech-1.1"
    write(
        folder / "metadata.csv",
        "LJ001-0001|In 1455, he said|In fourteen fifty-five, he said\nLJ001-0002|Yes.|Yes.\n",
    )
    for number in (1, 2):
        sound(folder / "wavs" / f"LJ001-000{number}.wav", rate=22050)
    return [("linda", "In fourteen fifty-five, he said"), ("linda", "Yes.")]


def voxpopuli(root: Path) -> Said:
    folder = root / "transcribed_data" / "en"
    header = "id\traw_text\tnormalized_text\tspeaker_id\tsplit\tgender\n"
    event = "20120117-0900-PLENARY-3-en_20120117"
    rows = [
        f"{event}-a\tMadam President, I agree.\tmadam president i agree\t96754\ttrain\tfemale",
        f"{event}-b\t\tthank you very much\tNone\ttrain\tmale",
    ]
    write(folder / "asr_train.tsv", header + "\n".join(rows) + "\n")
    write(folder / "asr_dev.tsv", header)
    for name in "ab":
        sound(folder / "2012" / f"{event}-{name}.ogg")
    return [("96754", "Madam President, I agree."), ("None", "thank you very much")]


def hifitts(root: Path) -> Said:
    folder = root / "hi_fi_tts_v0"
    for speaker, part in (("92", "clean_train"), ("6670", "other_train"), ("92", "clean_dev")):
        name = f"audio/{speaker}_{part[:5]}/104/{part}_0000.flac"
        row = {
            "audio_filepath": name,
            "duration": 1.0,
            "text": "in nine b c",
            "text_normalized": "In nine B C.",
        }
        write(folder / f"{speaker}_manifest_{part}.json", json.dumps(row) + "\n")
        sound(folder / name, rate=44100)
    return [("6670", "In nine B C."), ("92", "In nine B C.")]


def voxforge(root: Path) -> Said:
    for session, kind in (("ann-20080714-xyz", "wav"), ("anonymous-20091231-abc", "flac")):
        prompts = f"{session}/mfc/a0001 SO HE SAID\n{session}/mfc/a0002 HE WENT HOME\n"
        write(root / session / "etc" / "PROMPTS", prompts)
        for number in (1, 2):
            sound(root / session / kind / f"a000{number}.{kind}")
    original = "a0001 So, he said!\na0002 Quite another thing.\n"
    write(root / "ann-20080714-xyz" / "etc" / "prompts-original", original)
    nobody = "anonymous-20091231-abc"
    return [
        ("ann", "So, he said!"),
        ("ann", "HE WENT HOME"),
        (nobody, "SO HE SAID"),
        (nobody, "HE WENT HOME"),
    ]


def tsv(root: Path) -> Said:
    sound(root / "a b.wav", "bah dee koo")
    lines = [
        "file\ttext\tspeaker\toffset\tseconds",
        "a b.wav\tSo.\tann\t0.2\t0.5",
        'a b.wav\t"No."\tbob\t\t',
    ]
    write(root / "manifest.tsv", "\n".join(lines) + "\n")
    return [("ann", "So."), ("bob", '"No."')]


MAKERS: dict[str, Callable[[Path], Said]] = {
    "commonvoice": commonvoice, "hifitts": hifitts, "librispeech": librispeech,
    "libritts": libritts, "ljspeech": ljspeech, "tedlium": tedlium,
    "tsv": tsv, "voxforge": voxforge, "voxpopuli": voxpopuli,
}  # fmt: skip


def test_every_layout_is_tested_and_named_in_the_help() -> None:
    assert set(MAKERS) == set(LAYOUTS)
    shown = CliRunner().invoke(app, ["import", "--help"]).stdout
    assert all(kind in shown for kind in LAYOUTS)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("in_place", [False, True])
def test_a_corpus_comes_out_with_speakers_texts_and_sounds(
    kind: str, in_place: bool, tmp_path: Path
) -> None:
    said = MAKERS[kind](tmp_path / "raw")
    report = import_corpus(
        kind, tmp_path / "raw", tmp_path / "out", ImportOptions(in_place=in_place)
    )
    clips = read_manifest(tmp_path / "out")
    assert [(clip.speaker, clip.text) for clip in clips] == said
    assert bool(list((tmp_path / "out").glob("*.flac"))) is not in_place
    [source] = report.to_dict()["sources"]
    assert (source["clips"], source["speakers"]) == (
        len(said),
        len({speaker for speaker, _ in said}),
    )
    assert source["hours"] == round(sum(clip.seconds for clip in clips) / 3600, 4) > 0
    assert kind == "tsv" or source["licences"][0]
    assert (
        json.loads((tmp_path / "out" / REPORT_FILE).read_text(encoding="utf-8")) == report.to_dict()
    )


@pytest.mark.parametrize("kind", MAKERS)
def test_shards_hold_the_very_samples_of_the_files(kind: str, tmp_path: Path) -> None:
    MAKERS[kind](tmp_path / "raw")
    import_corpus(kind, tmp_path / "raw", tmp_path / "shards")
    import_corpus(kind, tmp_path / "raw", tmp_path / "files", ImportOptions(in_place=True))
    shards, files = (read_manifest(tmp_path / name) for name in ("shards", "files"))
    assert len(shards) == len(files) > 0
    for shard, file in zip(shards, files, strict=True):
        rates = [soundfile.info(clip.file).samplerate for clip in (shard, file)]
        assert rates[0] == rates[1]
        [(_, copied)], [(_, original)] = (
            list(read_samples([clip], rates[0])) for clip in (shard, file)
        )
        np.testing.assert_array_equal(copied, original)


def test_parts_are_chosen_by_name(tmp_path: Path) -> None:
    libritts(tmp_path / "raw")
    import_corpus(
        "libritts", tmp_path / "raw", tmp_path / "dev", ImportOptions(parts=("dev-clean",))
    )
    assert [clip.text for clip in read_manifest(tmp_path / "dev")] == ["Held out."]
    import_corpus("libritts", tmp_path / "raw" / "dev-clean", tmp_path / "folder")
    assert [clip.text for clip in read_manifest(tmp_path / "folder")] == ["Held out."]


def test_what_is_dropped_is_told_with_its_reason(tmp_path: Path) -> None:
    librispeech(tmp_path / "raw")
    tedlium(tmp_path / "raw")
    folder = tmp_path / "raw" / "train-clean-100" / "19" / "198"
    write(folder / "x.trans.txt", "x-1 SO\nx-2 SO\nx-3  \n")
    (folder / "x-1.flac").write_bytes(b"no sound")
    soundfile.write(folder / "x-2.flac", np.zeros(RATE), RATE)
    sound(folder / "x-3.flac")
    import_corpus("librispeech", tmp_path / "raw", tmp_path / "out")
    report = import_corpus("tedlium", tmp_path / "raw", tmp_path / "out").to_dict()
    dropped = {(entry["source"], entry["reason"]): entry["clips"] for entry in report["dropped"]}
    assert dropped == {
        ("librispeech", "file missing"): 1,
        ("librispeech", "unreadable"): 1,
        ("librispeech", "silence"): 1,
        ("librispeech", "no transcript"): 1,
        ("tedlium", "not transcribed"): 1,
        ("tedlium", "unknown word"): 1,
        ("tedlium", "silence"): 1,
    }
    assert {entry["source"]: entry["clips"] for entry in report["sources"]} == {
        "librispeech": 2,
        "tedlium": 1,
    }


def long_corpus(folder: Path, clips: int) -> list[str]:
    sentences = texts(clips)
    for number, text in enumerate(sentences):
        sound(folder / "wavs" / f"LJ{number:03d}.wav", text)
    write(
        folder / "metadata.csv",
        "".join(f"LJ{number:03d}|{text}|{text}\n" for number, text in enumerate(sentences)),
    )
    return sentences


def test_a_long_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, read = make_corpus(tmp_path / "raw", texts(130)), []
    sound(tmp_path / "raw" / "other.wav")
    with manifest.open("a", encoding="utf-8") as out:
        out.write("other.wav\t0\t0.5\tann\tother\tCC0\tBah.\n")

    def count(file: Path) -> object:
        read.append(file.name)
        return read_audio(file)

    monkeypatch.setattr("gptasr_subs.corpora.audio.read_audio", count)
    import_corpus("tsv", manifest, tmp_path / "out")
    assert sorted(read) == ["other.wav", "tones.flac"]
    clips = read_manifest(tmp_path / "out")
    assert [clip.text for clip in clips] == [*texts(130), "Bah."]
    assert len({clip.file for clip in clips}) == 2


@pytest.mark.parametrize("in_place", [False, True])
def test_an_interrupted_import_goes_on_where_it_was(in_place: bool, tmp_path: Path) -> None:
    sentences = long_corpus(tmp_path / "raw", 120)
    options = ImportOptions(in_place=in_place, workers=1)

    def interrupt(looked_at: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_corpus("ljspeech", tmp_path / "raw", tmp_path / "out", options, interrupt)
    manifest = tmp_path / "out" / "manifest.tsv"
    first = manifest.read_bytes()
    assert len(first.splitlines()) == 51
    manifest.write_bytes(first[:-9])  # the last line was cut off in a power cut
    report = import_corpus("ljspeech", tmp_path / "raw", tmp_path / "out", options)
    clips = read_manifest(tmp_path / "out")
    assert sorted(clip.text for clip in clips) == sorted(sentences) and len(report.kept) == 120
    for clip, samples in read_samples(clips, RATE):
        np.testing.assert_allclose(samples, say(clip.text), atol=2 / 32768)
    again = manifest.read_bytes()
    import_corpus("ljspeech", tmp_path / "raw", tmp_path / "out", options)
    assert manifest.read_bytes() == again
    assert not list((tmp_path / "out").glob("*.tmp"))


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    long_corpus(tmp_path / "raw", 120)
    for workers in (1, 4):
        import_corpus(
            "ljspeech", tmp_path / "raw", tmp_path / str(workers), ImportOptions(workers=workers)
        )
    one, four = (
        {file.name: file.read_bytes() for file in (tmp_path / n).iterdir()} for n in ("1", "4")
    )
    assert one == four


def test_the_command_line_goes_from_a_corpus_to_a_store(tmp_path: Path) -> None:
    sentences = long_corpus(tmp_path / "raw", 6)
    done = train("import", "ljspeech", tmp_path / "raw", "--out", tmp_path / "corpus")
    assert done.exit_code == 0, done.output
    assert "ljspeech: 6 clips" in done.stderr and "1 speakers" in done.stderr
    make_corpus(tmp_path / "dev", sentences[:1]).rename(tmp_path / "dev" / "manifest.tsv")
    done = train(
        "prepare", tmp_path / "corpus", "--store", tmp_path / "store", "--dev", tmp_path / "dev"
    )
    assert done.exit_code == 0, done.output
    assert "dropped 1 clips" in done.stderr and "held-out text" in done.stderr
    assert len(spoken(AudioStore(tmp_path / "store"))) == 5


def test_what_cannot_be_imported_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = train("import", "timit", tmp_path, "--out", tmp_path / "out")
    assert done.exit_code == 2 and "take one of commonvoice, hifitts" in done.stderr
    done = train("import", "libritts", tmp_path, "--out", tmp_path / "out")
    assert done.exit_code == 2 and "nothing of a libritts corpus" in done.stderr
    assert not (tmp_path / "out").exists()
    write(tmp_path / "raw" / "train.stm" / "stm" / "a.stm", "a 1 a soon later <o,f0,male> so\n")
    with pytest.raises(FormatError, match="not as tedlium has it"):
        import_corpus("tedlium", tmp_path / "raw", tmp_path / "out")
    with pytest.raises(UsageError, match="the corpus itself"):
        import_corpus("tsv", tmp_path, tmp_path)


def test_clips_without_text_are_kept_where_asked(tmp_path: Path) -> None:
    sound(tmp_path / "raw" / "a.wav")
    write(tmp_path / "raw" / "manifest.tsv", "file\na.wav\n")
    import_corpus("tsv", tmp_path / "raw", tmp_path / "out", ImportOptions(untranscribed=True))
    [clip] = read_manifest(tmp_path / "out")
    assert clip.text == ""


def test_dev_clips_under_other_names_are_kept_out_of_the_store(tmp_path: Path) -> None:
    """Copied, renamed, re-encoded without loss, in shards, with another text: the audio tells."""
    sentences = texts(8)
    for number, text in enumerate(sentences):
        sound(tmp_path / "dev" / f"{number}.wav", text)
        samples, rate = read_audio(tmp_path / "dev" / f"{number}.wav")
        file = tmp_path / "raw" / "wavs" / f"X{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        kind = ("FLAC", "WAV", "AIFF", "CAF")[number % 4]
        soundfile.write(
            file, samples, rate, format=kind, subtype="PCM_24" if number % 2 else "PCM_16"
        )
    others = texts(16, seed=1)[8:]
    rows = [f"X{number}|{text}|{text}" for number, text in enumerate(others)]
    sound(tmp_path / "raw" / "wavs" / "Y.wav", "sow sow sow")
    write(
        tmp_path / "raw" / "metadata.csv", "\n".join([*rows, "Y|Sow sow sow.|Sow sow sow."]) + "\n"
    )
    write(
        tmp_path / "dev" / "manifest.tsv",
        "path\ttext\n" + "".join(f"{n}.wav\t{t}\n" for n, t in enumerate(sentences)),
    )
    import_corpus("ljspeech", tmp_path / "raw", tmp_path / "shards")
    import_corpus("ljspeech", tmp_path / "raw", tmp_path / "files", ImportOptions(in_place=True))
    for name in ("shards", "files"):
        report = prepare([tmp_path / name], tmp_path / "store", dev=[tmp_path / "dev"])
        assert [clip.text for clip in report.kept] == ["Sow sow sow."]
        reasons = {entry["reason"]: entry["clips"] for entry in report.to_dict()["dropped"]}
        assert sum(reasons.values()) == 8 and reasons["held-out audio"] >= 6
        assert spoken(AudioStore(tmp_path / "store")) == ["Sow sow sow."]
