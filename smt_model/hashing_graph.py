"""MurmurHash3 x86 32-bit as TensorFlow operations, for models that take raw text.

No custom operation and no Python in the graph: it is saved with a model and runs in TensorFlow
Serving. Source of the algorithm: Austin Appleby's reference, MurmurHash3_x86_32 in
https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
"""

from collections.abc import Callable

import tensorflow as tf

CHUNK = 16
"""Bytes of each text that a turn of the loop takes: most cells of a log fit in one turn."""

_WORD = 4


def murmur3_32(texts: tf.Tensor, seed: tf.Tensor | int) -> tf.Tensor:
    """Return the hash of each text, equal to ``mmh3.hash(text, seed, signed=False)``.

    Any bytes of any length are hashed exactly. Time grows with the longest text of the batch,
    ``rows · ⌈longest / 16⌉`` turns of a row; memory does not: 16 bytes a text.

    Parameters
    ----------
    texts
        string [N].
    seed
        Seed of the hash, 0 to 2³² - 1; a tensor is uint32 [].

    Returns
    -------
    tf.Tensor
        uint32 [N].
    """

    def mix(chunk: tf.Tensor, left: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor]:
        words = tf.bitcast(tf.io.decode_raw(chunk, tf.int32, fixed_length=CHUNK), tf.uint32)
        for index, word in enumerate(tf.unstack(words, CHUNK // _WORD, axis=1)):
            # The last bytes of a text are a word filled up with zeros, and mixed in without
            # the second half of the round; beyond them come words of zero, which change nothing.
            begun = tf.bitwise.bitwise_xor(state, _scramble(word))
            is_whole = (index + 1) * _WORD <= left
            state = tf.where(is_whole, _rotate(begun, 13) * _u32(5) + _u32(0xE6546B64), begun)
        return (state,)

    initial = tf.fill([tf.size(texts)], tf.convert_to_tensor(seed, tf.uint32))
    (state,) = mix_chunks(texts, mix, [initial])
    lengths = tf.cast(tf.strings.length(texts), tf.uint32)
    return _finish(tf.bitwise.bitwise_xor(state, lengths))


def mix_chunks(
    texts: tf.Tensor, mix: Callable[..., tuple[tf.Tensor, ...]], initial: list[tf.Tensor]
) -> list[tf.Tensor]:
    """Mix the bytes of texts into the state of a hash, `CHUNK` at a time.

    Parameters
    ----------
    texts
        string [N].
    mix
        Takes string [N], the next bytes of each text, which may be fewer than `CHUNK`; int32
        [N], how many bytes each text still has, at most 0 behind its end; and the state, [N]
        each. Returns the new state.
    initial
        The state before the first byte.
    """
    lengths = tf.strings.length(texts)
    longest = tf.reduce_max(lengths)

    def turn(start: tf.Tensor, *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        chunk = tf.strings.substr(
            texts, tf.minimum(start, lengths), tf.fill([tf.size(texts)], CHUNK)
        )
        return start + CHUNK, *mix(chunk, lengths - start, *state)

    _, *state = tf.while_loop(
        lambda start, *_: start < longest,
        turn,
        (tf.constant(0), *initial),
        shape_invariants=(tf.TensorShape([]), *(tf.TensorShape([None]) for _ in initial)),
    )
    return state  # type: ignore[no-any-return]


def _scramble(word: tf.Tensor) -> tf.Tensor:
    return _rotate(word * _u32(0xCC9E2D51), 15) * _u32(0x1B873593)


def _finish(state: tf.Tensor) -> tf.Tensor:
    state = _fold(state, 16) * _u32(0x85EBCA6B)
    state = _fold(state, 13) * _u32(0xC2B2AE35)
    return _fold(state, 16)


def _fold(state: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(state, tf.bitwise.right_shift(state, _u32(bits)))


def _rotate(word: tf.Tensor, bits: int) -> tf.Tensor:
    left = tf.bitwise.left_shift(word, _u32(bits))
    return tf.bitwise.bitwise_or(left, tf.bitwise.right_shift(word, _u32(32 - bits)))


def _u32(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)
