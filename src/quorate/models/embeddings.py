"""Sentence embeddings without a framework: MiniLM-L6-v2 as plain numpy, good at telling which texts mean the same."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quorate.core.extras import require
from quorate.models import weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

DIMENSIONS = 384
LAYERS = 6
HEADS = 12
MAX_TOKENS = 256
BATCH = 32


class MiniLM:
    """Turns texts into vectors whose dot product says how close they are in meaning.

    Loaded at the first use, once in a process, 0.1 s; then about 10 ms a short text. It may be shared by threads.

    Args:
        path: The `model.safetensors`, with its `tokenizer.json` beside it; None takes what was pulled.

    Raises:
        MissingExtra: `quorate[embedded]` is not installed.

    Source: Wang et al., "MiniLM", NeurIPS 2020; Reimers and Gurevych, "Sentence-BERT", EMNLP 2019.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._np = require("numpy", extra="embedded")
        require("safetensors.numpy", extra="embedded")
        require("tokenizers", extra="embedded")
        self._path = Path(path) if path is not None else None

    def embed(self, texts: Sequence[str]) -> Array:
        """Return one vector of length 1 for each text, as an array of shape (n, 384) and type float32.

        A text is cut after 256 tokens. Not for the event loop: it computes.

        Raises:
            ConfigError: The weights were not pulled.
        """
        encoder = _loaded(self._path or weights.locate(weights.EMBEDDINGS))
        rows = self._np.zeros((len(texts), DIMENSIONS), self._np.float32)
        # Texts of one length go together, so that nothing is padded much and a batch equals its texts one by one.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            rows[chosen] = encoder.encode([texts[i] for i in chosen])
        return rows


class _Encoder:
    """The forward pass of a BERT with mean pooling."""

    def __init__(self, path: Path) -> None:
        self.np: Any = require("numpy", extra="embedded")
        tensors: dict[str, Any] = require("safetensors.numpy", extra="embedded").load_file(str(path))
        self.tensors = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
        self.tokenizer: Any = require("tokenizers", extra="embedded").Tokenizer.from_file(
            str(path.with_name("tokenizer.json"))
        )
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    def encode(self, texts: list[str]) -> Array:
        np = self.np
        tokens = self.tokenizer.encode_batch(texts)
        ids = np.array([t.ids for t in tokens])
        mask = np.array([t.attention_mask for t in tokens], np.float32)
        hidden = self._embed(ids)
        unseen = (1.0 - mask[:, None, None, :]) * np.float32(-1e9)
        for layer in range(LAYERS):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, unseen)
        pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _embed(self, ids: Array) -> Array:
        part = self.tensors
        words = part["embeddings.word_embeddings.weight"][ids]
        places = part["embeddings.position_embeddings.weight"][: ids.shape[1]]
        return self._norm("embeddings.LayerNorm", words + places + part["embeddings.token_type_embeddings.weight"][0])

    def _layer(self, name: str, hidden: Array, unseen: Array) -> Array:
        attended = self._linear(
            f"{name}.attention.output.dense", self._attend(f"{name}.attention.self", hidden, unseen)
        )
        hidden = self._norm(f"{name}.attention.output.LayerNorm", hidden + attended)
        inner = self._gelu(self._linear(f"{name}.intermediate.dense", hidden))
        return self._norm(f"{name}.output.LayerNorm", hidden + self._linear(f"{name}.output.dense", inner))

    def _attend(self, name: str, hidden: Array, unseen: Array) -> Array:
        texts, length, width = hidden.shape

        def heads(part: str) -> Any:
            split = self._linear(f"{name}.{part}", hidden).reshape(texts, length, HEADS, width // HEADS)
            return split.transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / self.np.float32((width // HEADS) ** 0.5) + unseen
        scores = self.np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ heads("value")
        return seen.transpose(0, 2, 1, 3).reshape(texts, length, width)

    def _linear(self, name: str, hidden: Array) -> Array:
        return hidden @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def _norm(self, name: str, hidden: Array) -> Array:
        centred = hidden - hidden.mean(-1, keepdims=True)
        spread = self.np.sqrt((centred**2).mean(-1, keepdims=True) + self.np.float32(1e-12))
        return centred / spread * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]

    def _gelu(self, x: Array) -> Array:
        return x * self.np.float32(0.5) * (1.0 + _erf(self.np, x * self.np.float32(0.5**0.5)))


_loading = threading.Lock()
_encoders: dict[Path, _Encoder] = {}


def _loaded(path: Path) -> _Encoder:
    """Return the encoder of a file, loaded once in a process."""
    with _loading:
        if path not in _encoders:
            _encoders[path] = _Encoder(path)
        return _encoders[path]


def _erf(np: Any, x: Array) -> Array:
    """Return the error function, right to 1.5e-7.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26.
    """
    t = 1.0 / (1.0 + np.float32(0.3275911) * np.abs(x))
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429))))
    )
    return np.sign(x) * (1.0 - series * np.exp(-x * x))
