from pathlib import Path

import numpy as np
import pytest

from quorate.errors import ConfigError
from quorate.models.embeddings import MiniLM

PAIRS = [
    ("How do I get my money back?", "Refunds are paid within five days of a return."),
    ("Where is my parcel?", "You can follow a delivery with the number in the e-mail."),
    ("I forgot my password.", "To sign in again, ask for a new secret word."),
    ("Is the shop open on Sunday?", "Our hours are nine to six, closed at weekends."),
    ("My screen stays black.", "If the display shows nothing, hold the power button."),
]


@pytest.fixture(scope="module")
def model(embedding_weights: Path) -> MiniLM:
    return MiniLM(embedding_weights)


def test_a_paraphrase_is_nearest(model: MiniLM):
    questions = model.embed([q for q, _ in PAIRS])
    answers = model.embed([a for _, a in PAIRS])

    nearest = (questions @ answers.T).argmax(1)

    assert nearest.tolist() == list(range(len(PAIRS)))


def test_vectors_are_float32_of_length_one(model: MiniLM):
    vectors = model.embed(["one", "", "three " * 400])

    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(model: MiniLM):
    assert model.embed([]).shape == (0, 384)


def test_a_batch_equals_its_texts_one_by_one(model: MiniLM):
    texts = ["word " * n for n in (40, 1, 7, 90, 3)] + ["", "Ünïcödé 漢字"]

    batch = model.embed(texts)

    np.testing.assert_allclose(batch, np.concatenate([model.embed([t]) for t in texts]), atol=1e-5)


def test_numbers_are_those_of_the_reference_implementation(model: MiniLM):
    vector = model.embed(["This is an example sentence"])[0]

    np.testing.assert_allclose(vector[:5], [0.0677, 0.0635, 0.0487, 0.0793, 0.0374], atol=1e-4)


def test_likeness_is_as_it_should_be(model: MiniLM):
    cat, rug, stock = model.embed(
        ["The cat sat on the mat.", "A cat was sitting on a rug.", "Stock prices fell today."]
    )

    assert cat @ rug > 0.7
    assert abs(float(cat @ stock)) < 0.2


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUORATE_MODELS", str(tmp_path))

    with pytest.raises(ConfigError, match="quorate models pull"):
        MiniLM().embed(["a"])
