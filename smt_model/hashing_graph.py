"""MurmurHash3 x86 32-bit as TensorFlow operations, for models that take raw text.

No custom operation and no Python in the graph: it is saved with a model and runs in TensorFlow
Serving. Source of the algorithm: Austin Appleby's reference, MurmurHash3_x86_32 in
https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
"""

import tensorflow as tf

_WORD = 4
_CHUNK = 4 * _WORD
"""Bytes of each text that a turn of the loop takes: most cells of a log fit in one turn."""


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
    lengths = tf.strings.length(texts)
    longest = tf.reduce_max(lengths)

    def take_chunk(start: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chunk = tf.strings.substr(
            texts, tf.minimum(start, lengths), tf.fill([tf.size(texts)], _CHUNK)
        )
        words = tf.bitcast(tf.io.decode_raw(chunk, tf.int32, fixed_length=_CHUNK), tf.uint32)
        for index, word in enumerate(tf.unstack(words, _CHUNK // _WORD, axis=1)):
            # The last bytes of a text are a word filled up with zeros, and mixed in without
            # the second half of the round; beyond them come words of zero, which change nothing.
            begun = tf.bitwise.bitwise_xor(state, _scramble(word))
            is_whole = start + (index + 1) * _WORD <= lengths
            state = tf.where(is_whole, _rotate(begun, 13) * _u32(5) + _u32(0xE6546B64), begun)
        return start + _CHUNK, state

    initial = tf.fill([tf.size(texts)], tf.convert_to_tensor(seed, tf.uint32))
    _, state = tf.while_loop(
        lambda start, _: start < longest,
        take_chunk,
        (tf.constant(0), initial),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return _finish(tf.bitwise.bitwise_xor(state, tf.cast(lengths, tf.uint32)))


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
